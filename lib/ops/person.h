/* person - all that is known of an address, from all stores: its events across senders, the paths of its
 * messages, its counters, whether it is suppressed and why, what waits, what has failed. Only reads. */
#ifndef TROTLINE_OPS_PERSON_H
#define TROTLINE_OPS_PERSON_H

#include "history_look.h"
#include "lib/store/journal.h"
#include "lib/store/letters.h"
#include "lib/store/state.h"

/* How long a store is searched at most that has no index of addresses, and rows of each that are told. */
enum { PERSON_SCAN_MS = 250, PERSON_ROWS = 50 };

struct person_query {
	struct journal *journal;
	struct letters *letters;
	struct state *state;          /* or NULL: there is none */
	struct history_view *history; /* or NULL: no_history says why */
	const char *no_history;
	struct history_ask ask; /* about this address; the rest narrows its events */
	uint64_t scan_ms;       /* for what waits, and for letters; 0: PERSON_SCAN_MS */
};

/* {email, address, suppression, consents, score, counters: {NAME: {count, last_at}}, messages (mail_paths.h),
 * events (history_look.h, with status and late), waiting, waiting_complete, dead_letters,
 * dead_letters_complete, complete, cursor, damaged_files, no_history}. OPS_NOT_FOUND: no store knows the
 * address; OPS_WRONG, OPS_TROUBLE with the cause. */
enum ops_found person_page(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why);

/* {message_id, recipients (mail_paths.h), recipients_complete, events, complete, cursor, damaged_files,
 * no_history}: the same of a message, which ask.filter.message names. */
enum ops_found message_page(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why);

#endif
