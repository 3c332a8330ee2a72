/* http - one HTTP request at a time through libcurl, to this machine's own pipeline as a rule. */
#ifndef TROTLINE_CLI_HTTP_H
#define TROTLINE_CLI_HTTP_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"

/* A connection that is kept from request to request. */
struct http;

/* timeout_ms bounds each whole request. NULL with the cause. */
struct http *http_new(long timeout_ms, struct error *why);
void http_destroy(struct http **http);

struct http_answer {
	long status;
	struct slice body; /* the http's own, until its next request */
};

/* GET, or with a body a POST of JSON with one more header (`Name: value`). False with the cause
 * when no whole answer came; any status is an answer. */
bool http_get(struct http *http, const char *url, struct http_answer *answer, struct error *why);
bool http_post(struct http *http, const char *url, struct slice body, const char *header,
	struct http_answer *answer, struct error *why);

/* POST of a body with exactly these headers, an array of [name, value]; what belongs to a
 * connection (Content-Length, Connection, ...) is left to libcurl. */
bool http_post_as_is(struct http *http, const char *url, struct slice body,
	const msgpack_object *headers, struct http_answer *answer, struct error *why);

/* "http://<listen><path>", by loopback where listen is a wildcard. The caller frees it. */
char *http_url(const struct config *cfg, const char *path, const char *name, const char *more);

#endif
