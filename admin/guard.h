/* guard - who may ask: the bearer token, and no web page behind the operator's back. */
#ifndef TROTLINE_ADMIN_GUARD_H
#define TROTLINE_ADMIN_GUARD_H

#include <stdbool.h>

#include "lib/base/error.h"

/* A token's digest; the token itself is not kept. */
struct guard {
	bool set;
	unsigned char digest[32];
};

/* Reads the token: the file's first line, at least 16 characters; the file must be its owner's
 * alone (0600). path NULL: no token is needed. False with the cause. */
bool guard_load(struct guard *guard, const char *path, struct error *why);

/* The status for a request with these headers (NULL: absent): 0 when it may go on, 401 without the
 * token, 403 for what a browser sends from a page that is not ours: with an Origin, or, where no
 * token is asked for, under a name that somebody has pointed at this address. */
unsigned guard_check(
	const struct guard *guard, const char *authorization, const char *origin, const char *host);

#endif
