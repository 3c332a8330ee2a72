/* deliver - what goes to a destination next, and what becomes of it. */
#ifndef TROTLINE_FORWARD_DELIVER_H
#define TROTLINE_FORWARD_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "destination.h"
#include "ledger.h"
#include "lib/stage/metrics.h"
#include "lib/store/history.h"
#include "post.h"

struct deliverer {
	struct forward *store;
	struct history_view *view; /* NULL: there is no history yet */
	struct posts *posts;
	struct ledger *ledger;
	struct metrics *metrics;
	size_t under_way; /* of all destinations */
	bool stopping;    /* nothing new is sent */
};

/* Sends what may go now. Returns when it is to be called again by the clock (monotonic ms); 0: not by itself. */
uint64_t deliver_pump(struct deliverer *dl, struct destination *d);

/* A request of this destination's was answered. */
void deliver_answered(struct deliverer *dl, struct post *post);

/* An operator's test: an event of the history, or (pos 0) an invented one. */
void deliver_test(struct deliverer *dl, struct destination *d, uint64_t ask, uint64_t pos);

#endif
