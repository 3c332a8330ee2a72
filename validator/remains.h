/* remains - what of proven requests was not, or not wholly, taken as events is kept (lib/store/unread.h)
 * before they are answered 2xx.
 *
 * In: judged jobs. Out: items in the store, committed and flushed; or jobs refused as a whole
 * (REFUSED_UNAVAILABLE), those alone for which there is no room. It comes before the group's commit:
 * a kill between the two leaves items of a request that was not answered, which will come again and
 * whose items are known then. */
#ifndef TROTLINE_VALIDATOR_REMAINS_H
#define TROTLINE_VALIDATOR_REMAINS_H

#include "job.h"
#include "lib/stage/trouble.h"
#include "lib/store/unread.h"

struct remains {
	const struct config *cfg;
	struct metrics *metrics;
	struct json_reader *json;
	struct trouble trouble;
	struct unread *store;        /* opened at the first need, or when there is one already */
	uint64_t looked_ms, told_ms; /* monotonic */
	uint64_t untold;             /* log lines that were left out since told_ms */
};

/* All of it outlives r. */
void remains_open(struct remains *r, struct stage *st, struct json_reader *json);
void remains_close(struct remains *r);

/* Which jobs. A proof that does not cover the events (Mailgun's) fills the store with what is in the
 * body that it came with first, and in no other: whoever has seen one may write any. The journal's
 * transaction finds that out, so theirs are kept after it. A kill between the two costs nothing
 * either: the request is asked again, and kept then. */
enum remains_turn {
	REMAINS_PROVED,  /* before the group's commit */
	REMAINS_ENTERED, /* after it: those whose proof the commit has bound to their body */
};

void remains_keep(struct remains *r, struct job *const *jobs, size_t n, enum remains_turn turn);

/* Once a second or so: now and then it lets go of what is too old, and tells how much there is. */
void remains_tick(struct remains *r);

/* After a reload: the limits are new with the next need. */
void remains_reload(struct remains *r);

#endif
