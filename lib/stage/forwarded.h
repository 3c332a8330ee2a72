/* forwarded - whose request a proxy hands on, by the header that it adds (X-Forwarded-For, or
 * Forwarded of RFC 7239). Pure.
 *
 * What stands on the left was written by whoever asked the proxy, and may be invented: what counts is
 * the last address that is not a trusted proxy's. */
#ifndef TROTLINE_STAGE_FORWARDED_H
#define TROTLINE_STAGE_FORWARDED_H

#include <stddef.h>

#include "lib/base/peer.h"

struct forwarded {
	const struct network *trusted;
	size_t trusted_count;
	bool by_rfc; /* the header is Forwarded */
	bool found;
	struct peer client; /* unknown where the last one is no address */
};

bool forwarded_trusts(const struct network *trusted, size_t count, const struct peer *whole);

/* The value of one such header; to be called for each, in order. */
void forwarded_read(struct forwarded *f, struct slice value);

#endif
