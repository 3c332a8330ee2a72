/* trouble - what a stage meets at a store, as figures that travel: which store, which cause, and what has
 * happened to it. Health names it (board_stores.c). */
#ifndef TROTLINE_STAGE_TROUBLE_H
#define TROTLINE_STAGE_TROUBLE_H

#include "proto/causes.h"
#include "stage.h"

/* One store of one process; {st, "state.db"} at first. */
struct trouble {
	struct stage *st;
	const char *store;
	enum store_cause cause;
	uint64_t met_ms; /* monotonic: trouble_met */
};

/* Its figures stand from the start. */
void trouble_open(struct trouble *t);

/* It is so now; CAUSE_NONE: all is well. The change is logged, with why. */
void trouble_is(struct trouble *t, enum store_cause cause, const struct error *why);

/* The same of a store that is used now and then only: what was met last; and, called now and then, what
 * nobody has met for a minute is over. */
void trouble_met(struct trouble *t, enum store_cause cause, const struct error *why);
void trouble_rest(struct trouble *t);

/* It was removed or replaced under this process. lost: with all that was in it. */
void trouble_was(struct trouble *t, enum store_cause cause, bool lost);

/* It was found so at the start. */
void trouble_found(struct trouble *t, enum store_cause cause, const struct error *why);

#endif
