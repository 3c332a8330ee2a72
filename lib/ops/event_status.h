/* event_status - what became of an event: from what is stored, without asking any process, so it also
 * holds while the pipeline is down. Only reads.
 *
 * | status     | the event ...                                                |
 * |------------|--------------------------------------------------------------|
 * | pending    | is accepted and has no answer yet                            |
 * | retry      | was answered RETRY and waits for its time                    |
 * | processing | is being tried again: its time has come, no answer yet       |
 * | failed     | is given up: a dead letter, about to be one, or one that was dropped |
 * | success    | has ended otherwise: it is applied                           |
 *
 * It is found by any id that somebody may have of it (event_places.h). What is told of it comes from
 * each store that knows something, the surest first: journal, letters, the events done last, the state
 * database. One more store is one more function in event_status.c and in event_places.c. */
#ifndef TROTLINE_EVENT_STATUS_H
#define TROTLINE_EVENT_STATUS_H

#include "event_query.h"
#include "found.h"

/* The answer about an event as a map in the zone, which holds all of it. Of several with that id it is
 * about the newest, and names the others in `others`. Takes and gives back its own snapshots.
 * OPS_TROUBLE: with the cause. OPS_NOT_FOUND: why says how sure that is. */
enum ops_found event_status(const struct event_query *q, struct slice id, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* The word for the status of an event, by its journal's id and its number there, as the two stores have
 * it; within a snapshot of each. What neither of them has, has ended: "success". */
const char *event_status_word(
	struct journal *journal, struct letters *letters, struct slice id, uint64_t seq);

#endif
