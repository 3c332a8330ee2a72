/* schedule - the events that wait for their next try, and a way not to let them wait.
 *
 * In and out: the journal, whose due times the retrier looks up. A kill leaves each event with its
 * old time or with the new one. */
#ifndef TROTLINE_OPS_SCHEDULE_H
#define TROTLINE_OPS_SCHEDULE_H

#include "lib/config/config.h"
#include "lib/store/journal.h"

struct schedule_query {
	struct journal *journal;
	const char *type, *source; /* of these only, or NULL */
	uint64_t limit;            /* so many at most; 0: all */
};

/* Calls fn for each event that waits, earliest first, until it returns false; fn may be slow. The
 * row is a map of event_id, event_type, source, seq, status (due, scheduled), next_retry_at,
 * retry_count, error, handler, last_tried_at, received_at. *waiting: how many wait at all. False
 * with the cause. */
typedef bool schedule_visit(void *arg, const msgpack_object *row);
bool schedule_each(const struct schedule_query *q, schedule_visit *fn, void *arg, size_t *waiting,
	struct error *why);

/* Makes the event due now; source: look in this one only, or NULL. False with the cause, also when
 * it does not wait. */
bool schedule_hasten(struct journal *journal, const struct config *cfg, const char *source,
	const char *id, size_t *n, struct error *why);

/* Makes the next events due, a group of them; *n: how many, 0 at the end. */
bool schedule_hasten_group(struct journal *journal, size_t *n, struct error *why);

#endif
