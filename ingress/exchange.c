/* exchange - see exchange.h. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024 };

struct exchanges {
	size_t most, used, live; /* places; places ever used; exchanges now */
	size_t memory, memory_used;
	struct {
		size_t live, memory;
	} shares[CONFIG_SOURCES_MAX + 1];
	bool shared;      /* more than one source */
	uint32_t *unused; /* stack of free places below `used` */
	size_t unused_count;
	struct exchange places[];
};

struct exchanges *
exchanges_new(size_t most, size_t memory)
{
	struct exchanges *t = calloc(1, sizeof *t + most * sizeof *t->places);

	if (!t)
		return NULL;
	t->most = most;
	t->memory = memory;
	t->unused = calloc(most, sizeof *t->unused);
	if (!t->unused)
		exchanges_destroy(&t);
	return t;
}

void
exchanges_destroy(struct exchanges **t_p)
{
	struct exchanges *t = *t_p;

	if (!t)
		return;
	for (size_t i = 0; i < t->used; i++)
		if (t->places[i].state != EXCHANGE_FREE)
			exchange_close(t, &t->places[i]);
	free(t->unused);
	free(t);
	*t_p = NULL;
}

struct exchange *
exchange_open(struct exchanges *t, void *connection, uint64_t now_ms)
{
	struct exchange *x;
	uint32_t slot;

	if (t->unused_count == 0 && t->used == t->most)
		return NULL;
	slot = t->unused_count > 0 ? t->unused[--t->unused_count] : (uint32_t)t->used++;
	x = &t->places[slot];
	*x = (struct exchange){
		.state = EXCHANGE_READING,
		.slot = slot,
		.generation = x->generation + 1,
		.connection = connection,
		.since_ms = now_ms,
	};
	t->live++;
	return x;
}

bool
exchange_claim(struct exchanges *t, struct exchange *x, size_t source, size_t sources)
{
	t->shared = sources > 1;
	if (t->shared && t->shares[source + 1].live >= (t->most + 1) / 2)
		return false;
	x->share = source + 1;
	t->shares[x->share].live++;
	return true;
}

void
exchange_drop_body(struct exchanges *t, struct exchange *x)
{
	t->memory_used -= x->room;
	t->shares[x->share].memory -= x->room;
	free(x->body);
	x->body = NULL;
	x->n = x->room = 0;
}

void
exchange_close(struct exchanges *t, struct exchange *x)
{
	exchange_drop_body(t, x);
	x->state = EXCHANGE_FREE;
	if (x->share > 0)
		t->shares[x->share].live--;
	t->unused[t->unused_count++] = x->slot;
	t->live--;
}

/* A source's only body may be of any size that is allowed at all. */
static bool
has_memory(const struct exchanges *t, const struct exchange *x, size_t more)
{
	const size_t held = t->shares[x->share].memory;

	return t->memory_used + more <= t->memory &&
	       (!t->shared || held == x->room || held + more <= t->memory / 2);
}

static bool
grow(struct exchanges *t, struct exchange *x, size_t need)
{
	size_t room = x->room ? x->room : FIRST_ROOM;
	char *body;

	while (room < need)
		room *= 2;
	if (room > x->limit)
		room = x->limit;
	if (!has_memory(t, x, room - x->room))
		return false;
	body = realloc(x->body, room);
	if (!body)
		return false;
	t->memory_used += room - x->room;
	t->shares[x->share].memory += room - x->room;
	x->body = body;
	x->room = room;
	return true;
}

enum exchange_body
exchange_add(struct exchanges *t, struct exchange *x, const char *bytes, size_t n, size_t expected)
{
	size_t need = x->n + n;

	if (need > x->limit)
		return EXCHANGE_BODY_LARGE;
	if (x->room == 0 && expected > need && expected <= x->limit)
		need = expected;
	if (need > x->room && !grow(t, x, need))
		return EXCHANGE_BODY_MEMORY;
	memcpy(x->body + x->n, bytes, n);
	x->n += n;
	return EXCHANGE_BODY_OK;
}

uint64_t
exchange_number(const struct exchange *x)
{
	return (uint64_t)x->generation << 32 | x->slot;
}

struct exchange *
exchange_waiting(struct exchanges *t, uint64_t number)
{
	const uint64_t slot = number & UINT32_MAX;
	struct exchange *x;

	if (slot >= t->used)
		return NULL;
	x = &t->places[slot];
	if (exchange_number(x) != number ||
		(x->state != EXCHANGE_SENT && x->state != EXCHANGE_UNSENT))
		return NULL;
	return x;
}

size_t
exchanges_places(const struct exchanges *t)
{
	return t->used;
}

struct exchange *
exchange_place(struct exchanges *t, size_t i)
{
	return &t->places[i];
}

size_t
exchanges_live(const struct exchanges *t)
{
	return t->live;
}
