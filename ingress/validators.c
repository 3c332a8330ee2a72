/* validators - see validators.h. */
#include "validators.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/wire.h"
#include "proto/bundle.h"

enum {
	BUNDLE_MAX = 256,
	BUNDLE_BYTES = 256 << 10, /* and a request */
	AHEAD_BYTES = 1 << 20,    /* and a bundle: in libzmq */
	ASKED_BYTES = 2 << 20,    /* and a bundle: without an answer yet */
	QUEUES = CONFIG_SOURCES_MAX + 1,
	QUANTUM = 64 << 10, /* bytes of a source at a turn, carried over while it waits */
	OVERHEAD = 512,     /* a request costs more than its body */
	ASK_AGAIN_MS = 150,
	SHUN_MS = 2000,
};

/* What libzmq holds of what each validator was sent; it may let go of some when all else has ended. */
static atomic_size_t held[CONFIG_PROCESSES_MAX];

struct validator {
	struct validators *all;
	zsock_t *requests;
	zsock_t *monitor;    /* tells when it goes away */
	size_t asked, bytes; /* requests that it has not answered; what they cost */
	uint64_t
		heard_ms; /* monotonic: its last answer, or when it was asked after it had none left */
	uint64_t shun_ms;      /* monotonic: until then others come first, for it said nothing */
	uint64_t ask_again_ms; /* monotonic; 0: not due */
};

struct queue {
	struct exchange_list list; /* in the order of their coming */
	size_t credit;
};

struct validators {
	struct stage *st;
	struct exchanges *table;
	uint64_t boot;
	struct queue queues[QUEUES]; /* by share */
	size_t turn, waiting;
	msgpack_zone zone;
	msgpack_sbuffer out;
	size_t count, next;
	struct validator peers[CONFIG_PROCESSES_MAX];
};

/* ---- who waits ---- */

void
validators_ask(struct validators *v, struct exchange *x)
{
	TAILQ_INSERT_TAIL(&v->queues[x->share].list, x, unsent);
	v->waiting++;
}

static void
leave_queue(struct validators *v, struct exchange *x)
{
	TAILQ_REMOVE(&v->queues[x->share].list, x, unsent);
	v->waiting--;
}

/* Back to the front, where it was. */
static void
put_back(struct validators *v, struct exchange *x)
{
	x->state = EXCHANGE_UNSENT;
	TAILQ_INSERT_HEAD(&v->queues[x->share].list, x, unsent);
	v->waiting++;
}

static size_t
cost(const struct exchange *x)
{
	return x->n + OVERHEAD;
}

/* Takes the next in turn from its queue, NULL: nobody waits. Who has nothing saves nothing. */
static struct exchange *
next_in_turn(struct validators *v)
{
	while (v->waiting > 0) {
		struct queue *q = &v->queues[v->turn];
		struct exchange *x = TAILQ_FIRST(&q->list);

		if (x && cost(x) <= q->credit) {
			q->credit -= cost(x);
			leave_queue(v, x);
			return x;
		}
		if (!x)
			q->credit = 0;
		v->turn = (v->turn + 1) % QUEUES;
		v->queues[v->turn].credit += QUANTUM;
	}
	return NULL;
}

/* ---- a bundle ---- */

/* Adds a request to the bundle. The clocks are those of the moment when it was complete. */
static bool
pack_request(struct validators *v, struct exchange *x)
{
	const uint64_t timeout = v->st->cfg->limits.answer_timeout_ms, now_ms = clock_mono_ms();
	struct request rq = {
		.boot = v->boot,
		.ingress = v->st->instance,
		.request = exchange_number(x),
		.source = slice_of(x->source->name),
		.target = slice_of(http_target(x)),
		.batch = x->batch,
		.received = clock_wall_ms() - (now_ms + timeout - x->give_up_ms),
		.deadline = x->give_up_ms - timeout / 3,
		.body = {x->body ? x->body : "", x->n},
	};
	const size_t mark = bundle_open(&v->out);

	if (http_headers(x, &v->zone, &rq.headers) && frame_pack(&request_schema, &rq, &v->out)) {
		bundle_close(&v->out, mark);
		return true;
	}
	bundle_drop(&v->out, mark);
	return false;
}

/* Those whose turn it is, into one bundle: how many. */
static size_t
pack_bundle(struct validators *v, struct exchange *list[BUNDLE_MAX])
{
	size_t n = 0;

	msgpack_zone_clear(&v->zone);
	while (n < BUNDLE_MAX && v->out.size < BUNDLE_BYTES &&
		(list[n] = next_in_turn(v)) != NULL) {
		if (!pack_request(v, list[n]))
			log_warn("out of memory", LF_TEXT("source", list[n]->source->name));
		n++;
	}
	return n;
}

struct flight {
	atomic_size_t *held;
	size_t n;
};

/* In libzmq's thread. */
static void
on_landed(void *data, void *hint)
{
	struct flight *flight = hint;

	atomic_fetch_sub(flight->held, flight->n);
	free(flight);
	free(data);
}

/* The bundle becomes libzmq's, uncopied. */
static bool
send_bundle(struct validators *v, const struct validator *peer)
{
	struct flight *flight = malloc(sizeof *flight);
	const size_t n = v->out.size;
	char *data = msgpack_sbuffer_release(&v->out);
	zmq_msg_t msg;

	if (!flight || zmq_msg_init_data(&msg, data, n, on_landed, flight) != 0) {
		free(flight);
		free(data);
		return false;
	}
	*flight = (struct flight){&held[peer - v->peers], n};
	atomic_fetch_add(flight->held, n);
	if (zmq_msg_send(&msg, zsock_resolve(peer->requests), ZMQ_DONTWAIT) >= 0)
		return true;
	zmq_msg_close(&msg);
	return false;
}

/* ---- who is asked ---- */

static bool
has_room(const struct validators *v, size_t i)
{
	return atomic_load(&held[i]) < AHEAD_BYTES && v->peers[i].bytes < ASKED_BYTES &&
	       wire_has_room(v->peers[i].requests);
}

static bool
comes_before(const struct validator *a, const struct validator *b, uint64_t now_ms)
{
	const bool a_shunned = now_ms < a->shun_ms, b_shunned = now_ms < b->shun_ms;

	return a_shunned == b_shunned ? a->bytes < b->bytes : b_shunned;
}

/* The one with the least to do, in turns; NULL: none has room. */
static struct validator *
pick(struct validators *v)
{
	const uint64_t now_ms = clock_mono_ms();
	struct validator *best = NULL;

	for (size_t n = 0; n < v->count; n++) {
		const size_t i = (v->next + n) % v->count;

		if (has_room(v, i) && (!best || comes_before(&v->peers[i], best, now_ms)))
			best = &v->peers[i];
	}
	v->next++;
	return best;
}

static void
was_asked(const struct validators *v, struct validator *peer, struct exchange *x)
{
	if (peer->asked++ == 0)
		peer->heard_ms = clock_mono_ms();
	peer->bytes += cost(x);
	x->peer = (size_t)(peer - v->peers);
	x->state = EXCHANGE_SENT;
}

static void
is_over(struct validator *peer, const struct exchange *x)
{
	peer->asked--;
	peer->bytes -= cost(x);
}

void
validators_send(struct validators *v)
{
	struct exchange *list[BUNDLE_MAX];
	struct validator *peer;

	while (v->waiting > 0 && (peer = pick(v)) != NULL) {
		const size_t n = pack_bundle(v, list);
		const bool gone = v->out.size == 0 || send_bundle(v, peer);

		for (size_t i = 0; gone && i < n; i++)
			was_asked(v, peer, list[i]);
		for (size_t i = n; !gone && i-- > 0;)
			put_back(v, list[i]);
		if (!gone)
			return;
	}
}

void
validators_let_go(struct validators *v, struct exchange *x, bool answered)
{
	struct validator *peer = &v->peers[x->peer];

	if (x->state == EXCHANGE_UNSENT) {
		leave_queue(v, x);
		return;
	}
	is_over(peer, x);
	if (!answered)
		return;
	peer->heard_ms = clock_mono_ms();
	peer->shun_ms = 0;
}

/* ---- who is not waited for ---- */

/* What a validator has not answered is sent once more, to it or to others. They know one that they
 * have committed by its number. */
static void
ask_again(struct validators *v, struct validator *peer)
{
	for (size_t i = 0; peer->asked > 0 && i < exchanges_places(v->table); i++) {
		struct exchange *x = exchange_place(v->table, i);

		if (x->state != EXCHANGE_SENT || x->asks.p || &v->peers[x->peer] != peer)
			continue;
		is_over(peer, x);
		put_back(v, x);
	}
	validators_send(v);
}

/* A validator is gone and, it may be, some requests or answers with it. The socket learns of it a
 * moment later than the monitor does, and loses what it is given in between: so it is asked again
 * at once, and once more when that moment is surely over. */
static void
on_monitor(void *arg)
{
	struct validator *peer = arg;
	zmsg_t *msg = zmsg_recv(peer->monitor);

	zmsg_destroy(&msg);
	ask_again(peer->all, peer);
	peer->ask_again_ms = clock_mono_ms() + ASK_AGAIN_MS;
}

static bool
is_silent(const struct validators *v, const struct validator *peer, uint64_t now_ms)
{
	return peer->asked > 0 &&
	       now_ms > peer->heard_ms + v->st->cfg->limits.answer_timeout_ms / 3;
}

static bool
others_answer(const struct validators *v, const struct validator *peer, uint64_t now_ms)
{
	bool any = false;

	for (size_t i = 0; i < v->count; i++)
		any |= &v->peers[i] != peer && now_ms >= v->peers[i].shun_ms && has_room(v, i) &&
		       !is_silent(v, &v->peers[i], now_ms);
	return any;
}

void
validators_tick(struct validators *v, uint64_t now_ms)
{
	for (size_t i = 0; i < v->count; i++) {
		struct validator *peer = &v->peers[i];
		const bool again = peer->ask_again_ms && now_ms >= peer->ask_again_ms;
		const bool silent = is_silent(v, peer, now_ms) && others_answer(v, peer, now_ms);

		if (again)
			peer->ask_again_ms = 0;
		if (silent)
			peer->shun_ms = now_ms + SHUN_MS;
		if (again || silent)
			ask_again(v, peer);
	}
	validators_send(v);
}

/* ---- life ---- */

static bool
watch(struct validator *peer, struct error *why)
{
	char at[64];

	snprintf(at, sizeof at, "inproc://validator-%p", (void *)peer);
	peer->monitor = zsock_new(ZMQ_PAIR);
	if (!peer->monitor ||
		zmq_socket_monitor(zsock_resolve(peer->requests), at, ZMQ_EVENT_DISCONNECTED) !=
			0 ||
		zsock_connect(peer->monitor, "%s", at) != 0)
		return error_set(why, "cannot watch the validators");
	stage_on_read(peer->all->st, peer->monitor, on_monitor, peer);
	return true;
}

static bool
open_peer(struct validators *v, struct error *why)
{
	struct validator *peer = &v->peers[v->count];
	char name[24];

	snprintf(name, sizeof name, "%zu", v->count++);
	peer->all = v;
	peer->requests = wire_bind(v->st->cfg, WIRE_REQUESTS, ZMQ_PUSH, name, v->st->instance, why);
	return peer->requests && watch(peer, why);
}

struct validators *
validators_new(struct stage *st, struct exchanges *table, uint64_t boot, struct error *why)
{
	struct validators *v = calloc(1, sizeof *v);
	bool good = true;

	if (!v) {
		error_set(why, "out of memory");
		return NULL;
	}
	*v = (struct validators){.st = st, .table = table, .boot = boot};
	for (size_t i = 0; i < QUEUES; i++)
		TAILQ_INIT(&v->queues[i].list);
	msgpack_zone_init(&v->zone, 16384);
	msgpack_sbuffer_init(&v->out);
	while (good && v->count < st->cfg->processes.validator)
		good = open_peer(v, why);
	if (!good)
		validators_destroy(&v);
	return v;
}

void
validators_destroy(struct validators **v_p)
{
	struct validators *v = *v_p;

	if (!v)
		return;
	for (size_t i = 0; i < v->count; i++) {
		struct validator *peer = &v->peers[i];

		if (peer->requests)
			zmq_socket_monitor(zsock_resolve(peer->requests), NULL, 0);
		zsock_destroy(&peer->monitor);
		zsock_destroy(&peer->requests);
	}
	msgpack_zone_destroy(&v->zone);
	msgpack_sbuffer_destroy(&v->out);
	free(v);
	*v_p = NULL;
}
