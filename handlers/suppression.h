/* suppression - which events end or begin the permission to write to an address. */
#ifndef TROTLINE_HANDLERS_SUPPRESSION_H
#define TROTLINE_HANDLERS_SUPPRESSION_H

#include "input.h"
#include "lib/config/config.h"
#include "lib/store/suppressions.h"

/* X(what is logged, why the address is suppressed): causes that suppress for good at once. */
#define SUPPRESSION_CAUSES(X)                                                                      \
	X(HARD_BOUNCE, "hard_bounce")                                                              \
	X(COMPLAINT, "complaint")                                                                  \
	X(UNSUBSCRIBE, "unsubscribe")

#define SUPPRESSION_CAUSE_ENUM(cause, name) CAUSE_##cause,
enum suppression_cause { SUPPRESSION_CAUSES(SUPPRESSION_CAUSE_ENUM) CAUSE_COUNT };

/* Suppresses the address for good and enters the event, with all its data, in the compliance log.
 */
bool suppression_for_good(
	struct state *db, const struct input *in, enum suppression_cause cause, struct error *why);

/* A person's opt-out, of data.list or of all mail: suppresses for good, unless they have wanted mail
 * again since. Logged in any case. */
bool suppression_opt_out(struct state *db, const struct input *in, struct error *why);

/* A person's return, of data.list or of all mail: ends an unsubscription that is not newer, when no
 * other opt-out of theirs stands; soft bounces that it stood before show again. The compliance log
 * says so, and what was lifted. */
bool suppression_lift(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why);

/* Counts a soft bounce; the last one that is allowed within the period suppresses for a period. */
bool suppression_soft_bounce(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why);

/* The address took a message: its soft bounces up to then no longer count. */
bool suppression_delivered(struct state *db, const struct input *in, struct error *why);

#endif
