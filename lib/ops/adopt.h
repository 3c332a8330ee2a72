/* adopt - a node is gone, and its data_dir is here: what it had not done with becomes this node's.
 *
 * | of the folder                        | becomes here                                              |
 * |--------------------------------------|-----------------------------------------------------------|
 * | events without an end                | events as they stood: their tries, due times, those that  |
 * |                                      | they are owed to                                          |
 * | dead letters                         | the same                                                  |
 * | history and forward.db: what a       | events that are owed to the history alone, for those      |
 * | destination of that name has not had | destinations alone                                        |
 * | dead letters of destinations         | the same                                                  |
 * | what is unread                       | the same                                                  |
 *
 * All but the last two enter this node's journal, each in one commit with how far the work is
 * (journal_adopt.h), and keep the identity under which they were accepted (proto/origin.h). The others are known
 * again by what they are. So a kill costs nothing, and a second time changes nothing. Of the folder nothing is
 * removed; it is marked, so that no pipeline starts there again.
 *
 * What stays there: what had ended, state.db, quarantine, and ids remembered for deduplication. */
#ifndef TROTLINE_OPS_ADOPT_H
#define TROTLINE_OPS_ADOPT_H

#include <czmq.h>

#include "lib/config/config.h"
#include "lib/store/journal.h"

#define ADOPT_COUNTS(X)                                                                            \
	X(open, "events without an end")                                                           \
	X(scheduled, "of these, waiting for their next try")                                       \
	X(letters, "dead letters")                                                                 \
	X(owed, "events that a destination has not had")                                           \
	X(destination_letters, "dead letters of destinations")                                     \
	X(unread, "unread")                                                                        \
	X(known, "events that this node had accepted itself: left there")                          \
	X(unreadable, "events that cannot be read: dead letters here")                             \
	X(nobody, "events that nobody takes here: left there")                                     \
	X(missed, "numbers of the history that are gone or cannot be read")                        \
	X(later, "destinations that this node has not begun with: their dead letters wait")        \
	X(strangers, "destinations that this node does not have")

#define ADOPT_MEMBER(name, what) uint64_t name;
struct adopt_sum {
	ADOPT_COUNTS(ADOPT_MEMBER)
	char journal[WIDTH_JOURNAL + 1]; /* of the folder */
	bool again;                      /* it had been adopted here before, whole */
};

struct adopt_calls {
	bool running; /* this node's pipeline does: it makes room in the journal */
	void *arg;
	/* Does no process work on that data_dir? False with the cause. */
	bool (*nothing_runs)(void *arg, const struct config *from, struct error *why);
	/* So many of so many of a kind (total 0: not known); often. */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total);
	/* This node's journal has no room just now: called again and again. */
	void (*waits)(void *arg);
	bool (*stop)(void *arg); /* true: enough for now */
};

struct adopt;

/* The calls outlive it. here: this node's journal, JOURNAL_ACCEPT; for a look alone JOURNAL_WATCH. NULL with the cause: there is none in
 * the folder, it is this node's own, a pipeline runs there, or another node has adopted it. */
struct adopt *adopt_open(const struct config *cfg, const char *folder, struct journal *here,
	const struct adopt_calls *calls, bool look, struct error *why);
void adopt_close(struct adopt **a);

/* advice: as in moving.h. False with the cause: what is counted is done, and a second time goes on from there. With
 * `look` all is counted and nothing done. */
bool adopt_run(struct adopt *a, zsock_t *advice, struct adopt_sum *sum, struct error *why);

#endif
