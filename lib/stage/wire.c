/* wire - see wire.h. */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

#define WIRE_ROW(name, file, binds, connects, frames, hwm)                                         \
	{#name, file, binds, connects, frames, hwm},
const struct wire_row wire_table[WIRE_COUNT] = {WIRES(WIRE_ROW)};

enum { LINGER_MS = 1000, ENDPOINT_MAX = 512 };

static bool
is_first(const char *number)
{
	return !number || strcmp(number, "0") == 0;
}

/* The table's file patterns take a name, a number, both or neither, in that order. */
static void
file_name(char *out, size_t size, enum wire wire, const char *name, size_t instance)
{
	switch (wire) {
	case WIRE_REQUESTS:
		snprintf(out, size, "requests.%zu%s%s", instance, is_first(name) ? "" : "-",
			is_first(name) ? "" : name);
		break;
	case WIRE_QUESTIONS:
		snprintf(out, size, "questions.%zu", instance);
		break;
	case WIRE_ANSWERS:
		snprintf(out, size, "answers.%zu", instance);
		break;
	case WIRE_EVENTS:
		snprintf(out, size, "events.%zu", instance);
		break;
	case WIRE_ROUTE:
	case WIRE_OWN_ROUTE:
		snprintf(out, size, "route-%s.%zu", name, instance);
		break;
	case WIRE_TAP:
		snprintf(out, size, "tap-%s.%zu", name, instance);
		break;
	default:
		snprintf(out, size, "%s", wire_table[wire].file);
		break;
	}
}

static bool
endpoint(char *out, size_t size, const struct config *cfg, enum wire wire, const char *name,
	size_t instance, struct error *why)
{
	char file[160];
	int n;

	file_name(file, sizeof file, wire, name, instance);
	n = snprintf(out, size, "ipc://%s/run/%s", cfg->data_dir, file);
	if (n < 0 || (size_t)n >= size ||
		(size_t)n - strlen("ipc://") >= sizeof((struct sockaddr_un *)NULL)->sun_path)
		return error_set(why,
			"data_dir %s is too long for a socket's path (107 bytes with run/%s); choose a shorter one",
			cfg->data_dir, file);
	return true;
}

/* A bundle may be this much longer than the largest frame in it. */
enum { BUNDLE_MORE = 2 << 20 };

/* JSON of n bytes can need three times as many in msgpack (0.5, is 4 bytes, its double is 9). */
static int64_t
largest_frame(const struct config *cfg, enum wire wire)
{
	const bool events = wire == WIRE_EVENTS || wire == WIRE_ROUTE || wire == WIRE_OWN_ROUTE;
	const uint64_t body = events ? cfg->limits.event_bytes : cfg->limits.batch_bytes;

	return (int64_t)(3 * body + cfg->limits.header_bytes + BUNDLE_MORE);
}

static zsock_t *
open_socket(const struct config *cfg, enum wire wire, int type)
{
	zsock_t *sock = zsock_new(type);

	if (!sock)
		return NULL;
	zsock_set_sndhwm(sock, wire_table[wire].hwm);
	zsock_set_rcvhwm(sock, wire_table[wire].hwm);
	zsock_set_linger(sock, wire == WIRE_TAP ? 0 : LINGER_MS);
	zsock_set_maxmsgsize(sock, (int)largest_frame(cfg, wire));
	return sock;
}

zsock_t *
wire_bind(const struct config *cfg, enum wire wire, int type, const char *name, size_t instance,
	struct error *why)
{
	char at[ENDPOINT_MAX];
	zsock_t *sock;

	if (!endpoint(at, sizeof at, cfg, wire, name, instance, why))
		return NULL;
	sock = open_socket(cfg, wire, type);
	if (sock && zmq_bind(zsock_resolve(sock), at) == 0)
		return sock;
	error_set(why, "cannot bind %s: %s", at, zmq_strerror(errno));
	zsock_destroy(&sock);
	return NULL;
}

bool
wire_connect_more(zsock_t *sock, const struct config *cfg, enum wire wire, const char *name,
	size_t instance, struct error *why)
{
	char at[ENDPOINT_MAX];

	if (!endpoint(at, sizeof at, cfg, wire, name, instance, why))
		return false;
	if (zmq_connect(zsock_resolve(sock), at) != 0)
		return error_set(why, "cannot connect to %s: %s", at, zmq_strerror(errno));
	return true;
}

/* Where the other end is the only one there is, frames wait for its connection instead of being
 * refused: after a restart the requests' socket may be there before the answers', and an answer
 * that is refused would be a 503 for an event that is stored. */
static bool
keeps(enum wire wire)
{
	return wire == WIRE_ANSWERS || wire == WIRE_VERDICTS || wire == WIRE_ADVICE;
}

zsock_t *
wire_connect(const struct config *cfg, enum wire wire, int type, const char *name, size_t instance,
	struct error *why)
{
	zsock_t *sock = open_socket(cfg, wire, type);

	if (!sock) {
		error_set(why, "cannot open a socket: %s", zmq_strerror(errno));
		return NULL;
	}
	zsock_set_immediate(sock, !keeps(wire));
	zsock_set_reconnect_ivl(sock, 50);
	zsock_set_reconnect_ivl_max(sock, 500);
	if (!wire_connect_more(sock, cfg, wire, name, instance, why))
		zsock_destroy(&sock);
	return sock;
}

bool
wire_send(zsock_t *sock, const void *bytes, size_t n)
{
	return zmq_send(zsock_resolve(sock), bytes, n, ZMQ_DONTWAIT) >= 0;
}

bool
wire_has_room(zsock_t *sock)
{
	return zsock_events(sock) & ZMQ_POLLOUT;
}
