/* captured - a webhook request as a provider's file gets to see it, for the tests of providers.
 *
 * Each Criterion test is a process of its own; captured_close is for the leak checker. */
#ifndef TROTLINE_TEST_CAPTURED_H
#define TROTLINE_TEST_CAPTURED_H

#include <criterion/criterion.h>

#include "providers/provider.h"

enum { CAPTURED_HEADERS_MAX = 8, CAPTURED_NOW_S = 1790000000 };

struct captured {
	struct provider_source *source;
	struct inbound in; /* now_ms: CAPTURED_NOW_S, may be changed */
	struct normals out;
	struct error why;
	msgpack_zone zone;
	msgpack_object headers;
	msgpack_object list[CAPTURED_HEADERS_MAX];
};

/* A source of that provider with its secrets (a NULL ends them), no headers yet. */
void captured_open(
	struct captured *c, const char *provider, const char *url, const char *const secrets[]);
void captured_close(struct captured *c);

/* Adds a copy of a header; names may stand twice. */
void captured_header(struct captured *c, const char *name, const char *value);

/* The whole check over a body; events are in c->out, the cause in c->why. */
enum check_step captured_check(struct captured *c, struct slice body);

/* Reads a body as if it had been accepted; fails the test when it cannot be read. */
void captured_read(struct captured *c, const char *body);

/* The HMAC over n parts as base64 text, in the zone. */
char *captured_hmac(struct captured *c, const char *digest, struct slice key,
	const struct slice *parts, size_t n);

/* Bytes as base64 text, in the zone. */
char *captured_base64(struct captured *c, struct slice bytes);

#define cr_assert_slice(actual, expected)                                                          \
	cr_assert(slice_is((actual), (expected)), "%.*s, expected %s", SLICE_ARG(actual),          \
		(expected))

#endif
