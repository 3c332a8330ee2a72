/* event_elsewhere - which other node has an event, as Redis tells: for who does not find it here. */
#ifndef TROTLINE_EVENT_ELSEWHERE_H
#define TROTLINE_EVENT_ELSEWHERE_H

#include "event_query.h"

/* By what makes it unique, in the source that is asked for or in any. Puts it in front of *why: "node 7 has
 * it", or that nobody can tell. Waits for redis.timeout at most, for each server. */
void event_elsewhere(const struct event_query *q, struct slice id, struct error *why);

#endif
