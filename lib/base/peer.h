/* peer - network addresses as they are counted, and networks as they are named. Pure.
 *
 * An IPv4 address is itself, mapped to IPv6 or not; of an IPv6 address the first 64 bits count, for
 * who has one of them has them all. */
#ifndef TROTLINE_BASE_PEER_H
#define TROTLINE_BASE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "slice.h"

struct sockaddr;

struct peer {
	uint8_t bytes[16]; /* IPv4: ::ffff:a.b.c.d; all 0: unknown */
};

/* The whole address. */
struct peer peer_of(const struct sockaddr *address);
/* "192.0.2.1", "192.0.2.1:443", "2001:db8::1", "[2001:db8::1]:443". False: it is none. */
bool peer_read(struct slice text, struct peer *peer);
bool peer_known(const struct peer *peer);

/* What of it counts. */
struct peer peer_counted(struct peer whole);
bool peer_same(const struct peer *a, const struct peer *b);

/* What counts, in words; returns out. */
enum { PEER_TEXT = 64 };
char *peer_text(const struct peer *counted, char out[PEER_TEXT]);

struct network {
	struct peer peer;
	unsigned bits; /* of the 128 */
};

/* "10.0.0.0/8", "2001:db8::/32", or a single address. False with what is wrong. */
bool network_read(const char *text, struct network *network, struct error *why);
bool network_holds(const struct network *network, const struct peer *whole);

#endif
