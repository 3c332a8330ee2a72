/* exchange - see exchange.h. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 1024, SMALL_MAX = 64 << 10, SMALL_PART = 64, RESERVE_PART = 8, PACE_MS = 1024 };

/* Bytes of bodies: of all, and of those that are not small. */
struct held {
	size_t all, large;
};

struct exchanges {
	size_t most, used, live; /* places; places ever used; exchanges now */
	size_t memory, small;    /* for bodies; up to this one is small */
	struct held held;
	struct {
		size_t live;
		struct held held;
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
	t->small = memory / SMALL_PART < SMALL_MAX ? memory / SMALL_PART : SMALL_MAX;
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
		.pace_ms = now_ms,
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

/* What is held once a body has got room instead of what it has. */
static struct held
held_with(const struct exchanges *t, const struct exchange *x, struct held held, size_t room)
{
	held.all = held.all - x->room + room;
	held.large -= x->room > t->small ? x->room : 0;
	held.large += room > t->small ? room : 0;
	return held;
}

static void
set_room(struct exchanges *t, struct exchange *x, size_t room)
{
	struct held *share = &t->shares[x->share].held;

	t->held = held_with(t, x, t->held, room);
	*share = held_with(t, x, *share, room);
	x->room = room;
}

void
exchange_drop_body(struct exchanges *t, struct exchange *x)
{
	set_room(t, x, 0);
	free(x->body);
	x->body = NULL;
	x->n = 0;
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

/* May the source of a body hold so much, of what it shares with others? As much as it leaves free: half
 * when it is alone in that, a third of two. Its only body may be of any size that is allowed at all. */
static bool
is_fair(const struct exchanges *t, size_t mine, size_t all, size_t memory, size_t room)
{
	return !t->shared || mine == room || (all <= memory && mine <= memory - all);
}

/* Large bodies leave a reserve that only small ones may use. */
static bool
has_memory(const struct exchanges *t, const struct exchange *x, size_t room)
{
	const struct held all = held_with(t, x, t->held, room),
			  mine = held_with(t, x, t->shares[x->share].held, room);
	const size_t large = t->memory - t->memory / RESERVE_PART;

	if (all.all > t->memory)
		return false;
	if (room <= t->small)
		return is_fair(t, mine.all - mine.large, all.all, t->memory, room);
	return (all.large <= large || all.large == room) &&
	       is_fair(t, mine.large, all.large, large, room);
}

/* For need bytes, and some that are likely to follow. */
static size_t
room_for(const struct exchanges *t, const struct exchange *x, size_t need)
{
	const size_t most = x->expected >= need && x->expected < x->limit ? x->expected : x->limit;
	size_t room = x->room < t->small ? 2 * x->room : x->room + x->room / 4;

	if (room < FIRST_ROOM)
		room = FIRST_ROOM;
	if (room < need)
		room = need;
	return room < most ? room : most;
}

static bool
grow(struct exchanges *t, struct exchange *x, size_t need)
{
	size_t room = room_for(t, x, need);
	char *body;

	if (!has_memory(t, x, room))
		room = need;
	if (!has_memory(t, x, room))
		return false;
	body = realloc(x->body, room);
	if (!body)
		return false;
	x->body = body;
	set_room(t, x, room);
	return true;
}

/* What came of late: each PACE_MS the half of it is forgotten. */
static uint64_t
pace_at(const struct exchange *x, uint64_t now_ms)
{
	const uint64_t halves = (now_ms - x->pace_ms) / PACE_MS;

	return halves < 64 ? x->pace >> halves : 0;
}

static void
keep_pace(struct exchange *x, size_t n, uint64_t now_ms)
{
	x->pace = pace_at(x, now_ms) + n;
	x->pace_ms = now_ms - (now_ms - x->pace_ms) % PACE_MS;
	x->came_ms = now_ms;
}

enum exchange_body
exchange_add(struct exchanges *t, struct exchange *x, struct slice bytes, uint64_t now_ms)
{
	const size_t need = x->n + bytes.n;

	if (need > x->limit)
		return EXCHANGE_BODY_LARGE;
	if (need > x->room && !grow(t, x, need))
		return EXCHANGE_BODY_MEMORY;
	memcpy(x->body + x->n, bytes.p, bytes.n);
	x->n = need;
	keep_pace(x, bytes.n, now_ms);
	return EXCHANGE_BODY_OK;
}

/* For how long it would hold so much, at its pace (or at 1 KiB/s, if that is more), and the more so the
 * longer nothing has come. */
static uint64_t
burden(size_t room, uint64_t pace, uint64_t still_ms)
{
	return room * (1 + still_ms) / (pace + FIRST_ROOM);
}

struct exchange *
exchange_slowest(struct exchanges *t, struct exchange *x, size_t n, uint64_t now_ms)
{
	const size_t room = x->n + n, mine = t->shares[x->share].held.all;
	uint64_t most = burden(room, pace_at(x, now_ms) + n, 0);
	struct exchange *slowest = x;

	for (size_t i = 0; room <= t->memory && i < t->used; i++) {
		struct exchange *y = &t->places[i];
		const bool helps = y->state == EXCHANGE_READING && y->room > 0 &&
				   (room <= t->small || y->room > t->small) &&
				   t->shares[y->share].held.all >= mine;

		const uint64_t load = burden(y->room, pace_at(y, now_ms), now_ms - y->came_ms);

		if (helps && load > most) {
			most = load;
			slowest = y;
		}
	}
	return slowest;
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
