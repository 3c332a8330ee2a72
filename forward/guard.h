/* guard - may this very address be dialled? Pure. IPv4 in IPv6 (mapped, 6to4, NAT64) is unwrapped first.
 * Link-local, metadata services, multicast, 0/8 and our own listeners never; loopback and private networks only
 * where the destination's `network` names them, or its URL names such an address itself. */
#ifndef TROTLINE_FORWARD_GUARD_H
#define TROTLINE_FORWARD_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

struct guard;

/* For one destination; cfg names our own listeners. NULL with the cause (config has checked it all before). */
struct guard *guard_new(
	const struct config *cfg, const struct config_forward *destination, struct error *why);
void guard_destroy(struct guard **g);

/* False with the reason in words. */
bool guard_allows(const struct guard *g, const struct sockaddr *address, struct error *why);

/* Is http: (without TLS) allowed to there? Only to loopback, private networks, and those that `network` names by
 * number. */
bool guard_allows_plain(const struct guard *g, const struct sockaddr *address, struct error *why);

#endif
