/* group - group commit: all jobs that have queued up go into one journal transaction, one flush.
 *
 * In: judged jobs. Out: candidates that are new, appended and durable, or known as duplicates; or
 * jobs refused as a whole (REFUSED_LATE, REFUSED_UNAVAILABLE) of which nothing was stored. A kill
 * before the commit leaves nothing, after it everything: an ingress that asks again is told so. */
#ifndef TROTLINE_VALIDATOR_GROUP_H
#define TROTLINE_VALIDATOR_GROUP_H

#include "claims.h"
#include "job.h"
#include "lib/store/journal.h"

/* Takes n judged jobs, and asks for their events at the door of claims first; frames receives the packed event frames (candidate.at, .n) of what was
 * appended and is good until the next call. Returns the number of events committed. */
size_t group_commit(struct journal *journal, struct claims *claims, struct job *const *jobs,
	size_t n, msgpack_sbuffer *frames);

#endif
