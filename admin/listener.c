/* listener - see listener.h. */
#include "listener.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/log.h"

enum {
	CONNECTIONS = 64,
	MEMORY = 32768,
	BODY_MAX = 65536,
	IDLE_S = 30,
	REQUEST_MS = 10000,
	STOP_RUNS = 16,
	RETRY_AFTER_S = 5,
};

struct listener_request {
	struct listener_request *next, **back;
	struct MHD_Connection *connection;
	const char *method;
	char *path;
	uint64_t since_ms;
	size_t body;  /* bytes that came; none of our requests needs them */
	bool waiting; /* suspended until its page is set */
	bool answered;
	struct answer_page page;
};

/* One TCP connection. */
struct peer {
	struct peer *next, **back;
	int fd;
	uint64_t since_ms; /* accepted, or its last request answered */
	bool waiting;      /* its request is suspended */
};

struct listener {
	struct MHD_Daemon *daemon;
	struct peer *peers;
	listener_handle *handle;
	void *arg;
	struct listener_request *requests;
	int fd;
};

/* ---- connections ---- */

static struct peer *
peer_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static struct peer *
peer_new(struct listener *l, struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct peer *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	*p = (struct peer){.next = l->peers,
		.back = &l->peers,
		.fd = info ? info->connect_fd : -1,
		.since_ms = clock_mono_ms()};
	if (p->next)
		p->next->back = &p->next;
	l->peers = p;
	return p;
}

static void
on_connection(void *arg, struct MHD_Connection *c, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct peer *p = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = peer_new(arg, c);
		return;
	}
	if (!p)
		return;
	*p->back = p->next;
	if (p->next)
		p->next->back = p->back;
	free(p);
	*context = NULL;
}

static void
set_waiting(struct MHD_Connection *c, bool waiting)
{
	struct peer *p = peer_of(c);

	if (!p)
		return;
	p->waiting = waiting;
	p->since_ms = clock_mono_ms();
}

/* ---- requests ---- */

static struct listener_request *
request_new(struct listener *l, struct MHD_Connection *c, const char *method, const char *path)
{
	struct listener_request *rq = calloc(1, sizeof *rq);
	char *copy = strdup(path);

	if (!rq || !copy) {
		free(rq);
		free(copy);
		return NULL;
	}
	*rq = (struct listener_request){.next = l->requests,
		.back = &l->requests,
		.connection = c,
		.method = method,
		.path = copy,
		.since_ms = clock_mono_ms()};
	if (rq->next)
		rq->next->back = &rq->next;
	l->requests = rq;
	return rq;
}

static void
request_free(struct listener_request *rq)
{
	*rq->back = rq->next;
	if (rq->next)
		rq->next->back = rq->back;
	free(rq->page.text);
	free(rq->path);
	free(rq);
}

const char *
request_method(const struct listener_request *rq)
{
	return rq->method;
}

const char *
request_path(const struct listener_request *rq)
{
	return rq->path;
}

const char *
request_query(const struct listener_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *
request_header(const struct listener_request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->connection, MHD_HEADER_KIND, name);
}

bool
request_has_body(const struct listener_request *rq)
{
	return rq->body > 0;
}

struct search {
	const char *const *known;
	const char *stranger;
};

static enum MHD_Result
look_at_key(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct search *s = arg;

	(void)kind;
	(void)value;
	for (const char *const *name = s->known; *name; name++)
		if (strcmp(*name, key) == 0)
			return MHD_YES;
	s->stranger = key;
	return MHD_NO;
}

const char *
request_stranger(const struct listener_request *rq, const char *const known[])
{
	struct search s = {known, NULL};

	MHD_get_connection_values(rq->connection, MHD_GET_ARGUMENT_KIND, look_at_key, &s);
	return s.stranger;
}

/* ---- answers ---- */

struct answer_page
page_error(unsigned status, const char *text)
{
	struct answer_page page = {.status = status};
	msgpack_sbuffer quoted;

	msgpack_sbuffer_init(&quoted);
	if (!json_quote(slice_of(text), &quoted) ||
		asprintf(&page.text, "{\"error\":%.*s}", (int)quoted.size, quoted.data) < 0)
		page.text = NULL;
	msgpack_sbuffer_destroy(&quoted);
	return page;
}

static void
add_headers(struct MHD_Response *r, const struct answer_page *page)
{
	char seconds[16];

	if (page->text)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
			page->type ? page->type : "application/json");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	if (page->allow)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, page->allow);
	if (page->status == 401)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (page->status == 503) {
		snprintf(seconds, sizeof seconds, "%d", RETRY_AFTER_S);
		MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
}

static enum MHD_Result
respond(struct listener_request *rq)
{
	struct answer_page *page = &rq->page;
	struct MHD_Response *r = MHD_create_response_from_buffer(
		page->text ? strlen(page->text) : 0, page->text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result queued;

	if (!r)
		return MHD_NO;
	add_headers(r, page);
	page->text = NULL;
	queued = MHD_queue_response(rq->connection, page->status, r);
	MHD_destroy_response(r);
	return queued;
}

void
listener_answer(struct listener *l, struct listener_request *rq, struct answer_page page)
{
	(void)l;
	rq->page = page;
	rq->waiting = false;
	rq->answered = true;
	MHD_resume_connection(rq->connection);
}

/* The whole request is in. */
static enum MHD_Result
complete(struct listener *l, struct listener_request *rq)
{
	if (rq->answered)
		return respond(rq);
	if (rq->body > BODY_MAX)
		rq->page = page_error(413, "Body too large");
	else
		l->handle(l->arg, rq, &rq->page);
	if (rq->page.status != LISTENER_LATER)
		return respond(rq);
	rq->waiting = true;
	set_waiting(rq->connection, true);
	MHD_suspend_connection(rq->connection);
	return MHD_YES;
}

static enum MHD_Result
on_access(void *arg, struct MHD_Connection *c, const char *url, const char *method,
	const char *version, const char *bytes, size_t *n, void **context)
{
	struct listener *l = arg;
	struct listener_request *rq = *context;

	(void)version;
	(void)bytes;
	if (!rq) {
		*context = request_new(l, c, method, url);
		return *context ? MHD_YES : MHD_NO;
	}
	if (*n > 0) {
		rq->body += *n;
		*n = 0;
		return rq->body > 16 * (size_t)BODY_MAX ? MHD_NO : MHD_YES;
	}
	return rq->waiting ? MHD_YES : complete(l, rq);
}

static void
on_completed(
	void *arg, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode code)
{
	(void)arg;
	(void)code;
	set_waiting(c, false);
	if (*context)
		request_free(*context);
	*context = NULL;
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

/* ---- life ---- */

static struct addrinfo *
resolve(const struct config *cfg, struct error *why)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[24];
	int rc;

	snprintf(port, sizeof port, "%llu", (unsigned long long)cfg->admin.port);
	rc = getaddrinfo(cfg->admin.address, port, &hints, &found);
	if (rc != 0)
		error_set(why, "listen %s: %s", cfg->admin.listen, gai_strerror(rc));
	return rc == 0 ? found : NULL;
}

static struct MHD_Daemon *
start(struct listener *l, const struct config *cfg, const struct addrinfo *at)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (at->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, (uint16_t)cfg->admin.port, NULL, NULL, on_access, l,
		MHD_OPTION_SOCK_ADDR, at->ai_addr, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, l, MHD_OPTION_END);
}

struct listener *
listener_new(const struct config *cfg, listener_handle *handle, void *arg, struct error *why)
{
	struct listener *l = calloc(1, sizeof *l);
	struct addrinfo *at = l ? resolve(cfg, why) : NULL;
	const union MHD_DaemonInfo *info;

	if (!at) {
		free(l);
		return NULL;
	}
	*l = (struct listener){.handle = handle, .arg = arg, .fd = -1};
	l->daemon = start(l, cfg, at);
	freeaddrinfo(at);
	info = l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		error_set(why, "cannot listen on %s: %s", cfg->admin.listen, strerror(errno));
		listener_destroy(&l);
		return NULL;
	}
	l->fd = info->epoll_fd;
	return l;
}

void
listener_destroy(struct listener **l_p)
{
	struct listener *l = *l_p;

	if (!l)
		return;
	for (struct listener_request *rq = l->requests; rq; rq = rq->next)
		if (rq->waiting)
			listener_answer(l, rq, page_error(503, "Stopping"));
	for (int i = 0; l->daemon && i < STOP_RUNS && listener_run(l); i++)
		;
	if (l->daemon)
		MHD_stop_daemon(l->daemon);
	free(l);
	*l_p = NULL;
}

int
listener_fd(const struct listener *l)
{
	return l->fd;
}

bool
listener_run(struct listener *l)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(l->daemon);
	return MHD_get_timeout(l->daemon, &wait_ms) == MHD_YES && wait_ms == 0;
}

/* The library's own time-out sees silence only; what drips in is cut here. A connection has its
 * idle time for the next request to begin, and the request time for it to come in; the shutdown
 * makes the library see its end. */
void
listener_sweep(struct listener *l, uint64_t now_ms)
{
	for (struct peer *p = l->peers; p; p = p->next)
		if (!p->waiting && p->fd >= 0 && now_ms - p->since_ms > IDLE_S * 1000 + REQUEST_MS)
			shutdown(p->fd, SHUT_RDWR);
	for (struct listener_request *rq = l->requests; rq; rq = rq->next) {
		const struct peer *p = peer_of(rq->connection);

		if (p && p->fd >= 0 && !rq->waiting && now_ms - rq->since_ms > REQUEST_MS)
			shutdown(p->fd, SHUT_RDWR);
	}
}
