/* claims - a group's ids at the door of lib/store/seen.h: asked before the journal's transaction,
 * told after it. */
#ifndef TROTLINE_VALIDATOR_CLAIMS_H
#define TROTLINE_VALIDATOR_CLAIMS_H

#include "job.h"
#include "lib/store/journal.h"
#include "lib/store/seen.h"

struct claims {
	const struct seen_engine *engine;
	struct seen *seen;
	bool keyed; /* events carry what makes them the same again, for others to ask */
	struct seen_claim *rows; /* kept and reused */
	size_t room;
};

/* False with the cause. cfg outlives it. */
bool claims_open(struct claims *claims, const struct seen_engine *engine, const struct config *cfg,
	struct error *why);
void claims_close(struct claims *claims);

/* Asks for every event of the jobs that enter: sets candidate.hash and .claimed; what another node
 * has becomes a duplicate, and a job with an event that is busy there is refused (503) and enters
 * no more. Not STORE_OK: nothing is claimed. */
enum store_rc claims_make(struct claims *claims, struct journal *journal, struct job *const *jobs,
	size_t n, struct error *why);

/* The commit is done: keeps what is durable here, drops the rest of what was claimed. */
void claims_tell(struct claims *claims, struct job *const *jobs, size_t n);

#endif
