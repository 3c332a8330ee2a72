/* ingress - takes HTTP requests, holds no secret, answers what the validator found.
 *
 * In: HTTP; answer frames; the stages' figures. Out: request frames to the validators, questions to
 * admin; HTTP answers; /webhooks/health and /metrics. State: requests under way, in memory. A kill
 * cuts their connections: what the validator had stored by then is known as a duplicate when it is
 * sent again.
 */
#include <openssl/rand.h>
#include <stdlib.h>

#include "exchange.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/board.h"
#include "lib/stage/stage.h"
#include "lib/stage/wire.h"
#include "proto/bundle.h"

enum {
	TICK_MS = 50,
	SECOND_MS = 1000,
	NEW_STAGES_MS = 200,
	BURST = 512,
	DRAIN_MORE_MS = 1000,
	ASK_AGAIN_MS = 150,
	BUNDLE_MAX = 256,
	BUNDLE_BYTES = 1 << 20,
};

struct ingress {
	struct stage *st;
	struct exchanges *table;
	struct http *http;
	struct board *board;
	struct tap_feed *feed;
	zsock_t *requests, *questions, *answers;
	zactor_t *monitor;     /* tells when a validator goes away */
	uint64_t ask_again_ms; /* monotonic; 0: not due */
	uint64_t boot;
	uint64_t *unsent; /* ring of exchange numbers, in the order of their coming */
	size_t unsent_first, unsent_count, unsent_room;
	uint64_t drain_until_ms;
	msgpack_zone zone;
	msgpack_sbuffer out;
};

/* ---- towards the validators ---- */

static void
remember_unsent(struct ingress *in, const struct exchange *x)
{
	if (in->unsent_count == in->unsent_room)
		return; /* cannot be: there is room for each exchange twice, and for a bundle of
			 * those that were given up, which go when all of a bundle are */
	in->unsent[(in->unsent_first + in->unsent_count++) % in->unsent_room] = exchange_number(x);
}

/* Adds a request to the bundle. The clocks are those of the moment when it was complete. */
static bool
pack_request(struct ingress *in, struct exchange *x)
{
	const uint64_t timeout = in->st->cfg->limits.answer_timeout_ms, now_ms = clock_mono_ms();
	struct request rq = {
		.boot = in->boot,
		.ingress = in->st->instance,
		.request = exchange_number(x),
		.source = slice_of(x->source->name),
		.target = slice_of(http_target(x)),
		.batch = x->batch,
		.received = clock_wall_ms() - (now_ms + timeout - x->give_up_ms),
		.deadline = x->give_up_ms - timeout / 3,
		.body = {x->body ? x->body : "", x->n},
	};
	const size_t mark = bundle_open(&in->out);

	if (http_headers(x, &in->zone, &rq.headers) && frame_pack(&request_schema, &rq, &in->out)) {
		bundle_close(&in->out, mark);
		return true;
	}
	bundle_drop(&in->out, mark);
	return false;
}

static struct exchange *
unsent_at(struct ingress *in, size_t i)
{
	const uint64_t number = in->unsent[(in->unsent_first + i) % in->unsent_room];
	struct exchange *x = exchange_waiting(in->table, number);

	return x && x->state == EXCHANGE_UNSENT ? x : NULL;
}

/* Packs the oldest that wait into one bundle; returns how many places of the ring it covers. */
static size_t
pack_unsent(struct ingress *in)
{
	size_t n = 0;

	msgpack_sbuffer_clear(&in->out);
	msgpack_zone_clear(&in->zone);
	while (n < in->unsent_count && n < BUNDLE_MAX && in->out.size < BUNDLE_BYTES) {
		struct exchange *x = unsent_at(in, n++);

		if (x && !pack_request(in, x))
			log_warn("out of memory", LF_TEXT("source", x->source->name));
	}
	return n;
}

/* Sends all that waits, oldest first, until no validator has room: one bundle for what has come in
 * since the last time. */
static void
send_unsent(struct ingress *in)
{
	while (in->unsent_count > 0) {
		const size_t n = pack_unsent(in);

		if (in->out.size > 0 && !wire_send(in->requests, in->out.data, in->out.size))
			return;
		for (size_t i = 0; i < n; i++) {
			struct exchange *x = unsent_at(in, i);

			if (x)
				x->state = EXCHANGE_SENT;
		}
		in->unsent_first = (in->unsent_first + n) % in->unsent_room;
		in->unsent_count -= n;
	}
}

/* ---- towards admin ---- */

static void
send_question(struct ingress *in, struct exchange *x)
{
	const struct question question = {
		.boot = in->boot,
		.ingress = in->st->instance,
		.request = exchange_number(x),
		.source = slice_of(x->source->name),
		.id = x->asks,
	};

	msgpack_sbuffer_clear(&in->out);
	if (frame_pack(&question_schema, &question, &in->out) &&
		wire_send(in->questions, in->out.data, in->out.size))
		x->state = EXCHANGE_SENT;
}

/* What has no answer after a second is asked once more: admin may have come, or gone with it. */
static void
ask_questions_again(struct ingress *in)
{
	for (size_t i = 0; i < exchanges_places(in->table); i++) {
		struct exchange *x = exchange_place(in->table, i);

		if (x->asks.p && (x->state == EXCHANGE_SENT || x->state == EXCHANGE_UNSENT))
			send_question(in, x);
	}
}

static void
on_request(void *arg, struct exchange *x)
{
	if (x->asks.p)
		send_question(arg, x);
	else
		remember_unsent(arg, x);
}

/* ---- when a validator goes ---- */

/* All requests without an answer are sent once more. The validators know one that they have
 * committed by its number. */
static void
ask_again(struct ingress *in)
{
	for (size_t i = 0; i < exchanges_places(in->table); i++) {
		struct exchange *x = exchange_place(in->table, i);

		if (x->state != EXCHANGE_SENT || x->asks.p)
			continue;
		x->state = EXCHANGE_UNSENT;
		remember_unsent(in, x);
	}
	send_unsent(in);
}

/* A validator is gone and, it may be, some requests or answers with it. The socket learns of it a
 * moment later than the monitor does, and loses what it is given in between: so it is asked again
 * at once, and once more when that moment is surely over. */
static void
on_monitor(void *arg)
{
	struct ingress *in = arg;
	zmsg_t *msg = zmsg_recv(in->monitor);

	zmsg_destroy(&msg);
	ask_again(in);
	in->ask_again_ms = clock_mono_ms() + ASK_AGAIN_MS;
}

static void
take_answer(struct ingress *in, struct slice frame)
{
	struct answer answer;
	struct exchange *x;
	struct error why;
	char *body;

	msgpack_zone_clear(&in->zone);
	if (!frame_unpack(&answer_schema, frame.p, frame.n, &in->zone, &answer, &why)) {
		bad_frame(in->st->metrics, in->st->name, why.text);
		return;
	}
	x = answer.boot == in->boot ? exchange_waiting(in->table, answer.request) : NULL;
	if (!x)
		return;
	body = malloc(answer.body.n + 1);
	if (body)
		memcpy(body, answer.body.p, answer.body.n);
	http_answer(in->http, x, (unsigned)answer.status, body, body ? answer.body.n : 0,
		answer.headers);
}

static bool
take_answers(struct ingress *in)
{
	zmq_msg_t msg;
	int n = 0;

	zmq_msg_init(&msg);
	while (n < BURST && zmq_msg_recv(&msg, zsock_resolve(in->answers), ZMQ_DONTWAIT) >= 0) {
		struct slice rest = bundle_of(zmq_msg_data(&msg), zmq_msg_size(&msg)), frame;

		while (bundle_next(&rest, &frame))
			take_answer(in, frame);
		if (rest.n > 0)
			bad_frame(in->st->metrics, in->st->name, "no bundle of answers");
		n++;
	}
	zmq_msg_close(&msg);
	return n > 0;
}

/* ---- towards HTTP ---- */

/* Between two turns of HTTP. */
static bool
pass_on(void *arg)
{
	struct ingress *in = arg;

	send_unsent(in);
	return take_answers(in);
}

static void
on_answers(void *arg)
{
	struct ingress *in = arg;

	take_answers(in);
	http_run(in->http);
}

static void
give_up_late(struct ingress *in, uint64_t now_ms)
{
	for (size_t i = 0; i < exchanges_places(in->table); i++) {
		struct exchange *x = exchange_place(in->table, i);

		if ((x->state != EXCHANGE_SENT && x->state != EXCHANGE_UNSENT) ||
			now_ms < x->give_up_ms)
			continue;
		++*metric(in->st->metrics, METRIC_FAMILY_ERRORS, "error_type=\"no_verdict\"");
		log_warn("no verdict in time", LF_TEXT("source", x->source->name));
		http_refuse(in->http, x, REFUSAL_NO_VERDICT);
	}
}

static void
on_tick(void *arg)
{
	struct ingress *in = arg;
	const uint64_t now_ms = clock_mono_ms();

	if (in->ask_again_ms && now_ms >= in->ask_again_ms) {
		in->ask_again_ms = 0;
		ask_again(in);
	}
	send_unsent(in);
	give_up_late(in, now_ms);
	http_sweep(in->http, now_ms);
	http_run(in->http);
	if (in->st->draining && (exchanges_live(in->table) == 0 || now_ms > in->drain_until_ms))
		stage_stop(in->st);
}

/* ---- health ---- */

static void
on_feed(void *arg)
{
	struct ingress *in = arg;
	void *sock = zsock_resolve(tap_feed_sock(in->feed));
	struct error why;
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST && zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) >= 0; n++)
		if (!zmq_msg_more(&msg) && !board_hear(in->board, zmq_msg_data(&msg),
						   zmq_msg_size(&msg), clock_mono_ms(), &why))
			bad_frame(in->st->metrics, in->st->name, why.text);
	zmq_msg_close(&msg);
}

static void
on_second(void *arg)
{
	struct ingress *in = arg;
	struct metrics *all;

	board_look(in->board, in->st->metrics);
	all = board_join(in->board, in->st->metrics, clock_mono_ms());
	if (all)
		board_sample(in->board, all, clock_mono_ms());
	metrics_destroy(&all);
	ask_questions_again(in);
}

/* Stages that have come up are heard at once, for until then all is not ready. */
static void
on_new_stages(void *arg)
{
	struct ingress *in = arg;

	tap_feed_refresh(in->feed);
}

static char *
page(void *arg, enum target_kind kind, unsigned *status)
{
	struct ingress *in = arg;

	return board_page(in->board, kind == TARGET_METRICS ? BOARD_METRICS : BOARD_HEALTH_SHOWN,
		in->st->metrics, clock_mono_ms(), status);
}

/* ---- life ---- */

static void
open_monitor(struct ingress *in)
{
	in->monitor = zactor_new(zmonitor, in->requests);
	if (!in->monitor)
		stage_fail("cannot start", &(struct error){"cannot watch the validators"});
	zstr_sendx(in->monitor, "LISTEN", "DISCONNECTED", NULL);
	zstr_send(in->monitor, "START");
	zsock_wait(in->monitor);
}

static void
open_sockets(struct ingress *in)
{
	const struct config *cfg = in->st->cfg;
	const size_t i = in->st->instance;
	struct error why = {""};

	if (i >= cfg->processes.ingress)
		stage_fail("cannot start",
			&(struct error){"instance number beyond processes.ingress"});
	in->requests = wire_bind(cfg, WIRE_REQUESTS, ZMQ_PUSH, NULL, i, &why);
	in->questions = wire_bind(cfg, WIRE_QUESTIONS, ZMQ_PUSH, NULL, i, &why);
	in->answers = wire_bind(cfg, WIRE_ANSWERS, ZMQ_PULL, NULL, i, &why);
	in->feed = tap_feed_new(cfg, "stats", &why);
	if (!in->requests || !in->questions || !in->answers || !in->feed)
		stage_fail("cannot open sockets", &why);
	open_monitor(in);
}

static struct ingress *
ingress_new(struct stage *st)
{
	const struct config *cfg = st->cfg;
	struct ingress *in = calloc(1, sizeof *in);
	const struct http_calls calls = {in, on_request, page, pass_on};
	struct error why = {"out of memory"};

	if (!in || RAND_bytes((unsigned char *)&in->boot, sizeof in->boot) != 1)
		stage_fail("cannot start", &why);
	in->st = st;
	in->unsent_room = 2 * cfg->limits.connections + BUNDLE_MAX;
	in->unsent = calloc(in->unsent_room, sizeof *in->unsent);
	in->table = exchanges_new(cfg->limits.connections, cfg->limits.memory_bytes);
	in->board = board_new(cfg, "ingress", st->instance);
	msgpack_zone_init(&in->zone, 16384);
	msgpack_sbuffer_init(&in->out);
	if (!in->unsent || !in->table || !in->board)
		stage_fail("cannot start", &why);
	open_sockets(in);
	in->http = http_new(st, in->table, &calls, &why);
	if (!in->http)
		stage_fail("cannot listen", &why);
	return in;
}

static void
ingress_destroy(struct ingress *in)
{
	http_destroy(&in->http);
	zactor_destroy(&in->monitor);
	zsock_destroy(&in->requests);
	zsock_destroy(&in->questions);
	zsock_destroy(&in->answers);
	tap_feed_destroy(&in->feed);
	board_destroy(&in->board);
	exchanges_destroy(&in->table);
	msgpack_zone_destroy(&in->zone);
	msgpack_sbuffer_destroy(&in->out);
	free(in->unsent);
	free(in);
}

/* New requests are refused; those under way get their answers, within a bound. */
static void
on_drain(void *arg)
{
	struct ingress *in = arg;

	http_drain(in->http);
	in->drain_until_ms =
		clock_mono_ms() + in->st->cfg->limits.answer_timeout_ms + DRAIN_MORE_MS;
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("ingress", NULL, argc, argv);
	struct ingress *in = ingress_new(st);

	stage_on_read(st, in->answers, on_answers, in);
	stage_on_read(st, zactor_sock(in->monitor), on_monitor, in);
	stage_on_read(st, tap_feed_sock(in->feed), on_feed, in);
	stage_every(st, TICK_MS, on_tick, in);
	stage_every(st, SECOND_MS, on_second, in);
	stage_every(st, NEW_STAGES_MS, on_new_stages, in);
	stage_on_drain(st, on_drain, in);
	stage_run(st);
	ingress_destroy(in);
	return stage_destroy(&st);
}
