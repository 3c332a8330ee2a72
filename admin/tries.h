/* tries - how often an address may be wrong about the token: ten times at once, then once in six
 * seconds; of IPv6 the network, for whoever has one address of it has them all. Pure. */
#ifndef TROTLINE_ADMIN_TRIES_H
#define TROTLINE_ADMIN_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/peer.h"

enum { TRIES_ADDRESSES = 256, TRIES_AT_ONCE = 10, TRIES_EACH_MS = 6000 };

/* All 0 at first. Of more addresses those go that have been right for the longest. */
struct tries {
	struct {
		struct peer counted;
		uint64_t until_ms; /* when all is forgiven */
	} rows[TRIES_ADDRESSES];
};

/* A whole address was wrong once more. True: too often; *wait_s: when to come again. */
bool tries_wrong(struct tries *t, struct peer whole, uint64_t now_ms, unsigned *wait_s);

#endif
