/* fetch - one GET over https, bounded in bytes and time, for what SNS makes us fetch. */
#ifndef TROTLINE_BASE_FETCH_H
#define TROTLINE_BASE_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

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

/* True when an answer of any status has come whole; false with why otherwise. Runs on a thread of
 * its own; returns soon after *stop has become true. */
typedef bool fetch_function(void *arg, const char *url, const atomic_bool *stop,
	struct fetched *out, struct error *why);

/* By libcurl: https with the system's certificates only, redirects are answers like any other. arg
 * is not used. Needs fetch_prepare before the first thread of the process starts. */
fetch_function fetch_https;
void fetch_prepare(void);

#endif
