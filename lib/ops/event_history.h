/* event_history - what history has of an event, which stands beside its status. Only reads.
 *
 * | word    | the event ...                                                  |
 * |---------|----------------------------------------------------------------|
 * | pending | waits for it in the journal                                    |
 * | retry   | could not be written, and waits for its time                   |
 * | failed  | was given up: history has ended three times while it had it    |
 * | kept    | is in it                                                       | */
#ifndef TROTLINE_EVENT_HISTORY_H
#define TROTLINE_EVENT_HISTORY_H

#include "event_query.h"

/* NULL: no history is kept, or the event is not in it: it came before, or has gone with its time, or was
 * let go of. Takes and gives back its own snapshots. */
const char *event_history(const struct event_query *q, struct slice journal, uint64_t seq);

#endif
