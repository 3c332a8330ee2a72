/* lanes - see lanes.h: a hash table with linear probing; lanes are hashes already. */
#include "lanes.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST = 64 };

static struct lane_count *
slot_of(const struct lanes *l, uint64_t lane)
{
	size_t at = lane & (l->room - 1);

	while (l->slots[at].lane && l->slots[at].lane != lane)
		at = (at + 1) & (l->room - 1);
	return &l->slots[at];
}

static bool
grow(struct lanes *l)
{
	const size_t room = l->room ? 2 * l->room : ROOM_LEAST;
	struct lanes wider = {calloc(room, sizeof *l->slots), room, l->used};

	if (!wider.slots)
		return false;
	for (size_t i = 0; i < l->room; i++)
		if (l->slots[i].lane)
			*slot_of(&wider, l->slots[i].lane) = l->slots[i];
	free(l->slots);
	*l = wider;
	return true;
}

bool
lanes_add(struct lanes *l, uint64_t lane, uint64_t n)
{
	struct lane_count *slot;

	if (!lane || !n)
		return true;
	if (4 * (l->used + 1) > 3 * l->room && !grow(l))
		return false;
	slot = slot_of(l, lane);
	l->used += slot->lane == 0;
	slot->lane = lane;
	slot->n += n;
	return true;
}

/* Those behind the free slot move up, unless they stand where they belong. */
static void
close_gap(struct lanes *l, size_t gap)
{
	const size_t mask = l->room - 1;

	for (size_t at = (gap + 1) & mask; l->slots[at].lane; at = (at + 1) & mask) {
		const size_t home = l->slots[at].lane & mask;

		if (((at - home) & mask) >= ((at - gap) & mask)) {
			l->slots[gap] = l->slots[at];
			gap = at;
		}
	}
	memset(&l->slots[gap], 0, sizeof l->slots[gap]);
	l->used--;
}

uint64_t
lanes_drop(struct lanes *l, uint64_t lane)
{
	struct lane_count *slot;

	if (!lane || !l->room || (slot = slot_of(l, lane))->lane == 0)
		return 0;
	if (--slot->n)
		return slot->n;
	close_gap(l, (size_t)(slot - l->slots));
	return 0;
}

uint64_t
lanes_count(const struct lanes *l, uint64_t lane)
{
	return lane && l->room ? slot_of(l, lane)->n : 0;
}

void
lanes_free(struct lanes *l)
{
	free(l->slots);
	*l = (struct lanes){NULL, 0, 0};
}
