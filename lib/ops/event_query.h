/* event_query - where an event is looked for, and how hard. */
#ifndef TROTLINE_EVENT_QUERY_H
#define TROTLINE_EVENT_QUERY_H

#include "lib/config/config.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"
#include "lib/store/state.h"

struct event_query {
	const struct config *cfg;
	struct journal *journal;
	struct letters *letters; /* or NULL: all that has ended counts as success */
	const char *source;      /* look in this one only, or NULL */
	bool thorough;           /* look through whole stores, which takes some seconds at most */
	struct state *state;     /* or NULL: what it knows is not told */
	uint64_t look_ms;        /* how long a thorough look takes at most; 0: 10 s */
};

#endif
