/* listener - see listener.h. Here: the library's life, connections, turns. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/descriptors.h"
#include "lib/base/log.h"
#include "lib/config/config_descriptors.h"
#include "listener_private.h"
#include "proto/limits.h"

enum { PROBE_MS = 2000, RUNS = 64, STOP_RUNS = 16, BACKLOG = 4096 };

/* What the library keeps of a connection beside the headers. It wipes the whole pool after each
 * request, so it is no larger than need be. */
enum { POOL_MORE = HEAD_MORE + 2048 };

struct connection *
listener_connection(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void
connection_free(struct listener *l, struct connection *c)
{
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	if (l->metrics)
		--*metric(l->metrics, METRIC_FAMILY_CONNECTIONS, "");
	listener_forget(c);
	listener_read_close(c);
	free(c->target);
	free(c);
}

static struct connection *
connection_new(struct listener *l, struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = (struct connection){
		.next = l->connections,
		.back = &l->connections,
		.listener = l,
		.mhd = mhd,
		.fd = info ? info->connect_fd : -1,
		.since_ms = clock_mono_ms(),
	};
	if (c->next)
		c->next->back = &c->next;
	l->connections = c;
	if (l->metrics)
		++*metric(l->metrics, METRIC_FAMILY_CONNECTIONS, "");
	if (!listener_read_open(c) || !listener_admit(c)) {
		connection_free(l, c);
		return NULL;
	}
	return c;
}

static void
on_connection(void *arg, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = connection_new(arg, mhd);
	} else if (*context) {
		connection_free(arg, *context);
		*context = NULL;
	}
}

/* The request's target before the library decodes it: some providers sign their URL. */
static void *
on_target(void *arg, const char *target, struct MHD_Connection *mhd)
{
	struct connection *c = listener_connection(mhd);

	(void)arg;
	if (c) {
		free(c->target);
		c->target =
			strndup(target, 2 * (size_t)WIDTH_TARGET); /* more than head.c lets pass */
	}
	return NULL;
}

/* What holds a NUL would be read up to it, as something else: it is nothing that is known. */
static size_t
unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
	const size_t n = MHD_http_unescape(text);

	(void)arg;
	(void)mhd;
	if (strlen(text) == n)
		return n;
	*text = '\0';
	return 0;
}

static void
on_log(void *arg, const char *fmt, va_list args)
{
	char text[256];

	(void)arg;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof text, fmt, args);
#pragma GCC diagnostic pop
	text[strcspn(text, "\n")] = 0;
	log_debug("http", LF_TEXT("cause", text));
}

/* How many connections there may be; fewer than were asked for are said. 0 with the cause: none. */
static size_t
possible(const struct stage *st, const struct listener_options *o, struct error *why)
{
	const size_t most = descriptors_raise();
	const size_t n = config_connections(st->cfg, o->connections, most);
	struct error text;

	if (!config_connections_short(st->cfg, o->connections, most, &text))
		return n;
	if (n == 0)
		error_set(why, "%s", text.text);
	else
		log_warn("few descriptors", LF_TEXT("listen", o->listen),
			LF_TEXT("cause", text.text));
	return n;
}

static struct addrinfo *
resolve(const struct listener_options *o, struct error *why)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[24];
	int rc;

	snprintf(port, sizeof port, "%llu", (unsigned long long)o->port);
	rc = getaddrinfo(o->address, port, &hints, &found);
	if (rc != 0)
		error_set(why, "listen %s: %s", o->listen, gai_strerror(rc));
	return rc == 0 ? found : NULL;
}

static struct MHD_Daemon *
start(struct listener *l, const struct listener_options *o, const struct addrinfo *at)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (at->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, (uint16_t)o->port, NULL, NULL, listener_access, l,
		MHD_OPTION_SOCK_ADDR, at->ai_addr, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)(l->limit + CONNECTIONS_PROBES + CONNECTIONS_CLOSING),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((o->silent_ms + 999) / 1000),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->header_bytes + POOL_MORE,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
		unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, listener_over, l,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_LISTEN_BACKLOG_SIZE,
		(unsigned)BACKLOG, o->shared ? MHD_OPTION_LISTENING_ADDRESS_REUSE : MHD_OPTION_END,
		(unsigned)1, MHD_OPTION_END);
}

/* True: call again at once. */
static bool
turn(struct listener *l)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	listener_read_from(l);
	MHD_run(l->daemon);
	listener_read_from(NULL);
	if (listener_nudge(l))
		return true;
	return MHD_get_timeout(l->daemon, &wait_ms) == MHD_YES && wait_ms == 0;
}

/* The epoll descriptor tells of new events only, so the library runs until it has no more to do. */
void
listener_run(struct listener *l)
{
	bool more = true;

	for (int i = 0; more && i < RUNS; i++) {
		more = turn(l);
		if (l->calls.between)
			more |= l->calls.between(l->calls.arg);
	}
	if (more)
		eventfd_write(l->again, 1);
}

static void
on_readable(void *arg)
{
	listener_run(arg);
}

/* Others have had their turn. */
static void
on_again(void *arg)
{
	struct listener *l = arg;
	eventfd_t count;

	eventfd_read(l->again, &count);
	listener_run(l);
}

static bool
begin_to_listen(
	struct listener *l, struct stage *st, const struct listener_options *o, struct error *why)
{
	struct addrinfo *at = resolve(o, why);
	const union MHD_DaemonInfo *info;

	if (!at)
		return false;
	l->daemon = start(l, o, at);
	freeaddrinfo(at);
	info = l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info)
		return error_set(why, "cannot listen on %s: %s", o->listen, strerror(errno));
	stage_on_fd(st, info->epoll_fd, on_readable, l);
	stage_on_fd(st, l->again, on_again, l);
	return true;
}

struct listener *
listener_new(struct stage *st, const struct listener_options *options,
	const struct listener_calls *calls, struct error *why)
{
	struct listener *l = calloc(1, sizeof *l);

	if (!l) {
		error_set(why, "out of memory");
		return NULL;
	}
	*l = (struct listener){.calls = *calls,
		.metrics = options->figures ? st->metrics : NULL,
		.header_bytes = options->header_bytes,
		.again = -1};
	l->limit = possible(st, options, why);
	if (l->limit && listener_admit_open(l, st->cfg, options->each, why)) {
		l->again = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (l->again < 0)
			error_set(why, "cannot listen: %s", strerror(errno));
	}
	if (l->again < 0 || !begin_to_listen(l, st, options, why))
		listener_destroy(&l);
	return l;
}

void
listener_destroy(struct listener **l_p)
{
	struct listener *l = *l_p;

	if (!l)
		return;
	for (struct connection *c = l->connections; c; c = c->next) {
		if (c->phase != WAITING)
			continue;
		c->cut = true;
		listener_resume(c);
	}
	for (int i = 0; l->daemon && i < STOP_RUNS && turn(l); i++)
		;
	listener_read_from(l);
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	listener_read_from(NULL);
	listener_admit_close(l);
	free(l->fds);
	if (l->again >= 0)
		close(l->again);
	free(l);
	*l_p = NULL;
}

void
listener_drain(struct listener *l)
{
	l->draining = true;
}

/* What takes too long on a connection, in a word; NULL: nothing. */
static const char *
late(const struct connection *c, uint64_t now_ms, const struct listener_times *t)
{
	const uint64_t came_ms = c->came_ms ? now_ms - c->came_ms : 0;

	if (c->probe && now_ms - c->since_ms > PROBE_MS)
		return "probe";
	if (c->phase == ANSWERED)
		return now_ms - c->done_ms > t->request_ms ? "answer" : NULL;
	if (c->phase == COMING)
		return came_ms > t->request_ms ? "request" : NULL;
	if (c->phase != IDLE)
		return NULL;
	if (came_ms > t->head_ms || came_ms > t->request_ms)
		return "head";
	return now_ms - c->since_ms > t->idle_ms + came_ms ? "idle" : NULL;
}

void
listener_sweep(struct listener *l, uint64_t now_ms, const struct listener_times *times)
{
	for (struct connection *c = l->connections; c; c = c->next) {
		const char *cause = c->ended ? NULL : late(c, now_ms, times);

		if (cause)
			listener_end(c, cause);
	}
}
