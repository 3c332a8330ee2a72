/* event_destinations - what each destination has of an event, which stands beside its status. Only reads; best
 * effort: attempts are remembered for 7 days.
 *
 * | word      | the event ...                                                                            |
 * |-----------|------------------------------------------------------------------------------------------|
 * | waiting   | has not been read by it yet                                                              |
 * | unwanted  | is of no type or source that it takes                                                    |
 * | owed      | is on its way, or tried again later                                                      |
 * | dead      | was given up                                                                             |
 * | delivered | was answered 2xx                                                                         |
 * | passed    | is behind it: delivered and forgotten, or from before it began, or left out (skip)       | */
#ifndef TROTLINE_EVENT_DESTINATIONS_H
#define TROTLINE_EVENT_DESTINATIONS_H

#include "event_query.h"
#include "lib/base/map.h"

/* Puts `destinations`: [{name, state, attempts, last_status, last_try, next_try, cause, letter}], nil where there are
 * none, or the history has no such event. */
void event_destinations(
	const struct event_query *q, struct slice journal, uint64_t seq, struct map *m);

#endif
