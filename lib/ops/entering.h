/* entering - events enter the journal as the validator's do: deduplicated, appended, flushed, and told to
 * the retrier, which sends them on. For what a verb reads anew. */
#ifndef TROTLINE_OPS_ENTERING_H
#define TROTLINE_OPS_ENTERING_H

#include <czmq.h>

#include "lib/store/journal.h"

struct entering {
	struct event event; /* seq and journal are set by the call */
	struct slice key;   /* what makes it the same event again */
	bool known;         /* out: it is remembered already, and did not enter again */
};

/* All of them in one transaction, or none; mark: the same when the same events are tried again, so that
 * what a kill has cut short is known. limit: bytes of the largest frame. False with the cause. */
bool entering_go(struct journal *journal, const struct config *cfg, struct entering *events,
	size_t n, uint64_t mark, struct error *why);

/* Tells the retrier of those that have entered; it finds them by itself within a minute, too. */
void entering_tell(
	zsock_t *advice, struct journal *journal, const struct entering *events, size_t n);

#endif
