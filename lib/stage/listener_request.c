/* listener_request - a request from its headers to its answer; see listener.h. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "listener_private.h"

/* A value may quote a stranger, who need not write ASCII. */
static void
add_header(struct MHD_Response *r, const char *name, char *value)
{
	for (char *at = value; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	MHD_add_response_header(r, name, value);
}

/* Puts `Name: value\n` lines on a response. */
static void
add_headers(struct MHD_Response *r, struct slice lines)
{
	char name[64], value[1024];

	while (lines.n > 0) {
		const char *end = memchr(lines.p, '\n', lines.n);
		const char *colon = end ? memmem(lines.p, (size_t)(end - lines.p), ": ", 2) : NULL;

		if (!colon)
			return;
		snprintf(name, sizeof name, "%.*s", (int)(colon - lines.p), lines.p);
		snprintf(value, sizeof value, "%.*s", (int)(end - colon - 2), colon + 2);
		add_header(r, name, value);
		lines = (struct slice){end + 1, lines.n - (size_t)(end + 1 - lines.p)};
	}
}

/* What coding is read, and which was not. */
static void
add_coding(const struct connection *c, struct MHD_Response *r)
{
	char detail[96];

	snprintf(detail, sizeof detail, "Content-Encoding: %.64s",
		listener_header(&c->rq, MHD_HTTP_HEADER_CONTENT_ENCODING));
	MHD_add_response_header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity");
	add_header(r, "X-Error-Detail", detail);
}

/* Hands an answer to the library. */
static bool
respond(struct connection *c, const struct listener_answer *answer)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(answer->n, answer->body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result queued;

	if (!r) {
		free(answer->body);
		return false;
	}
	if (answer->n > 0)
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
	add_headers(r, answer->headers);
	if (c->rq.fault == HEAD_CODING)
		add_coding(c, r);
	if (c->listener->draining || c->intake.fault || c->probe ||
		crowd_is_near(c->listener->crowd))
		MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	queued = MHD_queue_response(c->mhd, answer->status, r);
	MHD_destroy_response(r);
	return queued == MHD_YES;
}

static void
drop_answer(struct connection *c)
{
	free(c->answer.body);
	free((char *)c->answer.headers.p);
	c->answer = (struct listener_answer){.body = NULL};
}

/* One that waited is resumed, and answered when the library asks for it. */
static bool
respond_ready(struct connection *c)
{
	const bool queued = respond(c, &c->answer);

	c->answer.body = NULL;
	drop_answer(c);
	listener_phase(c, ANSWERED);
	return queued;
}

void
listener_resume(struct connection *c)
{
	c->phase = READY;
	MHD_resume_connection(c->mhd);
}

static struct slice
copy_of(struct slice s)
{
	char *copy = s.n > 0 ? strndup(s.p, s.n) : NULL;

	return (struct slice){copy, copy ? s.n : 0};
}

void
listener_answer(struct listener_request *rq, const struct listener_answer *answer)
{
	struct connection *c = (struct connection *)rq;

	if (c->phase == WAITING) {
		c->answer = *answer;
		c->answer.headers = copy_of(answer->headers);
		listener_resume(c);
	} else {
		listener_phase(c, ANSWERED);
		c->cut |= !respond(c, answer);
	}
}

void
listener_wait(struct listener_request *rq)
{
	struct connection *c = (struct connection *)rq;

	listener_phase(c, WAITING);
	MHD_suspend_connection(c->mhd);
}

/* What stands behind scheme and host, where they are there. */
static const char *
path_in(const char *target)
{
	const char *path;

	if (!target || *target == '/' || !strstr(target, "://"))
		return target;
	path = strchr(strstr(target, "://") + 3, '/');
	return path ? path : "/";
}

static bool
look_at_header(void *arg, struct slice name, struct slice value)
{
	struct connection *c = arg;
	const char *text = value.p;

	if (name.n == 16 && strcasecmp(name.p, MHD_HTTP_HEADER_CONTENT_ENCODING) == 0 &&
		value.n > 0 && strcasecmp(text, "identity") != 0)
		c->rq.fault = HEAD_CODING;
	else if (name.n == 6 && strcasecmp(name.p, MHD_HTTP_HEADER_EXPECT) == 0 &&
		 strcasecmp(text, "100-continue") != 0 && !c->intake.head.old)
		c->rq.fault = HEAD_EXPECT;
	return !c->rq.fault;
}

static bool
begin(struct connection *c, const char *method, const char *path)
{
	const struct listener_calls *calls = &c->listener->calls;

	if (c->intake.part == INTAKE_HEAD) {
		log_error("libmicrohttpd reads past the listener", LF_INT("fd", c->fd));
		return false;
	}
	c->rq = (struct listener_request){.method = method,
		.path = path_in(path),
		.target = path_in(c->target),
		.fault = c->intake.fault,
		.probe = c->probe};
	listener_phase(c, COMING);
	if (c->proxy)
		listener_client(c);
	if (!c->rq.fault)
		listener_headers(&c->rq, look_at_header, c);
	return calls->begin(calls->arg, &c->rq);
}

static bool
take_body(struct connection *c, const char *bytes, size_t *n)
{
	const struct listener_calls *calls = &c->listener->calls;
	const struct slice piece = {bytes, *n};

	*n = 0;
	if (c->phase != COMING)
		return true;
	c->rq.body += piece.n;
	return calls->body(calls->arg, &c->rq, piece);
}

enum MHD_Result
listener_access(void *arg, struct MHD_Connection *mhd, const char *path, const char *method,
	const char *version, const char *bytes, size_t *n, void **context)
{
	struct connection *c = listener_connection(mhd);
	const struct listener_calls *calls = &((struct listener *)arg)->calls;

	(void)version;
	if (!c || c->cut || c->ended)
		return MHD_NO;
	if (!*context) {
		*context = c;
		c->cut |= !begin(c, method, path);
	} else if (c->phase == READY) {
		c->cut |= !respond_ready(c);
	} else if (*n > 0) {
		c->cut |= !take_body(c, bytes, n);
	} else if (c->phase == COMING) {
		c->rq.fault = c->intake.fault ? c->intake.fault : c->rq.fault;
		calls->complete(calls->arg, &c->rq);
	}
	return c->cut ? MHD_NO : MHD_YES;
}

void
listener_over(
	void *arg, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
	struct listener *l = arg;
	struct connection *c = *context;

	(void)mhd;
	(void)code;
	if (!c)
		return;
	l->calls.over(l->calls.arg, &c->rq);
	drop_answer(c);
	c->since_ms = clock_mono_ms();
	listener_phase(c, IDLE);
	listener_read_next(c);
	*context = NULL;
}

const char *
listener_header(const struct listener_request *rq, const char *name)
{
	const struct connection *c = (const struct connection *)rq;

	return MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, name);
}

const char *
listener_query(const struct listener_request *rq, const char *name)
{
	const struct connection *c = (const struct connection *)rq;

	return MHD_lookup_connection_value(c->mhd, MHD_GET_ARGUMENT_KIND, name);
}

static const struct sockaddr *
address_of(const struct listener_request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		((const struct connection *)rq)->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info ? info->client_addr : NULL;
}

struct peer
listener_from(const struct listener_request *rq)
{
	return peer_of(address_of(rq));
}

void
listener_peer(const struct listener_request *rq, char out[LISTENER_PEER_MAX])
{
	const void *from = address_of(rq);
	const struct sockaddr_in6 *six = from;
	const struct sockaddr_in *four = from;
	char text[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (from && six->sin6_family == AF_INET6)
		snprintf(out, LISTENER_PEER_MAX, "[%s]:%u",
			inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text),
			ntohs(six->sin6_port));
	else if (from && four->sin_family == AF_INET)
		snprintf(out, LISTENER_PEER_MAX, "%s:%u",
			inet_ntop(AF_INET, &four->sin_addr, text, sizeof text),
			ntohs(four->sin_port));
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
listener_stranger(const struct listener_request *rq, const char *const known[])
{
	const struct connection *c = (const struct connection *)rq;
	struct search s = {known, NULL};

	MHD_get_connection_values(c->mhd, MHD_GET_ARGUMENT_KIND, look_at_key, &s);
	return s.stranger;
}

struct header_walk {
	listener_header_fn *fn;
	void *arg;
};

static enum MHD_Result
walk_on(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
	size_t value_n)
{
	const struct header_walk *w = arg;

	(void)kind;
	return w->fn(w->arg, (struct slice){name, name_n},
		       (struct slice){value ? value : "", value_n})
		       ? MHD_YES
		       : MHD_NO;
}

size_t
listener_headers(const struct listener_request *rq, listener_header_fn *fn, void *arg)
{
	const struct connection *c = (const struct connection *)rq;
	struct header_walk w = {fn, arg};

	return (size_t)MHD_get_connection_values_n(
		c->mhd, MHD_HEADER_KIND, fn ? walk_on : NULL, &w);
}
