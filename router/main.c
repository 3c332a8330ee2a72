/* router - event type -> the handlers of that type.
 *
 * In: bundles of event frames from validators and the retrier. Out: the frames, untouched, through
 * the outlet to the type's handler; what has no room there goes back to the retrier as "returned"
 * and stays in the journal, so that no type ever waits for another. State: none. A kill loses what
 * is in its sockets, which the retrier sends again after the lease. */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/stage.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/wire.h"
#include "outlet.h"
#include "proto/bundle.h"

enum { BURST = 64, SEQS_MAX = 512 };

struct way {
	const char *name;
	uint64_t returned[SEQS_MAX]; /* what had no room in this burst */
	size_t count;
	size_t sent;    /* in this burst */
	double *routed; /* its figure; history has none */
};

struct router {
	struct stage *st;
	zsock_t *events, *advice;
	const struct outlet_engine *engine;
	struct outlet *outlet;
	struct way *takers; /* in the order of cfg->handlers, then history */
	size_t takers_count;
	char journal[17]; /* of the events met last, those in `returned` among them */
	msgpack_zone zone;
};

/* ---- to the retrier ---- */

static void
tell(struct router *r, const struct way *to, const char *what, const uint64_t *seqs, size_t n)
{
	const struct advice advice = {
		.journal = slice_of(r->journal),
		.seqs = {seqs, n},
		.advice = slice_of(what),
		.who = slice_of(to->name),
	};

	stage_send_advice(r->advice, &advice);
}

static void
tell_returned(struct router *r, struct way *to)
{
	if (to->count > 0)
		tell(r, to, "returned", to->returned, to->count);
	to->count = 0;
}

static void
give_back(struct router *r, struct way *to, uint64_t seq)
{
	to->returned[to->count++] = seq;
	if (to->count == SEQS_MAX)
		tell_returned(r, to);
}

static void
on_back(void *arg, size_t taker, const uint64_t *seqs, size_t n)
{
	struct router *r = arg;
	struct way *to = &r->takers[taker];

	to->sent -= n < to->sent ? n : to->sent;
	for (size_t i = 0; i < n; i++)
		give_back(r, to, seqs[i]);
}

static void
on_done(void *arg, size_t taker, const uint64_t *seqs, size_t n)
{
	struct router *r = arg;

	tell(r, &r->takers[taker], "done", seqs, n);
}

/* The retrier counts it against the events that were out. */
static void
on_gone(void *arg, size_t taker)
{
	struct router *r = arg;

	if (r->journal[0])
		tell(r, &r->takers[taker], "gone", NULL, 0);
}

/* ---- to the takers ---- */

static void
flush(struct router *r)
{
	r->engine->flush(r->outlet);
	for (size_t i = 0; i < r->takers_count; i++) {
		if (r->takers[i].routed)
			*r->takers[i].routed += (double)r->takers[i].sent;
		r->takers[i].sent = 0;
		tell_returned(r, &r->takers[i]);
	}
}

static void
watch(struct router *r, const struct event *ev, struct slice frame)
{
	if (tap_wanted(r->st->tap, "event"))
		tap_send(r->st->tap, "event", ev->type, frame.p, frame.n);
}

static void
send_to(struct router *r, size_t taker, const struct event *ev, struct slice frame)
{
	if (r->engine->send(r->outlet, taker, ev, frame))
		r->takers[taker].sent++;
	else
		give_back(r, &r->takers[taker], ev->seq);
}

/* to: OWED_..., whom it is for. Each has room or not for itself. */
static void
route_event(struct router *r, unsigned to, const struct event *ev, struct slice frame)
{
	const size_t handlers = r->st->cfg->handlers_count, i = config_route(r->st->cfg, ev->type);

	if (!slice_is(ev->journal, r->journal)) {
		flush(r);
		snprintf(r->journal, sizeof r->journal, "%.*s", SLICE_ARG(ev->journal));
	}
	if ((to & OWED_HISTORY) && r->takers_count > handlers)
		send_to(r, handlers, ev, frame);
	if (!(to & OWED_HANDLER))
		return;
	watch(r, ev, frame);
	log_info("route", LF_UINT("seq", ev->seq), LF_SLICE("id", ev->id),
		LF_SLICE("type", ev->type), LF_TEXT("handler", r->takers[i].name));
	send_to(r, i, ev, frame);
}

/* ---- from validators and the retrier ---- */

static void
take_bundle(struct router *r, struct slice message)
{
	const unsigned to = bundle_addressed(&message);
	struct slice rest = bundle_of(message.p, message.n), frame;
	struct error why;
	struct event ev;

	while (bundle_next(&rest, &frame)) {
		msgpack_zone_clear(&r->zone);
		if (frame_unpack(&event_schema, frame.p, frame.n, &r->zone, &ev, &why))
			route_event(r, to ? to : OWED_HANDLER | OWED_HISTORY, &ev, frame);
		else
			bad_frame(r->st->metrics, r->st->name, why.text);
	}
	if (rest.n > 0)
		bad_frame(r->st->metrics, r->st->name, "no bundle of events");
}

static void
on_events(void *arg)
{
	struct router *r = arg;
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST; n++) {
		if (zmq_msg_recv(&msg, zsock_resolve(r->events), ZMQ_DONTWAIT) < 0)
			break;
		take_bundle(r, (struct slice){zmq_msg_data(&msg), zmq_msg_size(&msg)});
	}
	zmq_msg_close(&msg);
	flush(r);
}

/* ---- life ---- */

static void
name_takers(struct router *r)
{
	const struct config *cfg = r->st->cfg;
	char labels[80];

	r->takers_count = outlet_takers(cfg);
	r->takers = calloc(r->takers_count, sizeof *r->takers);
	if (!r->takers)
		stage_fail("cannot start", &(struct error){"out of memory"});
	for (size_t i = 0; i < cfg->handlers_count; i++) {
		snprintf(labels, sizeof labels, "handler=\"%s\"", cfg->handlers[i].name);
		r->takers[i].name = cfg->handlers[i].name;
		r->takers[i].routed = metric(r->st->metrics, METRIC_FAMILY_ROUTED, labels);
	}
	if (r->takers_count > cfg->handlers_count)
		r->takers[cfg->handlers_count].name = HISTORY_NAME;
}

static struct router *
router_new(struct stage *st)
{
	struct router *r = calloc(1, sizeof *r);
	const struct outlet_calls calls = {r, on_back, on_done, on_gone};
	struct error why = {"out of memory"};

	if (!r)
		stage_fail("cannot start", &why);
	r->st = st;
	msgpack_zone_init(&r->zone, 8192);
	name_takers(r);
	r->engine = &outlet_zmq;
	r->outlet = r->engine->open(st->cfg, st->instance, st->loop, &calls, &why);
	if (!r->outlet)
		stage_fail("cannot open a route", &why);
	r->events = wire_bind(st->cfg, WIRE_EVENTS, ZMQ_PULL, NULL, st->instance, &why);
	r->advice = wire_connect(st->cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &why);
	if (!r->events || !r->advice)
		stage_fail("cannot open sockets", &why);
	return r;
}

static void
router_destroy(struct router *r)
{
	r->engine->close(&r->outlet);
	zsock_destroy(&r->events);
	zsock_destroy(&r->advice);
	msgpack_zone_destroy(&r->zone);
	free(r->takers);
	free(r);
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("router", NULL, argc, argv);
	struct router *r = router_new(st);

	stage_on_read(st, r->events, on_events, r);
	stage_yield();
	stage_run(st);
	on_events(r);
	router_destroy(r);
	return stage_destroy(&st);
}
