/* leases - the deliveries that have no verdict yet, oldest first; pure.
 *
 * One lease an event. A verdict ends it at once, wherever it stands in the order, so a handler that
 * hangs holds the places of its own deliveries only. */
#ifndef TROTLINE_RETRIER_LEASES_H
#define TROTLINE_RETRIER_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leases;

/* Room for most leases, below 2^31. NULL when memory is short. */
struct leases *leases_new(size_t most);
void leases_destroy(struct leases **l);

bool leases_full(const struct leases *l);

/* Begins the event's lease, or begins it anew. since_ms: monotonic, and not before that of any
 * other. Not when full. */
void leases_begin(struct leases *l, uint64_t seq, uint64_t since_ms);

/* Does nothing when the event has none. */
void leases_end(struct leases *l, uint64_t seq);

/* False when there is none. */
bool leases_oldest(const struct leases *l, uint64_t *seq, uint64_t *since_ms);

#endif
