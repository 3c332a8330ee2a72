/* tries - see tries.h. */
#include "tries.h"

/* Its row, or the one that can be missed the most. */
static size_t
row_of(const struct tries *t, const struct peer *counted)
{
	size_t least = 0;

	for (size_t i = 0; i < TRIES_ADDRESSES; i++) {
		if (peer_same(&t->rows[i].counted, counted))
			return i;
		if (t->rows[i].until_ms < t->rows[least].until_ms)
			least = i;
	}
	return least;
}

bool
tries_wrong(struct tries *t, struct peer whole, uint64_t now_ms, unsigned *wait_s)
{
	const struct peer counted = peer_counted(whole);
	const size_t i = row_of(t, &counted);
	uint64_t *until_ms = &t->rows[i].until_ms;

	if (!peer_same(&t->rows[i].counted, &counted) || *until_ms < now_ms)
		*until_ms = now_ms;
	t->rows[i].counted = counted;
	if (*until_ms + TRIES_EACH_MS > now_ms + (uint64_t)TRIES_AT_ONCE * TRIES_EACH_MS) {
		*wait_s = TRIES_EACH_MS / 1000;
		return true;
	}
	*until_ms += TRIES_EACH_MS;
	return false;
}
