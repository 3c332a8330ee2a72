/* suppressions - which addresses must not be written to, and the log that proves why, as rows of
 * the state database.
 *
 * Handlers change them for what senders report, an operator by hand; how two suppressions of one
 * address come together, and what is logged of it, is decided here for both. All calls stand inside
 * a transaction of the caller's (state_begin). Addresses are in lower case. Times are ms since
 * 1970. */
#ifndef TROTLINE_STORE_SUPPRESSIONS_H
#define TROTLINE_STORE_SUPPRESSIONS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "state.h"

#define SUPPRESSED_FOR_GOOD INT64_MAX

/* ms; from `since` until before `until`. */
struct suppression {
	int64_t since, until;
};

/* Joins a new suppression to the one there is: the one that lasts longer stays, so that a permanent
 * one is never weakened; two temporary ones that overlap become one. False: nothing changes. */
bool suppression_join(const struct suppression *now, struct suppression *next);

/* Joins it to the address's row. Of two that last as long, an unsubscription gives way: a person may
 * take that back (and `consents` remembers it), a bounce or a complaint not. reason: a word;
 * event_id: of the event it comes from. *changed: the row is another one now. False with the cause. */
bool suppression_extend(struct state *db, struct slice email, struct slice reason,
	struct suppression next, struct slice event_id, bool *changed, struct error *why);

/* A person's own word about mail: of a list, or of all where the list is absent. It counts unless a
 * younger one of theirs stands against it; then *counts is false and nothing changes. */
struct consent {
	struct slice email, list;
	bool wanted;
	int64_t at;
	struct slice source, event_id;
};
bool consent_tell(struct state *db, const struct consent *word, bool *counts, struct error *why);

/* After a word of return: ends the suppression by unsubscription when no opt-out stands any more, and
 * logs by what (`lifted`); see SQL_SUPPRESSION_LIFT. */
bool consent_lift(struct state *db, const struct consent *word, struct error *why);

/* Soft bounces up to this time no longer count: older than the period before the newest one, or not
 * newer than the last delivery. */
int64_t soft_bounce_floor(int64_t newest, int64_t period_ms, int64_t delivered_at);

/* Soft bounces of the address up to that time no longer count. */
bool soft_bounces_forget(struct state *db, struct slice email, int64_t up_to, struct error *why);

/* What happened to an address's permission, for whoever must prove it. */
struct compliance {
	struct slice email;
	const char *what; /* a word: "unsubscribe", "operator_lifted" */
	int64_t at;
	struct slice source, event_id;
	const msgpack_object *detail; /* becomes JSON text */
};
bool compliance_log(struct state *db, const struct compliance *entry, struct error *why);

#endif
