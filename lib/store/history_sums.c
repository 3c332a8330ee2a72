/* history_sums - counts by what was counted, in memory: a table that grows up to a limit. */
#include <stdlib.h>

#include "history_sums.h"

enum { FIRST_SLOTS = 256 };

static size_t
slot_of(const struct sums *t, const struct sum_key *key)
{
	uint64_t x = key->bucket;

	for (int i = 0; i < SUM_WORDS; i++)
		x = (x ^ key->word[i]) * 0x9e3779b97f4a7c15U;
	x = (x ^ key->domain ^ (uint64_t)key->machine << 8) * 0x9e3779b97f4a7c15U;
	return (size_t)(x ^ x >> 32) & (t->slots_n - 1);
}

static bool
is(const struct sum_key *a, const struct sum_key *b)
{
	return a->bucket == b->bucket && memcmp(a->word, b->word, sizeof a->word) == 0 &&
	       a->domain == b->domain && a->machine == b->machine;
}

/* The slot of a key, free or not. */
static uint32_t *
find(const struct sums *t, const struct sum_key *key)
{
	size_t i = slot_of(t, key);

	while (t->slots[i] && !is(&t->rows[t->slots[i] - 1].key, key))
		i = (i + 1) & (t->slots_n - 1);
	return &t->slots[i];
}

static bool
grow(struct sums *t)
{
	const size_t slots_n = t->slots_n ? t->slots_n * 2 : FIRST_SLOTS;
	struct sum_row *rows = realloc(t->rows, slots_n / 2 * sizeof *rows);
	uint32_t *slots = calloc(slots_n, sizeof *slots);

	if (rows)
		t->rows = rows;
	if (!rows || !slots) {
		free(slots);
		return false;
	}
	free(t->slots);
	t->slots = slots;
	t->slots_n = slots_n;
	for (size_t i = 0; i < t->n; i++)
		*find(t, &t->rows[i].key) = (uint32_t)i + 1;
	return true;
}

bool
sums_add(struct sums *t, const struct sum_key *key, uint64_t count)
{
	uint32_t *slot;

	if (t->n * 2 >= t->slots_n && !grow(t))
		return false;
	slot = find(t, key);
	if (!*slot) {
		if (t->most && t->n == t->most)
			return false;
		t->rows[t->n++] = (struct sum_row){*key, 0};
		*slot = (uint32_t)t->n;
	}
	t->rows[*slot - 1].count += count;
	return true;
}

void
sums_free(struct sums *t)
{
	free(t->rows);
	free(t->slots);
	*t = (struct sums){.most = t->most};
}
