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
	uint64_t patience_ms; /* so long a job may wait for another node; 0: not at all */
	uint64_t told;        /* duplicates that another node has, since the start */
};

/* The engine that the configuration asks for. */
const struct seen_engine *claims_engine(const struct config *cfg);

/* False with the cause. */
bool claims_open(struct claims *claims, const struct seen_engine *engine,
	const struct seen_home *home, struct error *why);
void claims_close(struct claims *claims);

/* Asks for every event of the jobs that enter: sets candidate.hash and .claimed; what another node
 * has becomes a duplicate. A job with an event that is busy there enters no more: busy.now says that it
 * is to be asked for again, later; past its patience, or where who knows is away and nothing may be
 * stored meanwhile, it is refused (503). Not STORE_OK: nothing is claimed. */
enum store_rc claims_make(struct claims *claims, struct journal *journal, struct job *const *jobs,
	size_t n, struct error *why);

/* Are the claims so old that they must be made again before the commit? Costs nothing where nobody is
 * asked. */
bool claims_aged(const struct claims *claims);

/* Does what is due, between two groups; in how many ms it wants to be called again, 0: in a second or so. */
uint64_t claims_tick(struct claims *claims);

/* How those stand that are asked; NULL: nobody is. */
const struct seen_state *claims_state(const struct claims *claims);

/* The commit is done: keeps what is durable here, drops the rest of what was claimed. */
void claims_tell(struct claims *claims, struct job *const *jobs, size_t n);

#endif
