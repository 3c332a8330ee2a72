/* leases - see leases.h. */
#include "leases.h"

#include <stdlib.h>

/* Leases are told by their place, from 1 on; 0 is none. */
struct lease {
	uint64_t seq, since_ms;
	uint32_t older, newer;
	uint32_t chained; /* the next one of the same bucket, or the next free place */
};

struct leases {
	struct lease *places; /* places[0] closes the circle: `newer` is the oldest lease */
	uint32_t most, used;  /* places ever used */
	uint32_t free;
	uint32_t *buckets;
	uint64_t mask;
};

struct leases *
leases_new(size_t most)
{
	struct leases *l = calloc(1, sizeof *l);
	uint64_t buckets = 1;

	if (!l)
		return NULL;
	while (buckets < most)
		buckets *= 2;
	l->most = (uint32_t)most;
	l->mask = buckets - 1;
	l->places = calloc(most + 1, sizeof *l->places);
	l->buckets = calloc(buckets, sizeof *l->buckets);
	if (!l->places || !l->buckets)
		leases_destroy(&l);
	return l;
}

void
leases_destroy(struct leases **l)
{
	if (!*l)
		return;
	free((*l)->places);
	free((*l)->buckets);
	free(*l);
	*l = NULL;
}

bool
leases_full(const struct leases *l)
{
	return l->free == 0 && l->used == l->most;
}

/* Numbers are nearly in sequence, so their low bits spread them evenly. */
static uint32_t *
bucket_of(const struct leases *l, uint64_t seq)
{
	return &l->buckets[seq & l->mask];
}

static uint32_t
take_place(struct leases *l)
{
	const uint32_t place = l->free;

	if (place == 0)
		return ++l->used;
	l->free = l->places[place].chained;
	return place;
}

void
leases_begin(struct leases *l, uint64_t seq, uint64_t since_ms)
{
	uint32_t *bucket = bucket_of(l, seq), place;

	leases_end(l, seq);
	place = take_place(l);
	l->places[place] = (struct lease){
		.seq = seq,
		.since_ms = since_ms,
		.older = l->places[0].older,
		.chained = *bucket,
	};
	*bucket = place;
	l->places[l->places[0].older].newer = place;
	l->places[0].older = place;
}

void
leases_end(struct leases *l, uint64_t seq)
{
	uint32_t *link = bucket_of(l, seq);
	struct lease *lease;
	uint32_t place;

	while (*link && l->places[*link].seq != seq)
		link = &l->places[*link].chained;
	place = *link;
	if (place == 0)
		return;
	lease = &l->places[place];
	*link = lease->chained;
	l->places[lease->older].newer = lease->newer;
	l->places[lease->newer].older = lease->older;
	lease->chained = l->free;
	l->free = place;
}

bool
leases_oldest(const struct leases *l, uint64_t *seq, uint64_t *since_ms)
{
	const uint32_t place = l->places[0].newer;

	*seq = l->places[place].seq;
	*since_ms = l->places[place].since_ms;
	return place != 0;
}
