/* crowd - see crowd.h. */
#include "crowd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

TAILQ_HEAD(queue, crowd_member);

struct crowd_holder {
	struct peer peer;
	size_t members, requests;
	struct queue queues[CROWD_STATES];
	struct crowd_holder *next;
};

struct crowd {
	size_t limit, each, count;
	struct queue queues[CROWD_STATES];
	uint64_t seed; /* so that nobody can choose addresses of one slot */
	size_t mask;
	struct crowd_holder *holders[];
};

static void
queues_init(struct queue *queues)
{
	for (int i = 0; i < CROWD_STATES; i++)
		TAILQ_INIT(&queues[i]);
}

struct crowd *
crowd_new(size_t limit, size_t each)
{
	size_t slots = 64;
	struct crowd *crowd;

	while (slots < limit)
		slots *= 2;
	crowd = calloc(1, sizeof *crowd + slots * sizeof(struct crowd_holder *));
	if (!crowd)
		return NULL;
	*crowd = (struct crowd){.limit = limit, .each = each, .mask = slots - 1};
	queues_init(crowd->queues);
	if (getrandom(&crowd->seed, sizeof crowd->seed, GRND_NONBLOCK) < 0)
		crowd->seed = (uint64_t)(uintptr_t)crowd;
	return crowd;
}

void
crowd_destroy(struct crowd **crowd)
{
	free(*crowd);
	*crowd = NULL;
}

/* ---- addresses ---- */

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct crowd_holder **
slot_of(const struct crowd *crowd, const struct peer *peer)
{
	uint64_t halves[2];

	memcpy(halves, peer->bytes, sizeof halves);
	return (struct crowd_holder **)&crowd
		->holders[mix(mix(crowd->seed ^ halves[0]) ^ halves[1]) & crowd->mask];
}

static struct crowd_holder *
find(const struct crowd *crowd, const struct peer *peer)
{
	struct crowd_holder *h = *slot_of(crowd, peer);

	while (h && !peer_same(&h->peer, peer))
		h = h->next;
	return h;
}

static struct crowd_holder *
find_or_add(struct crowd *crowd, const struct peer *peer)
{
	struct crowd_holder **slot = slot_of(crowd, peer), *h = find(crowd, peer);

	if (h || !(h = malloc(sizeof *h)))
		return h;
	*h = (struct crowd_holder){.peer = *peer, .next = *slot};
	queues_init(h->queues);
	*slot = h;
	return h;
}

static void
drop_unused(struct crowd *crowd, struct crowd_holder *h)
{
	struct crowd_holder **at = slot_of(crowd, &h->peer);

	if (h->members > 0 || h->requests > 0)
		return;
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	free(h);
}

/* ---- members ---- */

enum crowd_want
crowd_wants(const struct crowd *crowd, const struct peer *counted, bool exempt)
{
	const struct crowd_holder *h = exempt ? NULL : find(crowd, counted);

	if (h && h->members >= crowd->each)
		return CROWD_ADDRESS;
	return crowd->count >= crowd->limit ? CROWD_LIMIT : CROWD_ROOM;
}

struct crowd_member *
crowd_first_to_go(const struct crowd *crowd, const struct peer *counted, enum crowd_want want,
	uint64_t now_ms)
{
	const struct crowd_holder *h = want == CROWD_ADDRESS ? find(crowd, counted) : NULL;
	const struct queue *queues = h ? h->queues : crowd->queues;
	struct crowd_member *busy = TAILQ_FIRST(&queues[CROWD_BUSY]);

	if (!TAILQ_EMPTY(&queues[CROWD_IDLE]))
		return TAILQ_FIRST(&queues[CROWD_IDLE]);
	return busy && now_ms - busy->since_ms >= CROWD_PATIENCE_MS ? busy : NULL;
}

static void
put(struct crowd *crowd, struct crowd_member *m)
{
	TAILQ_INSERT_TAIL(&crowd->queues[m->state], m, all);
	TAILQ_INSERT_TAIL(&m->holder->queues[m->state], m, own);
}

static void
take(struct crowd *crowd, struct crowd_member *m)
{
	TAILQ_REMOVE(&crowd->queues[m->state], m, all);
	TAILQ_REMOVE(&m->holder->queues[m->state], m, own);
}

bool
crowd_enter(
	struct crowd *crowd, struct crowd_member *m, const struct peer *counted, uint64_t now_ms)
{
	struct crowd_holder *h = find_or_add(crowd, counted);

	if (!h)
		return false;
	h->members++;
	crowd->count++;
	m->holder = h;
	m->state = CROWD_IDLE;
	m->since_ms = now_ms;
	put(crowd, m);
	return true;
}

void
crowd_leave(struct crowd *crowd, struct crowd_member *m)
{
	if (!m->holder)
		return;
	take(crowd, m);
	crowd->count--;
	m->holder->members--;
	drop_unused(crowd, m->holder);
	m->holder = NULL;
}

void
crowd_move(struct crowd *crowd, struct crowd_member *m, enum crowd_state state, uint64_t now_ms)
{
	if (!m->holder)
		return;
	take(crowd, m);
	m->state = state;
	m->since_ms = now_ms;
	put(crowd, m);
}

size_t
crowd_count(const struct crowd *crowd)
{
	return crowd->count;
}

bool
crowd_is_near(const struct crowd *crowd)
{
	return crowd->count * 10 >= crowd->limit * 9;
}

size_t
crowd_most(const struct crowd *crowd, struct peer *counted)
{
	size_t most = 0;

	for (size_t i = 0; i <= crowd->mask; i++)
		for (const struct crowd_holder *h = crowd->holders[i]; h; h = h->next) {
			if (h->members <= most)
				continue;
			most = h->members;
			*counted = h->peer;
		}
	return most;
}

/* ---- requests ---- */

struct crowd_holder *
crowd_request(struct crowd *crowd, const struct peer *counted, bool *over)
{
	struct crowd_holder *h = find_or_add(crowd, counted);

	if (!h)
		return NULL;
	*over = h->requests >= crowd->each;
	h->requests++;
	return h;
}

void
crowd_request_over(struct crowd *crowd, struct crowd_holder *h)
{
	h->requests--;
	drop_unused(crowd, h);
}
