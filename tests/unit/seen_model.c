/* seen_model - see seen_model.h. */
#include "seen_model.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <string.h>

enum { ROWS_MOST = 256 };

struct seen {
	char nothing;
};

static struct row {
	struct hash128 hash;
	int node; /* 0: nobody has it */
	bool kept;
} rows[ROWS_MOST];

int seen_model_node = 1;
struct seen_model_calls seen_model_calls;
enum store_rc seen_model_fails;
unsigned seen_model_aged;

void
seen_model_reset(void)
{
	memset(rows, 0, sizeof rows);
	memset(&seen_model_calls, 0, sizeof seen_model_calls);
	seen_model_node = 1;
	seen_model_fails = STORE_OK;
	seen_model_aged = 0;
}

static struct row *
row_of(struct hash128 hash)
{
	for (size_t i = 0; i < ROWS_MOST; i++) {
		if (rows[i].hash.hi == hash.hi && rows[i].hash.lo == hash.lo)
			return &rows[i];
		if (rows[i].hash.hi == 0 && rows[i].hash.lo == 0) {
			rows[i].hash = hash;
			return &rows[i];
		}
	}
	cr_assert_fail("more ids than the model holds");
	return NULL;
}

static struct seen *
model_open(const struct seen_home *home, struct error *why)
{
	static struct seen one;

	(void)home;
	(void)why;
	return &one;
}

static void
model_close(struct seen **seen)
{
	*seen = NULL;
}

static enum seen_answer
claim_one(struct row *row)
{
	if (row->node == 0)
		row->node = seen_model_node;
	if (row->node == seen_model_node)
		return SEEN_FREE;
	return row->kept ? SEEN_TAKEN : SEEN_BUSY;
}

static enum store_rc
model_claim(struct seen *seen, struct seen_claim *claims, size_t n, struct error *why)
{
	(void)seen;
	seen_model_calls.claims++;
	if (seen_model_fails != STORE_OK) {
		error_set(why, "the model is away");
		return seen_model_fails;
	}
	seen_model_calls.claimed += n;
	for (size_t i = 0; i < n; i++)
		claims[i].answer = claim_one(row_of(claims[i].hash));
	return STORE_OK;
}

static void
model_keep(struct seen *seen, const struct seen_claim *claims, size_t n)
{
	(void)seen;
	seen_model_calls.keeps++;
	seen_model_calls.kept += n;
	for (size_t i = 0; i < n; i++)
		*row_of(claims[i].hash) = (struct row){claims[i].hash, seen_model_node, true};
}

static void
model_drop(struct seen *seen, const struct seen_claim *claims, size_t n)
{
	(void)seen;
	seen_model_calls.drops++;
	seen_model_calls.dropped += n;
	for (size_t i = 0; i < n; i++) {
		struct row *row = row_of(claims[i].hash);

		if (row->node == seen_model_node && !row->kept)
			row->node = 0;
	}
}

static bool
model_aged(const struct seen *seen)
{
	(void)seen;
	return seen_model_aged > 0 && seen_model_aged--;
}

const struct seen_engine seen_model = {
	.open = model_open,
	.close = model_close,
	.claim = model_claim,
	.keep = model_keep,
	.drop = model_drop,
	.aged = model_aged,
};
