/* http - see http.h. */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "proto/providers.h"

enum { RETRY_AFTER_S = 5, SPARE_FILES = 64, HEADERS_MAX = 256, TARGET_MAX = 2048, STOP_RUNS = 16 };

/* What the library keeps of a connection beside the headers. It wipes the whole pool after each
 * request, so it is no larger than need be. */
enum { POOL_MORE = 6144 };

/* A sender that writes its body before it reads would see a cut connection instead of its 413. So a
 * body up to this size is read and thrown away first. */
enum { DISCARD_BYTES = 64 << 20 };

/* One TCP connection; how long the request on it has been coming in. */
struct peer {
	struct peer *next, **back;
	int fd;
	uint64_t since_ms; /* accepted, or its last request answered */
	bool waiting;      /* its request is with a validator */
	char *target;      /* path and query of the request under way */
};

struct http {
	const struct config *cfg;
	struct exchanges *table;
	struct metrics *metrics;
	struct http_calls calls;
	struct MHD_Daemon *daemon;
	struct peer *peers;
	int fd;
	bool draining;
};

static struct peer *
peer_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void
on_connection(void *arg, struct MHD_Connection *c, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct http *h = arg;
	struct peer *p = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context = p = calloc(1, sizeof *p);
		if (!p)
			return;
		*p = (struct peer){h->peers, &h->peers, info ? info->connect_fd : -1,
			clock_mono_ms(), false, NULL};
		if (p->next)
			p->next->back = &p->next;
		h->peers = p;
		++*metric(h->metrics, METRIC_FAMILY_CONNECTIONS, "");
	} else if (p) {
		*p->back = p->next;
		if (p->next)
			p->next->back = p->back;
		free(p->target);
		free(p);
		*context = NULL;
		--*metric(h->metrics, METRIC_FAMILY_CONNECTIONS, "");
	}
}

/* The request's target before the library decodes it: some providers sign their URL. */
static void *
on_target(void *arg, const char *target, struct MHD_Connection *c)
{
	struct peer *p = peer_of(c);

	(void)arg;
	if (p) {
		free(p->target);
		p->target = strndup(target, TARGET_MAX);
	}
	return NULL;
}

/* A path that holds a NUL would be read up to it, as another path: it is none that is known. */
static size_t
unescape(void *arg, struct MHD_Connection *c, char *text)
{
	const size_t n = MHD_http_unescape(text);

	(void)arg;
	(void)c;
	if (strlen(text) == n)
		return n;
	*text = '\0';
	return 0;
}

const char *
http_target(const struct exchange *x)
{
	const struct peer *p = peer_of(x->connection);

	return p && p->target ? p->target : "";
}

static const char *
method_label(const char *method)
{
	static const char *const known[] = {"POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(method, known[i]) == 0)
			return known[i];
	return "other";
}

static void
count_answer(struct http *h, const char *method, unsigned status)
{
	char labels[64];

	snprintf(
		labels, sizeof labels, "method=\"%s\",status=\"%u\"", method_label(method), status);
	++*metric(h->metrics, METRIC_FAMILY_REQUESTS, labels);
}

/* Puts `Name: value\n` lines on a response. */
static void
add_headers(struct MHD_Response *r, const char *lines)
{
	char name[64], value[1024];

	while (lines && *lines) {
		const char *end = strchr(lines, '\n'), *colon = strstr(lines, ": ");

		if (!end || !colon || colon > end)
			return;
		snprintf(name, sizeof name, "%.*s", (int)(colon - lines), lines);
		snprintf(value, sizeof value, "%.*s", (int)(end - colon - 2), colon + 2);
		MHD_add_response_header(r, name, value);
		lines = end + 1;
	}
}

/* Queues a response; takes body over. */
static enum MHD_Result
respond(struct http *h, struct MHD_Connection *c, const char *method, unsigned status, char *body,
	size_t n, const char *headers, const char *type)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result queued;

	if (!r) {
		free(body);
		return MHD_NO;
	}
	if (n > 0)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	add_headers(r, headers);
	if (h->draining)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	queued = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	count_answer(h, method, status);
	return queued;
}

static const char *
reason_of(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 413:
		return "Body too large";
	case 431:
		return "Headers too large";
	default:
		return "Service unavailable";
	}
}

/* What a sender is told when the trouble is ours: 503, but for those that give up on it. */
static unsigned
busy(const struct config_source *source)
{
	return provider_busy(source ? source->provider : NULL);
}

static bool
is_busy(unsigned status)
{
	return status == 503 || status == 429;
}

static enum MHD_Result
respond_error(struct http *h, struct MHD_Connection *c, const char *method, unsigned status,
	const char *allow)
{
	char headers[80] = "", *body = NULL;
	int n = asprintf(&body, "{\"error\":\"%s\"}", reason_of(status));

	if (n < 0)
		return MHD_NO;
	if (is_busy(status))
		snprintf(headers, sizeof headers, "Retry-After: %d\n", RETRY_AFTER_S);
	else if (allow)
		snprintf(headers, sizeof headers, "Allow: %s\n", allow);
	return respond(h, c, method, status, body, (size_t)n, headers, "application/json");
}

/* What the headers come to before anything is done with them. */
struct head {
	size_t bytes, framings;
	bool unknown_coding;
};

static bool
is_name(const char *name, size_t n, const char *wanted)
{
	return n == strlen(wanted) && strncasecmp(name, wanted, n) == 0;
}

static enum MHD_Result
add_to_head(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
	size_t value_n)
{
	struct head *head = arg;
	const bool coding = is_name(name, name_n, MHD_HTTP_HEADER_TRANSFER_ENCODING);

	(void)kind;
	head->bytes += name_n + value_n + 4;
	head->framings += coding || is_name(name, name_n, MHD_HTTP_HEADER_CONTENT_LENGTH);
	head->unknown_coding |= coding && !is_name(value, value_n, "chunked");
	return MHD_YES;
}

/* The status to refuse the request with, or 0. A request that says twice where its body ends means
 * one thing to us and maybe another to the proxy before us. */
static unsigned
refuse_head(const struct http *h, struct MHD_Connection *c)
{
	struct head head = {0};
	const int count = MHD_get_connection_values_n(c, MHD_HEADER_KIND, add_to_head, &head);

	if (head.bytes > h->cfg->limits.header_bytes || count > HEADERS_MAX)
		return 431;
	return head.framings > 1 || head.unknown_coding ? 400 : 0;
}

/* The announced length of the body, 0 where there is none. */
static uint64_t
announced(struct MHD_Connection *c)
{
	const char *text =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text ? strtoull(text, NULL, 10) : 0;
}

/* The sender waits for an answer before it sends its body. */
static bool
asks_first(struct MHD_Connection *c)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT) != NULL;
}

/* A provider posts batches to the one path it was given. */
static uint64_t
limit_of(const struct config *cfg, const struct target *t)
{
	const bool batch = t->batch || (t->source && strcmp(t->source->provider, "trotline") != 0);

	return batch ? cfg->limits.batch_bytes : cfg->limits.event_bytes;
}

/* What a signature may cover is there: without it, its sender would be blamed for our lack of
 * memory. */
static bool
target_is_kept(struct MHD_Connection *c)
{
	const struct peer *p = peer_of(c);

	return p && p->target;
}

/* The headers are in. What is known to be refused on them alone is answered before the body comes,
 * which also closes the connection; the rest waits for the body. */
static enum MHD_Result
begin(struct http *h, struct MHD_Connection *c, const char *method, const char *url, void **context)
{
	const struct target t = target_of(h->cfg, method, url);
	const unsigned refused = refuse_head(h, c);
	struct exchange *x = NULL;

	if (refused)
		return respond_error(h, c, method, refused, NULL);
	if (!h->draining && target_is_kept(c))
		x = exchange_open(h->table, c, clock_mono_ms());
	if (!x)
		return respond_error(h, c, method, busy(t.source), NULL);
	*context = x;
	x->source = t.source;
	x->batch = t.batch;
	x->limit = limit_of(h->cfg, &t);
	if (t.source && !exchange_claim(h->table, x, (size_t)(t.source - h->cfg->sources),
				h->cfg->sources_count))
		return respond_error(h, c, method, busy(t.source), NULL);
	if (announced(c) > x->limit) {
		if (asks_first(c) || announced(c) > DISCARD_BYTES)
			return respond_error(h, c, method, 413, NULL);
		x->refused = 413;
	}
	return MHD_YES;
}

static enum MHD_Result
take_body(struct http *h, struct MHD_Connection *c, struct exchange *x, const char *method,
	const char *bytes, size_t *n)
{
	enum exchange_body rc;

	if (x->refused) {
		*n = 0;
		return MHD_YES;
	}
	rc = exchange_add(h->table, x, bytes, *n, (size_t)announced(c));
	*n = 0;
	if (rc == EXCHANGE_BODY_OK)
		return MHD_YES;
	x->refused = rc == EXCHANGE_BODY_LARGE ? 413 : busy(x->source);
	exchange_drop_body(h->table, x);
	(void)method;
	return MHD_YES;
}

static enum MHD_Result
respond_page(struct http *h, struct MHD_Connection *c, const char *method, enum target_kind kind)
{
	unsigned status = 200;
	char *text = h->calls.page(h->calls.arg, kind, &status);

	if (!text)
		return respond_error(h, c, method, 503, NULL);
	return respond(h, c, method, status, text, strlen(text), NULL,
		kind == TARGET_METRICS ? "text/plain; version=0.0.4; charset=utf-8"
				       : "application/json");
}

static enum MHD_Result
suspend(struct http *h, struct MHD_Connection *c, struct exchange *x)
{
	struct peer *p = peer_of(c);

	if (p)
		p->waiting = true;
	x->give_up_ms = clock_mono_ms() + h->cfg->limits.answer_timeout_ms;
	x->state = EXCHANGE_UNSENT;
	MHD_suspend_connection(c);
	h->calls.request(h->calls.arg, x);
	return MHD_YES;
}

/* The whole request is in. */
static enum MHD_Result
complete(struct http *h, struct MHD_Connection *c, struct exchange *x, const char *method,
	const char *url)
{
	const struct target t = target_of(h->cfg, method, url);

	if (x->refused)
		return respond_error(h, c, method, x->refused, NULL);
	switch (t.kind) {
	case TARGET_REFUSED:
		return respond_error(h, c, method, t.status, t.allow);
	case TARGET_PROBE:
		return respond(h, c, method, 200, NULL, 0, NULL, NULL);
	case TARGET_HEALTH:
	case TARGET_METRICS:
		return respond_page(h, c, method, t.kind);
	case TARGET_ASK:
		x->asks = true;
		if (exchange_add(h->table, x, t.id, strlen(t.id), 0) != EXCHANGE_BODY_OK)
			return respond_error(h, c, method, 503, NULL);
		break;
	case TARGET_POST:
		break;
	}
	return suspend(h, c, x);
}

static enum MHD_Result
respond_answer(struct http *h, struct MHD_Connection *c, struct exchange *x, const char *method)
{
	char *body = x->answer;

	x->answer = NULL;
	return respond(h, c, method, x->status, body, x->answer_n, x->headers, "application/json");
}

static enum MHD_Result
on_access(void *arg, struct MHD_Connection *c, const char *url, const char *method,
	const char *version, const char *bytes, size_t *n, void **context)
{
	struct http *h = arg;
	struct exchange *x = *context;

	(void)version;
	if (!x)
		return begin(h, c, method, url, context);
	if (x->state == EXCHANGE_ANSWERED)
		return respond_answer(h, c, x, method);
	if (*n > 0)
		return take_body(h, c, x, method, bytes, n);
	if (x->state == EXCHANGE_READING)
		return complete(h, c, x, method, url);
	return MHD_YES;
}

static void
on_completed(
	void *arg, struct MHD_Connection *c, void **context, enum MHD_RequestTerminationCode code)
{
	struct http *h = arg;
	struct peer *p = peer_of(c);

	(void)code;
	if (p) {
		p->since_ms = clock_mono_ms();
		p->waiting = false;
	}
	if (*context)
		exchange_close(h->table, *context);
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

/* Lets the process have a descriptor for each connection, as far as the system allows. */
static void
raise_files(uint64_t connections)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= connections + SPARE_FILES)
		return;
	r.rlim_cur =
		r.rlim_max < connections + SPARE_FILES ? r.rlim_max : connections + SPARE_FILES;
	setrlimit(RLIMIT_NOFILE, &r);
}

static struct addrinfo *
resolve(const struct config *cfg, struct error *why)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[24];
	int rc;

	snprintf(port, sizeof port, "%llu", (unsigned long long)cfg->port);
	rc = getaddrinfo(cfg->address, port, &hints, &found);
	if (rc != 0)
		error_set(why, "listen %s: %s", cfg->listen, gai_strerror(rc));
	return rc == 0 ? found : NULL;
}

static struct MHD_Daemon *
start(struct http *h, const struct addrinfo *at)
{
	const struct config *cfg = h->cfg;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

	if (at->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	return MHD_start_daemon(flags, (uint16_t)cfg->port, NULL, NULL, on_access, h,
		MHD_OPTION_SOCK_ADDR, at->ai_addr, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)cfg->limits.connections,
		MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)((cfg->limits.idle_timeout_ms + 999) / 1000),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(cfg->limits.header_bytes + POOL_MORE),
		MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
		unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_LISTEN_BACKLOG_SIZE,
		(unsigned)4096,
		cfg->processes.ingress > 1 ? MHD_OPTION_LISTENING_ADDRESS_REUSE : MHD_OPTION_END,
		(unsigned)1, MHD_OPTION_END);
}

struct http *
http_new(const struct config *cfg, struct exchanges *table, struct metrics *metrics,
	const struct http_calls *calls, struct error *why)
{
	struct http *h = calloc(1, sizeof *h);
	struct addrinfo *at = h ? resolve(cfg, why) : NULL;
	const union MHD_DaemonInfo *info;

	if (!at) {
		free(h);
		return NULL;
	}
	raise_files(cfg->limits.connections);
	*h = (struct http){
		.cfg = cfg, .table = table, .metrics = metrics, .calls = *calls, .fd = -1};
	h->daemon = start(h, at);
	freeaddrinfo(at);
	info = h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info) {
		error_set(why, "cannot listen on %s: %s", cfg->listen, strerror(errno));
		http_destroy(&h);
		return NULL;
	}
	h->fd = info->epoll_fd;
	return h;
}

void
http_destroy(struct http **h_p)
{
	struct http *h = *h_p;

	if (!h)
		return;
	for (size_t i = 0; h->daemon && i < exchanges_places(h->table); i++) {
		struct exchange *x = exchange_place(h->table, i);

		if (x->state == EXCHANGE_SENT || x->state == EXCHANGE_UNSENT)
			http_answer_error(h, x, 503, reason_of(503));
	}
	for (int i = 0; h->daemon && i < STOP_RUNS && http_run(h); i++)
		;
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	free(h);
	*h_p = NULL;
}

int
http_fd(const struct http *h)
{
	return h->fd;
}

bool
http_run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(h->daemon);
	return MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES && wait_ms == 0;
}

void
http_answer(struct http *h, struct exchange *x, unsigned status, char *body, size_t n,
	struct slice headers)
{
	exchange_drop_body(h->table, x);
	x->state = EXCHANGE_ANSWERED;
	x->status = status;
	x->answer = body;
	x->answer_n = n;
	x->headers = headers.n > 0 ? strndup(headers.p, headers.n) : NULL;
	MHD_resume_connection(x->connection);
}

void
http_answer_error(struct http *h, struct exchange *x, unsigned status, const char *text)
{
	char headers[64] = "", *body = NULL;
	int n = asprintf(&body, "{\"error\":\"%s\"}", text);

	if (status == 503 && !x->asks)
		status = busy(x->source);
	if (is_busy(status))
		snprintf(headers, sizeof headers, "Retry-After: %d\n", RETRY_AFTER_S);
	http_answer(h, x, status, n < 0 ? NULL : body, n < 0 ? 0 : (size_t)n, slice_of(headers));
}

struct header_list {
	msgpack_zone *zone;
	msgpack_object *pairs;
	uint32_t n, room;
};

static msgpack_object
text_object(const char *p, size_t n)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)n, p}};
}

static enum MHD_Result
add_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
	size_t value_n)
{
	struct header_list *list = arg;
	msgpack_object *pair = msgpack_zone_malloc(list->zone, 2 * sizeof *pair);

	(void)kind;
	if (!pair || list->n == list->room)
		return MHD_NO;
	pair[0] = text_object(name, name_n);
	pair[1] = text_object(value ? value : "", value_n);
	list->pairs[list->n++] =
		(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}};
	return MHD_YES;
}

bool
http_headers(const struct exchange *x, msgpack_zone *zone, msgpack_object *out)
{
	const int count = MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, NULL, NULL);
	struct header_list list = {.zone = zone, .room = (uint32_t)count};

	list.pairs = msgpack_zone_malloc(zone, list.room * sizeof *list.pairs);
	if (!list.pairs)
		return false;
	MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, add_header, &list);
	*out = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {list.n, list.pairs}};
	return list.n == list.room; /* part of them might lack the signature */
}

void
http_drain(struct http *h)
{
	h->draining = true;
}

/* A connection has its idle time for the next request to begin, and the request time for it to come
 * in; the shutdown makes the HTTP library see its end. */
void
http_sweep(struct http *h, uint64_t now_ms)
{
	const uint64_t most = h->cfg->limits.idle_timeout_ms + h->cfg->limits.request_timeout_ms;

	for (struct peer *p = h->peers; p; p = p->next)
		if (!p->waiting && p->fd >= 0 && now_ms - p->since_ms > most)
			shutdown(p->fd, SHUT_RDWR);
	for (size_t i = 0; i < exchanges_places(h->table); i++) {
		const struct exchange *x = exchange_place(h->table, i);
		const struct peer *p = x->state == EXCHANGE_READING ? peer_of(x->connection) : NULL;

		if (p && p->fd >= 0 && now_ms - x->since_ms > h->cfg->limits.request_timeout_ms)
			shutdown(p->fd, SHUT_RDWR);
	}
}
