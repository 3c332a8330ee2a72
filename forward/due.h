/* due - what a destination is owed and what has become due, from the store into its list of those that wait; and
 * order by recipient: who is behind whom. */
#ifndef TROTLINE_FORWARD_DUE_H
#define TROTLINE_FORWARD_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "deliverer.h"
#include "destination.h"

/* Looks for rows that are due, and says in look_ms when to look again. */
void due_look(struct deliverer *dl, struct destination *d, uint64_t now_ms);

/* One that comes goes behind another of its lane, and is the ledger's; false where there is none. */
bool due_behind(struct deliverer *dl, struct item *item);

/* One of a lane has ended: the next one waits no longer. */
void due_next(struct deliverer *dl, struct destination *d, uint64_t lane);

/* Another of its lane is to be answered first. */
bool due_is_held(const struct destination *d, const struct item *item);

#endif
