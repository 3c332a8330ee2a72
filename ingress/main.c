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
#include "lib/config/config_descriptors.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/board.h"
#include "lib/stage/stage.h"
#include "lib/stage/stages.h"
#include "lib/stage/wire.h"
#include "proto/bundle.h"
#include "validators.h"

enum {
	TICK_MS = 50,
	SECOND_MS = 1000,
	NEW_STAGES_MS = 200,
	BURST = 512,
	DRAIN_MORE_MS = 1000,
	HEAR_MS = 1000,
	HEAR_STEP_MS = 50,
};

struct ingress {
	struct stage *st;
	struct exchanges *table;
	struct http *http;
	struct board *board;
	struct error trouble; /* why no POST can be taken, as of the last second */
	struct tap_feed *feed;
	struct validators *validators;
	zsock_t *questions, *answers;
	uint64_t boot;
	uint64_t drain_until_ms;
	msgpack_zone zone;
	msgpack_sbuffer out;
};

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
	struct ingress *in = arg;

	if (x->asks.p)
		send_question(in, x);
	else
		validators_ask(in->validators, x);
}

/* ---- answers ---- */

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
	if (!x->asks.p)
		validators_let_go(in->validators, x, true);
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

	validators_send(in->validators);
	return take_answers(in);
}

static void
on_answers(void *arg)
{
	struct ingress *in = arg;

	take_answers(in);
	http_run(in->http);
}

static double *
no_verdict(struct ingress *in, const struct config_source *source)
{
	char labels[160] = "error_type=\"no_verdict\"";

	metric_label(labels, sizeof labels, "source", slice_of(source->name));
	return metric(in->st->metrics, METRIC_FAMILY_ERRORS, labels);
}

static void
give_up_late(struct ingress *in, uint64_t now_ms)
{
	for (size_t i = 0; i < exchanges_places(in->table); i++) {
		struct exchange *x = exchange_place(in->table, i);

		if ((x->state != EXCHANGE_SENT && x->state != EXCHANGE_UNSENT) ||
			now_ms < x->give_up_ms)
			continue;
		++*no_verdict(in, x->source);
		if (!x->asks.p)
			validators_let_go(in->validators, x, false);
		http_refuse(in->http, x, REFUSAL_NO_VERDICT);
	}
}

static void
on_tick(void *arg)
{
	struct ingress *in = arg;
	const uint64_t now_ms = clock_mono_ms();

	validators_tick(in->validators, now_ms);
	give_up_late(in, now_ms);
	http_sweep(in->http, now_ms);
	http_run(in->http);
	if (in->st->draining && (exchanges_live(in->table) == 0 || now_ms > in->drain_until_ms))
		stage_stop(in->st);
}

/* ---- health ---- */

static void
say_deaf(struct ingress *in)
{
	*metric(in->st->metrics, METRIC_FAMILY_DEAF, "") =
		!board_hears_all(in->board, clock_mono_ms());
}

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
	say_deaf(in);
}

/* Of all that hold their lock. */
static bool
hears_all(const struct ingress *in, const struct live_stages *live)
{
	for (size_t i = 0; i < live->n; i++)
		if (!board_heard(in->board, live->list[i].name, live->list[i].instance))
			return false;
	return board_hears_all(in->board, clock_mono_ms());
}

/* Before it says that it is ready: it would be asked in vain, or call those dead that it has not heard. */
static void
hear_others(struct ingress *in)
{
	struct live_stages *live = calloc(1, sizeof *live);
	zmq_pollitem_t feed = {zsock_resolve(tap_feed_sock(in->feed)), 0, ZMQ_POLLIN, 0};
	const uint64_t end_ms = clock_mono_ms() + HEAR_MS;

	if (!live)
		return;
	stages_find(in->st->cfg, live);
	do {
		tap_feed_refresh(in->feed);
		zmq_poll(&feed, 1, HEAR_STEP_MS);
		on_feed(in);
	} while (!hears_all(in, live) && clock_mono_ms() < end_ms);
	free(live);
}

static void
on_second(void *arg)
{
	const uint64_t now_ms = clock_mono_ms();
	struct ingress *in = arg;
	const struct metrics *all;

	board_look(in->board, in->st->metrics);
	board_time(in->board, now_ms);
	all = board_join(in->board, in->st->metrics, now_ms);
	if (all)
		board_sample(in->board, all, now_ms);
	if (!all || board_open(in->board, all, now_ms, &in->trouble))
		in->trouble.text[0] = '\0';
	ask_questions_again(in);
}

static void
look_closed(struct ingress *in)
{
	const bool closed = stages_holder(in->st->cfg, STAGES_CLOSED) != 0;
	double *figure = metric(in->st->metrics, METRIC_FAMILY_CLOSED, "");

	if (closed != (*figure > 0))
		log_warn(closed ? "nothing new is taken until a drain is done" : "open again",
			LF_UINT("instance", in->st->instance));
	*figure = closed;
	http_close(in->http, closed);
}

/* Stages that have come up are heard at once, for until then all is not ready. */
static void
on_new_stages(void *arg)
{
	struct ingress *in = arg;

	tap_feed_refresh(in->feed);
	say_deaf(in);
	look_closed(in);
}

static struct listener_answer
page(void *arg, enum target_kind kind)
{
	const uint64_t now_ms = clock_mono_ms();
	struct ingress *in = arg;
	const enum board_page which = kind == TARGET_METRICS ? BOARD_METRICS
				      : kind == TARGET_READY ? BOARD_READY
							     : BOARD_HEALTH_SHOWN;
	struct listener_answer answer = {.type = board_page_type(which)};

	board_time(in->board, now_ms);
	answer.body = board_page(in->board, which, in->st->metrics, now_ms, &answer.status);
	return answer;
}

/* ---- life ---- */

static void
open_sockets(struct ingress *in)
{
	const struct config *cfg = in->st->cfg;
	const size_t i = in->st->instance;
	struct error why = {""};

	if (i >= cfg->processes.ingress)
		stage_fail("cannot start",
			&(struct error){"instance number beyond processes.ingress"});
	in->validators = validators_new(in->st, in->table, in->boot, &why);
	in->questions = wire_bind(cfg, WIRE_QUESTIONS, ZMQ_PUSH, NULL, i, &why);
	in->answers = wire_bind(cfg, WIRE_ANSWERS, ZMQ_PULL, NULL, i, &why);
	in->feed = tap_feed_new(cfg, "stats", &why);
	if (!in->validators || !in->questions || !in->answers || !in->feed)
		stage_fail("cannot open sockets", &why);
}

static struct ingress *
ingress_new(struct stage *st)
{
	const struct config *cfg = st->cfg;
	struct ingress *in = calloc(1, sizeof *in);
	const struct http_calls calls = {in, on_request, page, pass_on, &in->trouble};
	const size_t places = cfg->limits.connections + CONNECTIONS_PROBES + CONNECTIONS_CLOSING;
	struct error why = {"out of memory"};

	if (!in || RAND_bytes((unsigned char *)&in->boot, sizeof in->boot) != 1)
		stage_fail("cannot start", &why);
	in->st = st;
	in->table = exchanges_new(places, cfg->limits.memory_bytes);
	in->board = board_new(cfg, "ingress", st->instance);
	msgpack_zone_init(&in->zone, 16384);
	msgpack_sbuffer_init(&in->out);
	if (!in->table || !in->board)
		stage_fail("cannot start", &why);
	open_sockets(in);
	for (size_t i = 0; i < cfg->sources_count; i++)
		no_verdict(in, &cfg->sources[i]);
	board_look(in->board, st->metrics);
	in->http = http_new(st, in->table, &calls, &why);
	if (!in->http)
		stage_fail("cannot listen", &why);
	return in;
}

static void
ingress_destroy(struct ingress *in)
{
	http_destroy(&in->http);
	validators_destroy(&in->validators);
	zsock_destroy(&in->questions);
	zsock_destroy(&in->answers);
	tap_feed_destroy(&in->feed);
	board_destroy(&in->board);
	exchanges_destroy(&in->table);
	msgpack_zone_destroy(&in->zone);
	msgpack_sbuffer_destroy(&in->out);
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
	stage_on_read(st, tap_feed_sock(in->feed), on_feed, in);
	stage_every(st, TICK_MS, on_tick, in);
	stage_every(st, SECOND_MS, on_second, in);
	stage_every(st, NEW_STAGES_MS, on_new_stages, in);
	stage_on_drain(st, on_drain, in);
	hear_others(in);
	look_closed(in);
	stage_run(st);
	ingress_destroy(in);
	return stage_destroy(&st);
}
