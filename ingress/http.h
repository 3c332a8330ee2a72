/* http - the HTTP side of ingress: libmicrohttpd in external epoll mode, one thread.
 *
 * In: connections. Out: complete requests as exchanges, whose connections stay suspended until
 * http_answer. Limits: connections, header and body sizes, idle and request time-outs. */
#ifndef TROTLINE_INGRESS_HTTP_H
#define TROTLINE_INGRESS_HTTP_H

#include <msgpack.h>
#include <stdbool.h>

#include "exchange.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "lib/stage/metrics.h"
#include "target.h"

struct http;

struct http_calls {
	void *arg;
	/* A whole request has come in and its connection is suspended. */
	void (*request)(void *arg, struct exchange *x);
	/* The page for TARGET_HEALTH or TARGET_METRICS: text for free(), or NULL. */
	char *(*page)(void *arg, enum target_kind kind, unsigned *status);
};

/* Listens. NULL with the cause. cfg, table, metrics and calls outlive it. */
struct http *http_new(const struct config *cfg, struct exchanges *table, struct metrics *metrics,
	const struct http_calls *calls, struct error *why);
/* Answers what is suspended with 503, sends what can be sent at once, and closes all. */
void http_destroy(struct http **h);

/* Readable when http_run has work. */
int http_fd(const struct http *h);

/* Does all that can be done without waiting. True: call again at once. */
bool http_run(struct http *h);

/* Resumes an exchange's connection with status, body (malloc'd, becomes the exchange's) and
 * `Name: value\n` lines (copied). */
void http_answer(struct http *h, struct exchange *x, unsigned status, char *body, size_t n,
	struct slice headers);

/* Answers with one of ours: {"error": text}. 503 comes with Retry-After, and is 429 for the
 * providers that give up on a 503. */
void http_answer_error(struct http *h, struct exchange *x, unsigned status, const char *text);

/* The request's headers, all of them, as an array of [name, value] in the zone; they point into the
 * connection. False when memory is short. */
bool http_headers(const struct exchange *x, msgpack_zone *zone, msgpack_object *out);

/* Path and query as the request line has them; lives as long as the request. */
const char *http_target(const struct exchange *x);

/* From now on every new request is answered 503 and its connection closed. */
void http_drain(struct http *h);

/* Closes connections whose request takes too long to come in. Call it now and then. */
void http_sweep(struct http *h, uint64_t now_ms);

#endif
