/* listener - a small HTTP server for operators: libmicrohttpd with its epoll descriptor in the
 * stage's own loop, bounded connections, bodies and times.
 *
 * Each request is answered at once, or later by its ticket. Every error is {"error": text}. */
#ifndef TROTLINE_ADMIN_LISTENER_H
#define TROTLINE_ADMIN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

struct listener;
struct listener_request;

/* What is answered. */
struct answer_page {
	unsigned status;
	char *text;        /* malloc'd, becomes the listener's; NULL: an empty body */
	const char *type;  /* NULL: application/json */
	const char *allow; /* 405: the methods; texts live for ever */
};

enum { LISTENER_LATER = 1 }; /* as a status: the answer comes by listener_answer */

typedef void listener_handle(void *arg, struct listener_request *rq, struct answer_page *page);

/* Listens on cfg->admin. NULL with the cause. cfg outlives it. */
struct listener *listener_new(
	const struct config *cfg, listener_handle *handle, void *arg, struct error *why);
/* Answers what is still open with 503 and closes all. */
void listener_destroy(struct listener **l);

/* Readable when listener_run has work. */
int listener_fd(const struct listener *l);

/* Does all that can be done without waiting. True: call again at once. */
bool listener_run(struct listener *l);

/* Closes connections that take too long over a request. Call it every second or so. */
void listener_sweep(struct listener *l, uint64_t now_ms);

/* ---- a request; it lives until it is answered ---- */

const char *request_method(const struct listener_request *rq);
/* Decoded, without the query. */
const char *request_path(const struct listener_request *rq);
/* The value of a parameter of the query, or NULL. */
const char *request_query(const struct listener_request *rq, const char *name);
/* The value of a header, or NULL. */
const char *request_header(const struct listener_request *rq, const char *name);

/* A parameter of the query that is none of these (a NULL ends them), or NULL. */
const char *request_stranger(const struct listener_request *rq, const char *const known[]);
/* It has a body. */
bool request_has_body(const struct listener_request *rq);

/* Answers one whose page said LISTENER_LATER. */
void listener_answer(struct listener *l, struct listener_request *rq, struct answer_page page);

/* A page that says what is wrong. */
struct answer_page page_error(unsigned status, const char *text);

#endif
