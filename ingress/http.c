/* http - see http.h. */
#include "http.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/stage/refused.h"
#include "lib/stage/unable.h"
#include "proto/providers.h"
#include "refusals.h"

/* A sender that writes its body before it reads would see a cut connection instead of its 413. So a
 * body up to this size is read and thrown away first. */
enum { DISCARD_BYTES = 64 << 20 };

enum { LABELS_BYTES = 160 };

struct http {
	const struct config *cfg;
	struct exchanges *table;
	struct metrics *metrics;
	struct tap *tap;
	struct refused_feed refused;
	struct http_calls calls;
	struct listener *listener;
	struct unable_log unable;
	bool draining, closed;
};

static const char JSON[] = "application/json";

/* ---- answers ---- */

static const char *
method_label(const char *method)
{
	static const char *const known[] = {"POST", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(method, known[i]) == 0)
			return known[i];
	return "other";
}

/* Requests that are for no source have no such label. */
static void
label_source(char *labels, size_t size, const struct config_source *source)
{
	if (source)
		metric_label(labels, size, "source", slice_of(source->name));
}

static double *
requests(struct http *h, const char *method, unsigned status, const struct config_source *source)
{
	char labels[LABELS_BYTES];

	snprintf(labels, sizeof labels, "method=\"%s\",status=\"%u\"", method, status);
	label_source(labels, sizeof labels, source);
	return metric(h->metrics, METRIC_FAMILY_REQUESTS, labels);
}

/* What is refused before all of it has come took no time of ours. */
static void
count(struct http *h, const struct listener_request *rq, unsigned status,
	const struct config_source *source)
{
	const struct exchange *x = rq->owner;
	const uint64_t whole_us = x ? x->whole_us : 0;
	char labels[LABELS_BYTES] = "";

	++*requests(h, method_label(rq->method), status, source);
	label_source(labels, sizeof labels, source);
	metric_observe(h->metrics, METRIC_FAMILY_ANSWERS, labels,
		whole_us ? (double)(clock_mono_us() - whole_us) / 1e6 : 0);
}

/* The figures stand from the start, so that a rate can be told from the first request on. */
static void
open_figures(struct http *h)
{
	char labels[LABELS_BYTES];

	requests(h, "GET", 200, NULL);
	metric_open(h->metrics, METRIC_FAMILY_ANSWERS, "");
	for (size_t i = 0; i < h->cfg->sources_count; i++) {
		const struct config_source *source = &h->cfg->sources[i];

		requests(h, "POST", strcmp(source->provider, "trotline") == 0 ? 202 : 200, source);
		labels[0] = '\0';
		label_source(labels, sizeof labels, source);
		metric_open(h->metrics, METRIC_FAMILY_ANSWERS, labels);
	}
}

/* source: whom it is for, or NULL. */
static void
answer(struct http *h, struct listener_request *rq, const struct config_source *source,
	const struct listener_answer *a)
{
	count(h, rq, a->status, source);
	listener_answer(rq, a);
}

/* For whoever watches, with the path where that is what was wrong; without its query, in which a secret may
 * stand. */
static void
tell(struct http *h, const struct listener_request *rq, const struct refusal *refusal,
	const struct config_source *source)
{
	const uint64_t now_ms = clock_wall_ms();
	const char *path = source || !rq->target ? "" : rq->target;
	char step[WIDTH_WORD], reason[WIDTH_REASON];
	size_t n = 0;

	if (!refused_wanted(h->tap))
		return;
	for (; n < sizeof step && refusal->name[n]; n++)
		step[n] = (char)tolower((unsigned char)refusal->name[n]);
	snprintf(reason, sizeof reason, "%s: %s%s%.*s", refusal->text, refusal->when,
		*path ? ": " : "", (int)strcspn(path, "?"), path);
	refused_tell(&h->refused, h->tap,
		&(struct refused){
			.at = now_ms,
			.source = slice_of(source ? source->name : ""),
			.step = {step, n},
			.reason = slice_of(reason),
			.status = refusal->status,
			.bytes = rq->body,
		},
		now_ms);
}

/* UNABLE_COUNT: it is not for a fault of ours. */
static enum unable
unable_of(enum refusal_cause cause)
{
	switch (cause) {
	case REFUSAL_PLACES:
		return UNABLE_PLACES;
	case REFUSAL_CONNECTIONS:
		return UNABLE_CONNECTIONS;
	case REFUSAL_SHARE:
		return UNABLE_SHARE;
	case REFUSAL_MEMORY:
		return UNABLE_MEMORY;
	case REFUSAL_NO_VERDICT:
		return UNABLE_LATE;
	default:
		return UNABLE_COUNT;
	}
}

/* A question is no delivery, which a status must keep from being given up. */
static void
refuse(struct http *h, struct listener_request *rq, enum refusal_cause cause,
	const struct config_source *source, const char *allow)
{
	const struct exchange *x = rq->owner;
	const bool asks = x && x->asks.p;
	const struct refusal refusal = refusal_of(cause, asks ? NULL : source);
	char headers[80] = "", *body = NULL;
	const int n = asprintf(&body, "{\"error\":\"%s\"}", refusal.text);
	const enum unable unable = unable_of(cause);

	if (unable != UNABLE_COUNT && strcmp(rq->method, "POST") == 0)
		unable_tell(&h->unable, h->metrics, unable, slice_of(source ? source->name : ""),
			h->calls.trouble->text, clock_mono_ms());
	tell(h, rq, &refusal, source);
	if (refusal.retry_after_s)
		snprintf(headers, sizeof headers, "Retry-After: %u\n", refusal.retry_after_s);
	else if (allow)
		snprintf(headers, sizeof headers, "Allow: %s\n", allow);
	answer(h, rq, source,
		&(struct listener_answer){refusal.status, n < 0 ? NULL : body,
			n < 0 ? 0 : (size_t)n, JSON, slice_of(headers)});
}

static void
refuse_exchange(struct http *h, struct exchange *x, enum refusal_cause cause)
{
	refuse(h, x->connection, cause, x->source, NULL);
}

void
http_answer(struct http *h, struct exchange *x, unsigned status, char *body, size_t n,
	struct slice headers)
{
	exchange_drop_body(h->table, x);
	x->state = EXCHANGE_ANSWERED;
	answer(h, x->connection, x->source,
		&(struct listener_answer){status, body, n, JSON, headers});
}

void
http_refuse(struct http *h, struct exchange *x, enum refusal_cause cause)
{
	exchange_drop_body(h->table, x);
	x->state = EXCHANGE_ANSWERED;
	refuse_exchange(h, x, cause);
}

/* ---- a request comes in ---- */

/* The announced length of the body, 0 where there is none. */
static uint64_t
announced(const struct listener_request *rq)
{
	const char *text = listener_header(rq, "Content-Length");

	return text ? strtoull(text, NULL, 10) : 0;
}

/* A provider posts batches to the one path it was given, and none larger than it says. */
static uint64_t
limit_of(const struct config *cfg, const struct target *t)
{
	const char *provider = t->source ? t->source->provider : "trotline";
	const bool batch = t->batch || strcmp(provider, "trotline") != 0;
	const uint64_t limit = batch ? cfg->limits.batch_bytes : cfg->limits.event_bytes,
		       most = provider_body(provider);

	return most > 0 && most < limit ? most : limit;
}

static const char *
path_of(const struct listener_request *rq)
{
	return rq->target && target_hides_slash(rq->target) ? "" : rq->path;
}

/* What one connection too many may ask. */
static bool
is_probe(const struct target *t)
{
	return t->kind == TARGET_HEALTH || t->kind == TARGET_METRICS || t->kind == TARGET_READY;
}

/* A place in the table for a request that may have one. Without its target, which a signature may
 * cover, its sender would be blamed for our lack of memory. */
static enum refusal_cause
find_place(struct http *h, struct listener_request *rq, const struct target *t)
{
	struct exchange *x;

	if (h->draining || (h->closed && (t->kind == TARGET_POST || t->kind == TARGET_READY)))
		return REFUSAL_STOPPING;
	if (rq->crowded || (rq->probe && !is_probe(t)))
		return REFUSAL_CONNECTIONS;
	if (!rq->target)
		return REFUSAL_MEMORY;
	x = exchange_open(h->table, rq, clock_mono_ms());
	if (!x)
		return REFUSAL_PLACES;
	rq->owner = x;
	x->target = *t;
	x->source = t->source;
	x->batch = t->batch;
	x->keeps = t->kind == TARGET_POST;
	x->limit = limit_of(h->cfg, t);
	if (t->source && !exchange_claim(h->table, x, (size_t)(t->source - h->cfg->sources),
				 h->cfg->sources_count))
		return REFUSAL_SHARE;
	return REFUSAL_NONE;
}

/* What is refused for its head, or a body that is known to be too large, is refused before the body
 * comes when its sender waits for that or it is no use to read it; else after it has come. */
static void
check_head(struct http *h, struct exchange *x)
{
	const struct listener_request *rq = x->connection;
	const uint64_t length = announced(rq);

	x->expected = length;
	x->refused = rq->fault           ? refusal_of_head(rq->fault)
		     : length > x->limit ? REFUSAL_BODY
					 : REFUSAL_NONE;
	if (x->refused && (listener_header(rq, "Expect") || length > DISCARD_BYTES))
		refuse_exchange(h, x, x->refused);
}

static bool
on_begin(void *arg, struct listener_request *rq)
{
	struct http *h = arg;
	const struct target t = target_of(h->cfg, rq->method, path_of(rq));
	const enum refusal_cause cause = find_place(h, rq, &t);

	if (cause)
		refuse(h, rq, cause, t.source, NULL);
	else
		check_head(h, rq->owner);
	return true;
}

/* It will be answered once its body has come, of which nothing is kept from here on. */
static void
refuse_body(struct http *h, struct exchange *x, enum refusal_cause cause)
{
	x->refused = cause;
	exchange_drop_body(h->table, x);
}

/* Where memory is short the slowest body goes, be it this one. */
static void
take_body(struct http *h, struct exchange *x, struct slice bytes)
{
	const uint64_t now_ms = clock_mono_ms();
	enum exchange_body rc;

	while ((rc = exchange_add(h->table, x, bytes, now_ms)) == EXCHANGE_BODY_MEMORY &&
		!x->refused)
		refuse_body(h, exchange_slowest(h->table, x, bytes.n, now_ms), REFUSAL_MEMORY);
	if (rc == EXCHANGE_BODY_LARGE)
		refuse_body(h, x, REFUSAL_BODY);
}

static bool
on_body(void *arg, struct listener_request *rq, struct slice bytes)
{
	struct http *h = arg;
	struct exchange *x = rq->owner;

	if (x->refused)
		return true;
	if (x->keeps)
		take_body(h, x, bytes);
	else if (rq->body > x->limit)
		x->refused = REFUSAL_BODY;
	return true;
}

/* ---- a request is complete ---- */

static void
answer_page(struct http *h, struct exchange *x, enum target_kind kind)
{
	struct listener_answer page = h->calls.page(h->calls.arg, kind);

	if (!page.body) {
		refuse_exchange(h, x, REFUSAL_MEMORY);
		return;
	}
	page.n = strlen(page.body);
	answer(h, x->connection, NULL, &page);
}

/* From here on a validator, or admin, has the word. */
static void
hand_on(struct http *h, struct exchange *x)
{
	x->give_up_ms = clock_mono_ms() + h->cfg->limits.answer_timeout_ms;
	x->state = EXCHANGE_UNSENT;
	listener_wait(x->connection);
	h->calls.request(h->calls.arg, x);
}

static void
on_complete(void *arg, struct listener_request *rq)
{
	struct http *h = arg;
	struct exchange *x = rq->owner;
	const struct target *t = &x->target;

	x->whole_us = clock_mono_us();
	if (rq->fault) /* it may have come with the body */
		x->refused = refusal_of_head(rq->fault);
	if (x->refused) {
		refuse_exchange(h, x, x->refused);
		return;
	}
	switch (t->kind) {
	case TARGET_REFUSED:
		refuse(h, rq, t->refused, NULL, t->allow);
		break;
	case TARGET_PROBE:
		answer(h, rq, x->source, &(struct listener_answer){.status = 200});
		break;
	case TARGET_HEALTH:
	case TARGET_METRICS:
	case TARGET_READY:
		answer_page(h, x, t->kind);
		break;
	case TARGET_ASK:
		x->asks = t->id;
		hand_on(h, x);
		break;
	case TARGET_POST:
		hand_on(h, x);
		break;
	}
}

static void
on_over(void *arg, struct listener_request *rq)
{
	struct http *h = arg;

	if (rq->owner)
		exchange_close(h->table, rq->owner);
}

static bool
between(void *arg)
{
	struct http *h = arg;

	return h->calls.between(h->calls.arg);
}

/* ---- what a validator is told of it ---- */

const char *
http_target(const struct exchange *x)
{
	const struct listener_request *rq = x->connection;

	return rq->target;
}

struct header_list {
	msgpack_zone *zone;
	msgpack_object *pairs;
	uint32_t n, room;
};

static bool
add_header(void *arg, struct slice name, struct slice value)
{
	struct header_list *list = arg;
	msgpack_object *pair = msgpack_zone_malloc(list->zone, 2 * sizeof *pair);

	if (!pair || list->n == list->room)
		return false;
	pair[0] = object_of_text(name);
	pair[1] = object_of_text(value);
	list->pairs[list->n++] =
		(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}};
	return true;
}

bool
http_headers(const struct exchange *x, msgpack_zone *zone, msgpack_object *out)
{
	const size_t count = listener_headers(x->connection, NULL, NULL);
	struct header_list list = {.zone = zone, .room = (uint32_t)count};

	list.pairs = msgpack_zone_malloc(zone, list.room * sizeof *list.pairs);
	if (!list.pairs)
		return false;
	listener_headers(x->connection, add_header, &list);
	*out = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {list.n, list.pairs}};
	return list.n == list.room; /* part of them might lack the signature */
}

/* ---- life ---- */

static struct listener *
listen_for(struct http *h, struct stage *st, struct error *why)
{
	const struct listener_calls calls = {h, on_begin, on_body, on_complete, on_over, between};
	const struct listener_options options = {
		.listen = h->cfg->listen,
		.address = h->cfg->address,
		.port = h->cfg->port,
		.connections = h->cfg->limits.connections,
		.header_bytes = h->cfg->limits.header_bytes,
		.silent_ms = h->cfg->limits.idle_timeout_ms,
		.shared = h->cfg->processes.ingress > 1,
		.each = h->cfg->limits.connections_each,
		.figures = true,
	};

	return listener_new(st, &options, &calls, why);
}

struct http *
http_new(struct stage *st, struct exchanges *table, const struct http_calls *calls,
	struct error *why)
{
	struct http *h = calloc(1, sizeof *h);

	if (!h) {
		error_set(why, "out of memory");
		return NULL;
	}
	*h = (struct http){.cfg = st->cfg,
		.table = table,
		.metrics = st->metrics,
		.tap = st->tap,
		.calls = *calls};
	unable_open(st->metrics);
	open_figures(h);
	h->listener = listen_for(h, st, why);
	if (!h->listener)
		http_destroy(&h);
	return h;
}

void
http_destroy(struct http **h_p)
{
	struct http *h = *h_p;

	if (!h)
		return;
	for (size_t i = 0; h->listener && i < exchanges_places(h->table); i++) {
		struct exchange *x = exchange_place(h->table, i);

		if (x->state == EXCHANGE_SENT || x->state == EXCHANGE_UNSENT)
			http_refuse(h, x, REFUSAL_STOPPING);
	}
	listener_destroy(&h->listener);
	refused_close(&h->refused);
	free(h);
	*h_p = NULL;
}

void
http_run(struct http *h)
{
	listener_run(h->listener);
}

void
http_close(struct http *h, bool closed)
{
	h->closed = closed;
}

void
http_drain(struct http *h)
{
	h->draining = true;
	listener_drain(h->listener);
}

void
http_sweep(struct http *h, uint64_t now_ms)
{
	listener_sweep(h->listener, now_ms,
		&(struct listener_times){h->cfg->limits.idle_timeout_ms,
			h->cfg->limits.head_timeout_ms, h->cfg->limits.request_timeout_ms});
}
