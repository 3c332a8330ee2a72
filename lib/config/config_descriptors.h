/* config_descriptors - how many descriptors a configuration costs, and how many of them are left for
 * connections. Pure.
 *
 * libzmq ends its process where it finds none for a connection of ours. So connections of strangers
 * are bounded by what is surely left. */
#ifndef TROTLINE_CONFIG_DESCRIPTORS_H
#define TROTLINE_CONFIG_DESCRIPTORS_H

#include "config.h"

/* What a process of that stage may need besides connections from outside: it grows with the
 * processes, each of which has some to others, and holds some for the command line. */
size_t config_descriptors(const struct config *cfg, const char *stage);

/* A listener holds so many more at times: probes, and those that are being closed. */
enum { CONNECTIONS_PROBES = 8, CONNECTIONS_CLOSING = 16 };

/* How many connections a listener may hold where the system allows a process so many descriptors:
 * those that are wanted, or fewer. 0: too few for any. */
size_t config_connections(const struct config *cfg, size_t wanted, size_t descriptors);

/* The same in words, where it is fewer: for whoever starts it. False: there are enough. */
bool config_connections_short(
	const struct config *cfg, size_t wanted, size_t descriptors, struct error *text);

#endif
