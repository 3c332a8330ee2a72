/* outlet_zmq - events to handlers, each on a PUSH socket of its own.
 *
 * Out: the frames, untouched. Handlers that `trotline up` starts get bundles of frames, which costs
 * less; a large frame, which gains nothing by it, and those of other handlers go by themselves,
 * which is easier to take. State: the bundles of the burst under way. A kill loses what is in the
 * sockets. It knows no acknowledgement: handlers answer to the retrier. */
#include <stdlib.h>

#include "lib/stage/parcel.h"
#include "lib/stage/wire.h"
#include "outlet.h"

enum { BUNDLE_MAX = 16, BUNDLE_BYTES = 128 << 10 };

struct route {
	struct outlet *outlet;
	size_t taker;
	zsock_t *sock;
	zsock_t *monitor; /* tells when a handler goes away */
	bool own;         /* its handlers take bundles */
	struct parcel parcel;
};

struct outlet {
	struct outlet_calls calls;
	zloop_t *loop;
	size_t count;
	struct route routes[]; /* in the order of takers */
};

static int
on_monitor(zloop_t *loop, zsock_t *monitor, void *arg)
{
	const struct route *route = arg;
	zmsg_t *msg = zmsg_recv(monitor);

	(void)loop;
	zmsg_destroy(&msg);
	route->outlet->calls.gone(route->outlet->calls.arg, route->taker);
	return 0;
}

static bool
open_monitor(struct route *route, struct error *why)
{
	char at[64];

	snprintf(at, sizeof at, "inproc://route-%p", (void *)route);
	route->monitor = zsock_new(ZMQ_PAIR);
	if (!route->monitor ||
		zmq_socket_monitor(zsock_resolve(route->sock), at, ZMQ_EVENT_DISCONNECTED) != 0 ||
		zsock_connect(route->monitor, "%s", at) != 0 ||
		zloop_reader(route->outlet->loop, route->monitor, on_monitor, route) != 0)
		return error_set(why, "cannot watch the handlers");
	zloop_reader_set_tolerant(route->outlet->loop, route->monitor);
	return true;
}

static bool
open_route(struct outlet *o, const struct config *cfg, size_t instance, struct error *why)
{
	const bool history = o->count == cfg->handlers_count;
	const char *name = history ? HISTORY_NAME : cfg->handlers[o->count].name;
	const bool own = history || cfg->handlers[o->count].processes > 0;
	struct route *route = &o->routes[o->count];

	*route = (struct route){.outlet = o, .taker = o->count++, .own = own};
	parcel_init(&route->parcel, 0, BUNDLE_MAX, BUNDLE_BYTES);
	route->sock =
		wire_bind(cfg, own ? WIRE_OWN_ROUTE : WIRE_ROUTE, ZMQ_PUSH, name, instance, why);
	return route->sock && open_monitor(route, why);
}

static void
zmq_close_outlet(struct outlet **o)
{
	for (size_t i = 0; *o && i < (*o)->count; i++) {
		struct route *route = &(*o)->routes[i];

		if (route->sock)
			zmq_socket_monitor(zsock_resolve(route->sock), NULL, 0);
		if (route->monitor)
			zloop_reader_end((*o)->loop, route->monitor);
		zsock_destroy(&route->monitor);
		zsock_destroy(&route->sock);
		parcel_destroy(&route->parcel);
	}
	free(*o);
	*o = NULL;
}

static struct outlet *
zmq_open_outlet(const struct config *cfg, size_t instance, zloop_t *loop,
	const struct outlet_calls *calls, struct error *why)
{
	const size_t takers = outlet_takers(cfg);
	struct outlet *o = calloc(1, sizeof *o + takers * sizeof *o->routes);
	bool good = true;

	if (!o) {
		error_set(why, "out of memory");
		return NULL;
	}
	*o = (struct outlet){.calls = *calls, .loop = loop};
	while (good && o->count < takers)
		good = open_route(o, cfg, instance, why);
	if (!good)
		zmq_close_outlet(&o);
	return o;
}

static void
come_back(void *arg, const uint64_t *seqs, size_t n)
{
	const struct route *route = arg;

	route->outlet->calls.back(route->outlet->calls.arg, route->taker, seqs, n);
}

static bool
zmq_send_event(struct outlet *o, size_t taker, const struct event *ev, struct slice frame)
{
	struct route *route = &o->routes[taker];

	if (!route->own || frame.n >= BUNDLE_BYTES)
		return wire_send(route->sock, frame.p, frame.n);
	if (parcel_add(&route->parcel, ev->seq, frame))
		parcel_go(&route->parcel, route->sock, come_back, route);
	return true;
}

static void
zmq_flush(struct outlet *o)
{
	for (size_t i = 0; i < o->count; i++)
		parcel_go(&o->routes[i].parcel, o->routes[i].sock, come_back, &o->routes[i]);
}

const struct outlet_engine outlet_zmq = {
	zmq_open_outlet, zmq_close_outlet, zmq_send_event, zmq_flush};
