/* tries - how often an address may be wrong about the token: ten times at once, then once in six
 * seconds. Pure. */
#ifndef TROTLINE_ADMIN_TRIES_H
#define TROTLINE_ADMIN_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/stage/listener.h"

enum { TRIES_ADDRESSES = 256, TRIES_AT_ONCE = 10, TRIES_EACH_MS = 6000 };

/* All 0 at first. Of more addresses those go that have been right for the longest. */
struct tries {
	struct {
		char address[LISTENER_ADDRESS_MAX];
		uint64_t until_ms; /* when all is forgiven */
	} rows[TRIES_ADDRESSES];
};

/* The address was wrong once more. True: too often; *wait_s: when to come again. */
bool tries_wrong(struct tries *t, const char *address, uint64_t now_ms, unsigned *wait_s);

#endif
