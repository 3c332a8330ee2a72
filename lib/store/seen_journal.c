/* seen_journal - nobody but the journal knows an event: each id is free, and the seen log decides
 * within the transaction. It is the shortest engine, and the one to copy. */
#include <stdlib.h>

#include "seen.h"

struct seen {
	char nothing;
};

static struct seen *
journal_only_open(const struct seen_home *home, struct error *why)
{
	struct seen *seen = calloc(1, sizeof *seen);

	(void)home;
	if (!seen)
		error_set(why, "out of memory");
	return seen;
}

static void
journal_only_close(struct seen **seen)
{
	free(*seen);
	*seen = NULL;
}

static enum store_rc
journal_only_claim(struct seen *seen, struct seen_claim *claims, size_t n, struct error *why)
{
	(void)seen;
	(void)why;
	for (size_t i = 0; i < n; i++)
		claims[i].answer = SEEN_FREE;
	return STORE_OK;
}

static void
journal_only_told(struct seen *seen, const struct seen_claim *claims, size_t n)
{
	(void)seen;
	(void)claims;
	(void)n;
}

const struct seen_engine seen_journal = {
	.open = journal_only_open,
	.close = journal_only_close,
	.claim = journal_only_claim,
	.keep = journal_only_told,
	.drop = journal_only_told,
};
