/* selection - which dead letters an operator means, and a look at each of them.
 *
 * A store may hold a million, and whoever looks may be slow or have little time, so letters are
 * looked at in pieces, each in a snapshot of its own: one that comes meanwhile may be seen or not. */
#ifndef TROTLINE_OPS_SELECTION_H
#define TROTLINE_OPS_SELECTION_H

#include "letter_view.h"
#include "lib/store/letters.h"

/* Which letters are meant; what is NULL or 0 does not narrow. */
struct letter_filter {
	const char *type; /* * and ? match, as in fnmatch(3) */
	const char *source;
	const char *reason;          /* a part of it, in any case */
	uint64_t since_ms, until_ms; /* failed_at, from .. to before */
	const char *const *ids;      /* letters' names or senders' event ids: any of them */
	size_t ids_count;
	struct slice journal; /* of this one only, or absent */
	struct slice email;   /* about this address, in lower case, or absent */
};

bool letter_matches(const struct letter *letter, const struct letter_filter *filter);

struct selection {
	struct letter_filter filter;
	bool newest_first; /* from the highest number back; otherwise in their order */
	uint64_t limit;    /* so many at most; 0: all */
	uint64_t until_ms; /* CLOCK_MONOTONIC: no look goes on beyond it; 0: as long as it takes */
};

/* Calls fn for each letter that is meant, until it returns false. The letter and the zone live as
 * long as the call. False with the cause.
 *
 * look: fn is called inside a snapshot and must be quick. *complete: all have been looked at.
 * each: fn may be slow; the letters are copies. */
typedef bool letter_visit(void *arg, const struct letter *letter, msgpack_zone *zone);
bool selection_look(struct letters *letters, const struct selection *s, letter_visit *fn, void *arg,
	bool *complete, struct error *why);
bool selection_each(struct letters *letters, const struct selection *s, letter_visit *fn, void *arg,
	struct error *why);

#endif
