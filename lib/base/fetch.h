/* fetch - one HTTP request at a time, bounded in bytes and time; redirects are answers like any
 * other. No cause that it gives quotes a URL's path, a header or a body: those may be secrets. */
#ifndef TROTLINE_BASE_FETCH_H
#define TROTLINE_BASE_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "slice.h"

/* A connection that is kept from request to request; for one thread. */
struct fetch;

struct fetch_limits {
	uint64_t timeout_ms;     /* of one whole request */
	size_t bytes_max;        /* of an answer's body; 0: however long, it is passed over */
	const atomic_bool *stop; /* becomes true: the request ends soon; may be NULL */
	bool plain;              /* http too, not https alone */
	bool loopback_direct; /* to this machine without a proxy, whatever the environment says */
	bool direct;          /* to any */
	const char *ca_file;  /* whom certificates may come from; NULL: the system's */
};

struct fetch_header {
	struct slice name, value;
};

struct fetch_answer {
	long status;       /* of HTTP */
	struct slice body; /* the fetch's own, until its next request */
};

/* What `stop` points to lives on. NULL when memory is short. */
struct fetch *fetch_new(const struct fetch_limits *limits);
void fetch_destroy(struct fetch **f);

/* True when an answer of any status has come whole; false with why otherwise. A POST has the
 * headers given and what belongs to a connection, no others but User-Agent. */
bool fetch_get(struct fetch *f, const char *url, struct fetch_answer *answer, struct error *why);
bool fetch_get_with(struct fetch *f, const char *url, const struct fetch_header *headers,
	size_t count, struct fetch_answer *answer, struct error *why);
bool fetch_post(struct fetch *f, const char *url, struct slice body,
	const struct fetch_header *headers, size_t count, struct fetch_answer *answer,
	struct error *why);

/* Resolves, connects, shakes hands and checks the certificate (ca_file NULL: against the system's), and goes: no
 * request is sent. No proxy is asked. *took_ms: how long that was. */
bool fetch_reach(struct fetch *f, const char *url, const char *ca_file, uint64_t *took_ms,
	struct error *why);

/* ---- what SNS makes us fetch ---- */

enum {
	FETCH_BYTES_MAX = 16384,
	FETCH_MS_MAX = 5000,
	FETCH_URL_MAX = 2048, /* bytes */
};

struct fetched {
	long status; /* of HTTP */
	size_t n;
	char body[FETCH_BYTES_MAX];
};

/* As fetch_get. Runs on a thread of its own; returns soon after *stop has become true. */
typedef bool fetch_function(void *arg, const char *url, const atomic_bool *stop,
	struct fetched *out, struct error *why);

/* Over https with the system's certificates only. arg is not used. Needs fetch_prepare before the
 * first thread of the process starts. */
fetch_function fetch_https;
void fetch_prepare(void);

#endif
