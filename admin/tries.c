/* tries - see tries.h. */
#include "tries.h"

#include <stdio.h>
#include <string.h>

/* Its row, or the one that can be missed the most. */
static size_t
row_of(const struct tries *t, const char *address)
{
	size_t least = 0;

	for (size_t i = 0; i < TRIES_ADDRESSES; i++) {
		if (strcmp(t->rows[i].address, address) == 0)
			return i;
		if (t->rows[i].until_ms < t->rows[least].until_ms)
			least = i;
	}
	return least;
}

bool
tries_wrong(struct tries *t, const char *address, uint64_t now_ms, unsigned *wait_s)
{
	const size_t i = row_of(t, address);
	uint64_t *until_ms = &t->rows[i].until_ms;

	if (strcmp(t->rows[i].address, address) != 0 || *until_ms < now_ms)
		*until_ms = now_ms;
	snprintf(t->rows[i].address, sizeof t->rows[i].address, "%s", address);
	if (*until_ms + TRIES_EACH_MS > now_ms + (uint64_t)TRIES_AT_ONCE * TRIES_EACH_MS) {
		*wait_s = TRIES_EACH_MS / 1000;
		return true;
	}
	*until_ms += TRIES_EACH_MS;
	return false;
}
