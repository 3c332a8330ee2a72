/* ledger - see ledger.h. */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BITS = 12, CHUNK = 1 << CHUNK_BITS, STATES = 256 };

struct chunk {
	size_t used; /* states that are not LEDGER_NONE */
	uint8_t state[CHUNK];
};

struct ledger {
	struct chunk *
		*chunks; /* chunks[i] holds the events from (first + i) * CHUNK on; may be NULL */
	size_t length, room;
	uint64_t first;
	size_t live, max;
	uint64_t count[STATES];
	uint64_t hint[STATES]; /* no event below has that state */
};

struct ledger *
ledger_new(size_t max_chunks)
{
	struct ledger *l = calloc(1, sizeof *l);

	if (l)
		l->max = max_chunks;
	return l;
}

void
ledger_destroy(struct ledger **l_p)
{
	struct ledger *l = *l_p;

	if (!l)
		return;
	for (size_t i = 0; i < l->length; i++)
		free(l->chunks[i]);
	free(l->chunks);
	free(l);
	*l_p = NULL;
}

static struct chunk *
chunk_of(const struct ledger *l, uint64_t seq)
{
	const uint64_t number = seq >> CHUNK_BITS;

	if (number < l->first || number - l->first >= l->length)
		return NULL;
	return l->chunks[number - l->first];
}

uint8_t
ledger_get(const struct ledger *l, uint64_t seq)
{
	const struct chunk *chunk = chunk_of(l, seq);

	return chunk ? chunk->state[seq & (CHUNK - 1)] : LEDGER_NONE;
}

/* Makes the list reach from first to last, both chunk numbers. */
static bool
span(struct ledger *l, uint64_t first, uint64_t last)
{
	const size_t before = (size_t)(l->first - first), length = (size_t)(last - first + 1);
	struct chunk **more = l->chunks;

	if (length > l->room) {
		more = realloc(l->chunks, 2 * length * sizeof *more);
		if (!more)
			return false;
		l->chunks = more;
		l->room = 2 * length;
	}
	memmove(more + before, more, l->length * sizeof *more);
	memset(more, 0, before * sizeof *more);
	memset(more + before + l->length, 0, (length - before - l->length) * sizeof *more);
	l->first = first;
	l->length = length;
	return true;
}

static struct chunk *
chunk_make(struct ledger *l, uint64_t seq)
{
	const uint64_t number = seq >> CHUNK_BITS, end = l->first + l->length;
	struct chunk *chunk;

	if (l->live >= l->max)
		return NULL;
	if (l->length == 0)
		l->first = number;
	if (!span(l, number < l->first ? number : l->first,
		    l->length > 0 && end - 1 > number ? end - 1 : number))
		return NULL;
	chunk = calloc(1, sizeof *chunk);
	if (chunk) {
		l->chunks[number - l->first] = chunk;
		l->live++;
	}
	return chunk;
}

/* Gives back a chunk that has emptied, and the empty places at the list's start. */
static void
chunk_drop(struct ledger *l, uint64_t seq)
{
	const size_t at = (size_t)((seq >> CHUNK_BITS) - l->first);
	size_t empty = 0;

	free(l->chunks[at]);
	l->chunks[at] = NULL;
	l->live--;
	while (empty < l->length && !l->chunks[empty])
		empty++;
	if (empty < l->length && empty < 64 + l->length / 2)
		return;
	memmove(l->chunks, l->chunks + empty, (l->length - empty) * sizeof(struct chunk *));
	l->first += empty;
	l->length -= empty;
}

bool
ledger_set(struct ledger *l, uint64_t seq, uint8_t state)
{
	struct chunk *chunk = chunk_of(l, seq);
	uint8_t *place;

	if (!chunk && state == LEDGER_NONE)
		return true;
	if (!chunk && !(chunk = chunk_make(l, seq)))
		return false;
	place = &chunk->state[seq & (CHUNK - 1)];
	if (*place == state)
		return true;
	chunk->used += (state != LEDGER_NONE);
	chunk->used -= (*place != LEDGER_NONE);
	l->count[*place]--;
	l->count[state]++;
	*place = state;
	if (seq < l->hint[state])
		l->hint[state] = seq;
	if (chunk->used == 0)
		chunk_drop(l, seq);
	return true;
}

uint64_t
ledger_first(struct ledger *l, uint8_t state)
{
	uint64_t from = l->hint[state];

	if (l->count[state] == 0)
		return 0;
	if (from < l->first << CHUNK_BITS)
		from = l->first << CHUNK_BITS;
	while (from >> CHUNK_BITS < l->first + l->length) {
		const struct chunk *chunk = chunk_of(l, from);
		const size_t at = from & (CHUNK - 1);
		const uint8_t *hit = chunk ? memchr(chunk->state + at, state, CHUNK - at) : NULL;

		if (hit) {
			l->hint[state] = from - at + (uint64_t)(hit - chunk->state);
			return l->hint[state];
		}
		from = (from | (CHUNK - 1)) + 1;
	}
	return 0;
}

uint64_t
ledger_count(const struct ledger *l, uint8_t state)
{
	return l->count[state];
}
