/* moving - dead letters leave the store, in groups, each whole: back among the accepted events under
 * their own numbers (replay), or away for good (drop).
 *
 * Which ones is found first, and each group takes those that are still there. In a replay the store
 * of letters stays locked from the look at a letter until its removal is on disk, so an event that
 * dies again meanwhile finds its place free. A kill between the two commits leaves both the event
 * and its letter; replaying that one again changes nothing, for an event that was applied is known
 * as such by its number. */
#ifndef TROTLINE_OPS_MOVING_H
#define TROTLINE_OPS_MOVING_H

#include <czmq.h>

#include "lib/store/journal.h"
#include "selection.h"

enum { MOVING_GROUP = 64 }; /* letters at a time, as long as the dlq stage has to wait */

/* Start with {0} and the stores. */
struct moving {
	struct letters *letters; /* LETTERS_KEEP, but for a look */
	struct journal *journal; /* of a replay: JOURNAL_SETTLE */
	zsock_t *advice;         /* to WIRE_ADVICE, where the retrier hears what is ready; or NULL:
				  * it finds that by itself within a minute */
	/* which letters */
	struct letter_place *places;
	size_t n, at; /* how many; how far it has got */
	size_t room;
	bool short_of_memory;
	/* what came of it */
	uint64_t done;
	uint64_t gone;       /* had no letter any more: somebody else was faster */
	uint64_t unreadable; /* cannot be handled by anybody; the letters stay */
	uint64_t strangers;  /* of other journals, where their numbers mean other events */
	char stranger[WIDTH_JOURNAL + 1]; /* one of those journals */
	uint64_t group[MOVING_GROUP];     /* numbers that the last replay put back */
	size_t group_n;
};

/* Adds the letters that are meant. False with the cause; *complete as in selection_look. */
bool moving_find(struct moving *m, const struct selection *s, bool *complete, struct error *why);

/* Counts the letters of other journals and takes them from the list. */
void moving_part_from_strangers(struct moving *m);

/* Moves the next `most` letters, at most MOVING_GROUP. False with the cause when the journal or the
 * store is in trouble or full: what is counted is done, the rest is as it was. */
bool moving_replay(struct moving *m, size_t most, struct error *why);
bool moving_drop(struct moving *m, size_t most, struct error *why);

/* Frees the list; the stores stay open. */
void moving_clear(struct moving *m);

#endif
