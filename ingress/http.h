/* http - the HTTP side of ingress: what is read, what is refused, what goes to a validator.
 *
 * In: requests from the listener. Out: complete ones as exchanges, whose connections wait until
 * http_answer. Limits: header and body sizes, idle and request time-outs, a place in the table. */
#ifndef TROTLINE_INGRESS_HTTP_H
#define TROTLINE_INGRESS_HTTP_H

#include <msgpack.h>
#include <stdbool.h>

#include "exchange.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "lib/stage/listener.h"
#include "lib/stage/stage.h"
#include "refusals.h"
#include "target.h"

struct http;

struct http_calls {
	void *arg;
	/* A whole request has come in and its connection is suspended. */
	void (*request)(void *arg, struct exchange *x);
	/* The page for TARGET_HEALTH, TARGET_METRICS or TARGET_READY: its status, its type, and its text
	 * for free(), or NULL. */
	struct listener_answer (*page)(void *arg, enum target_kind kind);
	/* Between two turns of HTTP; true: something came of it. */
	bool (*between)(void *arg);
	/* Why no POST can be taken, as far as is known; "" while they can. For the log. */
	const struct error *trouble;
};

/* Listens. NULL with the cause. st, table and what calls.arg points to outlive it. */
struct http *http_new(struct stage *st, struct exchanges *table, const struct http_calls *calls,
	struct error *why);
/* Answers what is suspended with 503, sends what can be sent at once, and closes all. */
void http_destroy(struct http **h);

/* Does what can be done without waiting. */
void http_run(struct http *h);

/* Answers one that was handed over with status, body (malloc'd, becomes http's) and
 * `Name: value\n` lines (copied). */
void http_answer(struct http *h, struct exchange *x, unsigned status, char *body, size_t n,
	struct slice headers);

void http_refuse(struct http *h, struct exchange *x, enum refusal_cause cause);

/* The request's headers, all of them, as an array of [name, value] in the zone; they point into the
 * connection. False when memory is short. */
bool http_headers(const struct exchange *x, msgpack_zone *zone, msgpack_object *out);

/* Path and query as the request line has them; lives as long as the request. */
const char *http_target(const struct exchange *x);

/* From now on every new request is answered 503 and its connection closed. */
void http_drain(struct http *h);

/* While closed, requests that bring something, and whether that is possible, are answered 503. */
void http_close(struct http *h, bool closed);

/* Closes connections whose request takes too long to come in. Call it now and then. */
void http_sweep(struct http *h, uint64_t now_ms);

#endif
