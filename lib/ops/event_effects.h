/* event_effects - what an event has done to the state database, as far as its rows say whose they are.
 * Only reads. */
#ifndef TROTLINE_EVENT_EFFECTS_H
#define TROTLINE_EVENT_EFFECTS_H

#include <msgpack.h>

#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/store/state.h"

struct event_effects {
	struct list list; /* of {table, what, email, message_id, at} */
	/* What they tell of the event itself, in the list's zone; absent where they do not. */
	struct slice type, email, source;
};

/* Rows that come from a sender's event id, of that source where they name one (absent: of any). False
 * with the cause: not all were looked through. */
bool event_effects_find(struct state *db, struct slice source, struct slice id, msgpack_zone *zone,
	struct event_effects *effects, struct error *why);

#endif
