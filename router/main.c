/* router - event type -> the handlers of that type.
 *
 * In: bundles of event frames from validators and the retrier. Out: the frames, untouched, on the
 * PUSH socket of the type's handler; what has no room there goes back to the retrier as "returned"
 * and stays in the journal, so that no type ever waits for another. State: none. A kill loses what
 * is in its sockets, which the retrier sends again after the lease.
 *
 * Handlers that `trotline up` starts get bundles of frames, which costs less; a large frame, which
 * gains nothing by it, and those of other handlers go by themselves, which is easier to take. */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/stage/stage.h"
#include "lib/stage/wire.h"
#include "proto/bundle.h"

enum { BURST = 64, SEQS_MAX = 512 };
enum { BUNDLE_MAX = 16, BUNDLE_BYTES = 128 << 10 };

struct route {
	struct router *router;
	size_t number;
	zsock_t *sock;
	zsock_t *monitor; /* tells when a handler goes away */
	bool own;         /* its handlers take bundles */
	msgpack_sbuffer bundle;
	uint64_t bundled[BUNDLE_MAX]; /* the events in `bundle` */
	size_t bundled_count;
	uint64_t returned[SEQS_MAX]; /* what had no room in this burst */
	size_t count;
	double *routed; /* its figure */
};

struct router {
	struct stage *st;
	zsock_t *events, *verdicts;
	struct route *routes; /* in the order of cfg->handlers */
	char journal[17];     /* of the events met last, those in `returned` among them */
	msgpack_zone zone;
};

/* A handler has gone: the retrier counts it against the events that were out. */
static void
on_monitor(void *arg)
{
	const struct route *route = arg;
	struct router *r = route->router;
	zmsg_t *msg = zmsg_recv(route->monitor);

	zmsg_destroy(&msg);
	if (r->journal[0])
		stage_send_verdict(r->verdicts, slice_of(r->journal), NULL, 0, "gone", slice_of(""),
			r->st->cfg->handlers[route->number].name);
}

static void
open_monitor(struct route *route)
{
	char at[64];

	snprintf(at, sizeof at, "inproc://route-%zu", route->number);
	route->monitor = zsock_new(ZMQ_PAIR);
	if (!route->monitor ||
		zmq_socket_monitor(zsock_resolve(route->sock), at, ZMQ_EVENT_DISCONNECTED) != 0 ||
		zsock_connect(route->monitor, "%s", at) != 0)
		stage_fail("cannot start", &(struct error){"cannot watch the handlers"});
	stage_on_read(route->router->st, route->monitor, on_monitor, route);
}

static double *
figure_of(struct router *r, const char *handler)
{
	char labels[80];

	snprintf(labels, sizeof labels, "handler=\"%s\"", handler);
	return metric(r->st->metrics, METRIC_FAMILY_ROUTED, labels);
}

static void
open_routes(struct router *r)
{
	const struct config *cfg = r->st->cfg;
	struct error why = {"out of memory"};

	r->routes = calloc(cfg->handlers_count, sizeof *r->routes);
	if (!r->routes)
		stage_fail("cannot start", &why);
	for (size_t i = 0; i < cfg->handlers_count; i++) {
		r->routes[i].own = cfg->handlers[i].processes > 0;
		r->routes[i].sock = wire_bind(cfg, r->routes[i].own ? WIRE_OWN_ROUTE : WIRE_ROUTE,
			ZMQ_PUSH, cfg->handlers[i].name, r->st->instance, &why);
		if (!r->routes[i].sock)
			stage_fail("cannot open a route", &why);
		r->routes[i].router = r;
		r->routes[i].routed = figure_of(r, cfg->handlers[i].name);
		r->routes[i].number = i;
		msgpack_sbuffer_init(&r->routes[i].bundle);
		open_monitor(&r->routes[i]);
	}
}

static struct router *
router_new(struct stage *st)
{
	struct router *r = calloc(1, sizeof *r);
	struct error why = {"out of memory"};

	if (!r)
		stage_fail("cannot start", &why);
	r->st = st;
	msgpack_zone_init(&r->zone, 8192);
	open_routes(r);
	r->events = wire_bind(st->cfg, WIRE_EVENTS, ZMQ_PULL, NULL, st->instance, &why);
	r->verdicts = wire_connect(st->cfg, WIRE_VERDICTS, ZMQ_PUSH, NULL, 0, &why);
	if (!r->events || !r->verdicts)
		stage_fail("cannot open sockets", &why);
	return r;
}

static void
router_destroy(struct router *r)
{
	for (size_t i = 0; i < r->st->cfg->handlers_count; i++) {
		zmq_socket_monitor(zsock_resolve(r->routes[i].sock), NULL, 0);
		zsock_destroy(&r->routes[i].monitor);
		zsock_destroy(&r->routes[i].sock);
		msgpack_sbuffer_destroy(&r->routes[i].bundle);
	}
	zsock_destroy(&r->events);
	zsock_destroy(&r->verdicts);
	msgpack_zone_destroy(&r->zone);
	free(r->routes);
	free(r);
}

static void
flush_returned(struct router *r, size_t i)
{
	struct route *route = &r->routes[i];

	if (route->count > 0)
		stage_send_verdict(r->verdicts, slice_of(r->journal), route->returned, route->count,
			"returned", slice_of("no handler has room"), r->st->cfg->handlers[i].name);
	route->count = 0;
}

static void
give_back(struct router *r, size_t i, uint64_t seq)
{
	struct route *route = &r->routes[i];

	route->returned[route->count++] = seq;
	if (route->count == SEQS_MAX)
		flush_returned(r, i);
}

/* Sends the bundle to a handler, or gives its events back. */
static void
flush_bundle(struct router *r, size_t i)
{
	struct route *route = &r->routes[i];

	if (route->bundled_count == 0)
		return;
	if (wire_send(route->sock, route->bundle.data, route->bundle.size))
		*route->routed += (double)route->bundled_count;
	else
		for (size_t k = 0; k < route->bundled_count; k++)
			give_back(r, i, route->bundled[k]);
	route->bundled_count = 0;
	msgpack_sbuffer_clear(&route->bundle);
}

static void
add_to_bundle(struct router *r, size_t i, uint64_t seq, struct slice frame)
{
	struct route *route = &r->routes[i];

	bundle_add(&route->bundle, frame);
	route->bundled[route->bundled_count++] = seq;
	if (route->bundled_count == BUNDLE_MAX || route->bundle.size >= BUNDLE_BYTES)
		flush_bundle(r, i);
}

static void
send_alone(struct router *r, size_t i, uint64_t seq, struct slice frame)
{
	if (wire_send(r->routes[i].sock, frame.p, frame.n))
		++*r->routes[i].routed;
	else
		give_back(r, i, seq);
}

static void
flush_all(struct router *r)
{
	for (size_t i = 0; i < r->st->cfg->handlers_count; i++) {
		flush_bundle(r, i);
		flush_returned(r, i);
	}
}

static void
watch(struct router *r, const struct event *ev, struct slice frame)
{
	if (tap_wanted(r->st->tap, "event"))
		tap_send(r->st->tap, "event", ev->type, frame.p, frame.n);
}

static void
route_event(struct router *r, const struct event *ev, struct slice frame)
{
	const size_t i = config_route(r->st->cfg, ev->type);
	const char *name = r->st->cfg->handlers[i].name;

	if (!slice_is(ev->journal, r->journal)) {
		flush_all(r);
		snprintf(r->journal, sizeof r->journal, "%.*s", SLICE_ARG(ev->journal));
	}
	watch(r, ev, frame);
	log_info("route", LF_UINT("seq", ev->seq), LF_SLICE("id", ev->id),
		LF_SLICE("type", ev->type), LF_TEXT("handler", name));
	if (r->routes[i].own && frame.n < BUNDLE_BYTES)
		add_to_bundle(r, i, ev->seq, frame);
	else
		send_alone(r, i, ev->seq, frame);
}

static void
bad_frame(struct router *r, const char *cause)
{
	log_warn("bad frame", LF_TEXT("cause", cause));
	++*metric(r->st->metrics, METRIC_FAMILY_BAD_FRAMES, "stage=\"router\"");
}

static void
take_bundle(struct router *r, struct slice rest)
{
	struct slice frame;
	struct error why;
	struct event ev;

	while (bundle_next(&rest, &frame)) {
		msgpack_zone_clear(&r->zone);
		if (frame_unpack(&event_schema, frame.p, frame.n, &r->zone, &ev, &why))
			route_event(r, &ev, frame);
		else
			bad_frame(r, why.text);
	}
	if (rest.n > 0)
		bad_frame(r, "no bundle of events");
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
	flush_all(r);
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
