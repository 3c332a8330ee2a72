/* event_status - what became of an event: from the journal and the dead letters themselves, without
 * asking any process, so it also holds while the pipeline is down.
 *
 * | status     | the event ...                                                |
 * |------------|--------------------------------------------------------------|
 * | pending    | is accepted and has no answer yet                            |
 * | retry      | was answered RETRY and waits for its time                    |
 * | processing | is being tried again: its time has come, no answer yet       |
 * | failed     | is given up: a dead letter, about to be one, or one that was dropped |
 * | success    | has ended otherwise: it is applied                           |
 *
 * Only reads. */
#ifndef TROTLINE_EVENT_STATUS_H
#define TROTLINE_EVENT_STATUS_H

#include "found.h"
#include "lib/config/config.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"

struct event_query {
	const struct config *cfg;
	struct journal *journal;
	struct letters *letters; /* or NULL: all that has ended counts as success */
	const char *source;      /* look in this one only, or NULL */
	bool thorough; /* also look for letters of events older than the dedup window, and of
			* other journals, which reads all letters */
};

/* The answer about a sender's event id as a map in the zone, which holds all of it. Takes and gives
 * back its own snapshots. OPS_TROUBLE: with the cause. */
enum ops_found event_status(const struct event_query *q, struct slice id, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

#endif
