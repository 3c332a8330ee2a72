/* http - what the verbs ask over HTTP, of this machine's own pipeline as a rule. */
#ifndef TROTLINE_CLI_HTTP_H
#define TROTLINE_CLI_HTTP_H

#include <msgpack.h>

#include "lib/base/fetch.h"
#include "lib/config/config.h"

/* timeout_ms bounds each whole request. NULL with the cause. fetch_destroy ends it. */
struct fetch *http_new(uint64_t timeout_ms, struct error *why);

/* As fetch_get and fetch_post, the cause with the URL before it. The POST is of JSON, with the value
 * of X-Signature. */
bool http_get(struct fetch *http, const char *url, struct fetch_answer *answer, struct error *why);
bool http_post(struct fetch *http, const char *url, struct slice body, const char *signature,
	struct fetch_answer *answer, struct error *why);

/* POST of a body with exactly these headers, an array of [name, value]; what belongs to a
 * connection (Content-Length, Connection, ...) is left out. */
bool http_post_as_is(struct fetch *http, const char *url, struct slice body,
	const msgpack_object *headers, struct fetch_answer *answer, struct error *why);

/* "http://<listen><path>", by loopback where listen is a wildcard. The caller frees it. */
char *http_url(const struct config *cfg, const char *path, const char *name, const char *more);

#endif
