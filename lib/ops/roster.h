/* roster - what an operator sees and changes of the suppressions: the addresses that must not be
 * written to.
 *
 * In: addresses as people write them. Out: rows of `suppressions`, and for each change a row of
 * `compliance_log` in the same transaction. State: none. A kill here leaves both or neither. */
#ifndef TROTLINE_OPS_ROSTER_H
#define TROTLINE_OPS_ROSTER_H

#include <msgpack.h>

#include "found.h"
#include "lib/base/address.h"
#include "lib/store/suppressions.h"

/* What ended an address's suppression last: an event, or an operator's command. */
struct roster_lift {
	int64_t at; /* ms; 0: nothing has */
	bool by_operator;
	struct slice source, event_id; /* of the event */
	char texts[64 + 1024];
};

/* One suppression; its texts live as long as the call that gives it, or, from roster_find, as the
 * roster_entry does. */
struct roster_row {
	struct slice email, reason, event_id;
	struct suppression span;        /* ms */
	const struct roster_lift *lift; /* roster_find: of one that is not active; or NULL */
};

struct roster_entry {
	struct roster_row row;
	char texts[ADDRESS_MAX + 256 + 1024]; /* what `row` points to */
	struct roster_lift lift;
};

/* The suppression of an address, in whatever case and dress it is written; also one that is over by now_ms:
 * then `active` is false. OPS_TROUBLE when it is no address, or the database is in trouble. */
enum ops_found roster_find(struct state *db, struct slice address, int64_t now_ms,
	struct roster_entry *entry, bool *active, struct error *why);

/* Calls fn for each suppression that is not over by now_ms, in the order of the addresses, until it
 * returns false. reason: only those with this one, or absent. Reads in pieces, so fn may be slow.
 */
typedef bool roster_visit(void *arg, const struct roster_row *row);
bool roster_list(struct state *db, struct slice reason, int64_t now_ms, roster_visit *fn, void *arg,
	struct error *why);

/* {email, suppressed, reason, since, until, event_id}, in the zone: of a row, or of an address that
 * has none. */
msgpack_object roster_object(
	const struct roster_row *row, const char *asked, bool active, msgpack_zone *zone);

/* Who changes what, for the log. */
struct roster_change {
	struct slice address;
	struct slice reason; /* of the suppression, or why it is taken away */
	int64_t until;       /* SUPPRESSED_FOR_GOOD, or ms */
	int64_t now_ms;
	const char *who;
};

enum roster_result {
	ROSTER_CHANGED,
	ROSTER_OPTED_OUT, /* taken away, but the person has opted out too: still suppressed */
	ROSTER_AS_IT_WAS,
	ROSTER_FAILED
};

/* Suppresses the address. AS_IT_WAS: the one that there is lasts longer, or as long. */
enum roster_result roster_add(struct state *db, const struct roster_change *c, struct error *why);

/* Takes the suppression away, and with it the soft bounces so far, which would bring it back.
 * OPTED_OUT: it was another's, and the person's opt-out behind it shows now; once more takes that back
 * too. AS_IT_WAS: there was none. */
enum roster_result roster_remove(
	struct state *db, const struct roster_change *c, struct error *why);

#endif
