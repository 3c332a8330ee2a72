/* guard - who may ask: who has the bearer token, and no web page behind the operator's back. Knows no
 * socket. */
#ifndef TROTLINE_ADMIN_GUARD_H
#define TROTLINE_ADMIN_GUARD_H

#include <stdbool.h>

#include "lib/base/error.h"

/* A token's digest; the token itself is not kept. */
struct guard {
	unsigned char digest[32];
	bool loopback; /* what the public listener shows to everybody needs no token here either */
	bool named;    /* the operator has chosen the token, and the names under which he asks */
};

/* Reads the token: the file's first line, at least 16 characters; the file must be its owner's
 * alone (0600). file: the operator's, or NULL: DATA_DIR/admin.token, which is made when there is
 * none. loopback: of the listener. False with the cause, and the guard as it was. */
bool guard_load(struct guard *guard, const char *file, const char *data_dir, bool loopback,
	struct error *why);

/* X(name, status, text): why a request is not answered. */
#define GUARD_REFUSALS(X)                                                                          \
	X(HOST_MISSING, 400, "Bad Host")                                                           \
	X(BROWSER, 403, "Not for browsers")                                                        \
	X(HOST, 403, "Host is no address and not localhost")                                       \
	X(NO_TOKEN, 401, "Bearer token missing or wrong")                                          \
	X(WRONG_TOKEN, 401, "Bearer token missing or wrong")                                       \
	X(TRIES, 429, "Too many wrong tokens")

enum guard_refusal {
	GUARD_GOOD,
#define GUARD_ENUM(name, status, text) GUARD_##name,
	GUARD_REFUSALS(GUARD_ENUM)
#undef GUARD_ENUM
};

unsigned guard_status(enum guard_refusal refusal);
const char *guard_text(enum guard_refusal refusal);

/* What a request says of itself; NULL: it has no such header. */
struct guard_request {
	const char *authorization, *host, *origin, *fetch_site;
	bool shown; /* the page is one that the public listener shows, too */
};

/* Refused are: what a browser sends from a page that is not ours (with an Origin, or a Sec-Fetch-Site
 * of another site); a Host that somebody may have pointed at this address, unless the operator has chosen
 * a token and it is there; a page that needs the token without it. */
enum guard_refusal guard_check(const struct guard *guard, const struct guard_request *rq);

#endif
