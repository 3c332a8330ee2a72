/* event_places - where an event stands, by what somebody calls it:
 *
 * | what                                  | where it is looked for                              |
 * |---------------------------------------|-----------------------------------------------------|
 * | its name, JOURNAL-NUMBER, or evt_JOURNAL_NUMBER | nowhere: it says so itself                |
 * | what makes it unique (`dedup_key` of `trotline verify`; a native event's id) | the seen log |
 * | the sender's id, as log, tap and state.db have it | what waits, letters, the events done last |
 * | its number                            | nowhere, in the present journal                     |
 * | the sender's id, of one long ago      | the state database, for as long as it knows it      |
 *
 * The first that finds any is the last that looks. Only reads. */
#ifndef TROTLINE_EVENT_PLACES_H
#define TROTLINE_EVENT_PLACES_H

#include "event_query.h"
#include "letter_view.h"

enum { EVENT_PLACES_MAX = 20 };

struct event_place {
	struct letter_place at;
	const char *source; /* that of the configuration in which it was found, or NULL */
};

/* The present journal's first, then the greater number. */
struct event_places {
	struct event_place list[EVENT_PLACES_MAX];
	size_t n;
	bool whole; /* all that is remembered was looked through */
};

/* False with the cause. */
bool event_places_find(const struct event_query *q, struct slice id, struct event_places *places,
	struct error *why);

#endif
