/* deliverer - what all that delivers shares. */
#ifndef TROTLINE_FORWARD_DELIVERER_H
#define TROTLINE_FORWARD_DELIVERER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ledger.h"
#include "lib/base/clock.h"
#include "lib/stage/metrics.h"
#include "lib/store/forward.h"
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

/* It is to be looked at then (monotonic ms) at the latest; what is past waits for something else. */
static inline void
wake_at(uint64_t *wakes_ms, uint64_t at_ms)
{
	if (at_ms > clock_mono_ms() && (!*wakes_ms || at_ms < *wakes_ms))
		*wakes_ms = at_ms;
}

#endif
