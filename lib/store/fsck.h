/* fsck - does every event stand in a row of the state table, and do all stores agree about it?
 *
 * Reads the journal (one snapshot), the dedup index, the dead letters and the state database, while
 * the pipeline runs or not: what another store contradicts counts only when a second look says so
 * too. Mends on demand what loses nothing; every mend looks again inside its own transaction. */
#ifndef TROTLINE_FSCK_H
#define TROTLINE_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

/* X(id, name, is a fault, how it is mended or NULL, what it means) */
#define FSCK_KINDS(X)                                                                                \
	X(EVENT_BAD, "unreadable-event", true, NULL,                                                 \
		"the event's bytes are damaged; the retrier will make a dead letter of it")          \
	X(EVENT_UNSEEN, "event-not-remembered", true, "remembered again",                            \
		"a duplicate of the event would be taken as new, or its number given out twice")     \
	X(TRY_ORPHAN, "try-without-event", true, "removed",                                          \
		"left over from an event that has ended; it does no harm but takes room")            \
	X(TRY_BAD, "unreadable-try", true, "removed; the event is tried again from the start",       \
		"nobody can tell when the event is to be tried again")                               \
	X(TRY_BOTH, "given-up-but-scheduled", true, "no longer scheduled",                           \
		"an event that is given up must not be tried again")                                 \
	X(DUE_MISSING, "never-due", true, "scheduled again",                                         \
		"the event waits for a time that never comes: it would stay for ever")               \
	X(DUE_ORPHAN, "due-without-event", true, "removed",                                          \
		"a time at which nothing is to be done; the retrier would stumble over it")          \
	X(SETTLED_ORPHAN, "settled-without-event", true, "removed",                                  \
		"left over from an event that has ended; its number will not come again")            \
	X(SETTLED_BY_ALL, "settled-but-kept", true, "removed",                                       \
		"nobody waits for the event any more; it only takes room")                           \
	X(SEEN_BAD, "unreadable-memory", true, NULL,                                                 \
		"a row of the seen log is damaged: a duplicate of that event would be taken")        \
	X(SEEN_HOLE, "forgotten-too-early", true, NULL,                                              \
		"numbers are missing in the seen log: duplicates of those events would be taken")    \
	X(INDEX_ABSENT, "no-index", false, NULL,                                                     \
		"the dedup index is not there or from before a reboot; the validator builds it")     \
	X(INDEX_MISSES, "not-in-index", true, "index removed; the validator builds it anew",         \
		"a duplicate of the event would be taken as new")                                    \
	X(BATCH_BAD, "unreadable-batch", true, NULL,                                                 \
		"nobody can ask what became of the batch; its events are not affected")              \
	X(LETTER_BAD, "unreadable-letter", true, NULL,                                               \
		"a dead letter's bytes are damaged; the lists pass it over")                         \
	X(UNREAD_BAD, "damaged-unread-part", true, NULL,                                             \
		"something that is kept unread is damaged; the lists pass it over")                  \
	X(LETTER_LIVE, "letter-of-a-live-event", true, "letter removed; the event stays",            \
		"a replay was cut in the middle: the event is back in the journal")                  \
	X(LETTER_APPLIED, "letter-of-an-applied-event", false, NULL,                                 \
		"its effects are in the state database: a replay changes nothing, drop it")          \
	X(HISTORY_BAD, "history-damaged", true, NULL,                                                \
		"a file of the history is not as it should be: looks give what is in the others; "   \
		"put it back from a backup, or leave it: it goes with its time")                     \
	X(FORWARD_BAD, "forward-damaged", true, NULL,                                                \
		"what destinations have had and are owed is not as it should be: put forward.db "    \
		"back from a backup, which sends again what was answered since, or dump what can "   \
		"be read")                                                                           \
	X(STATE_DAMAGED, "state-database-damaged", true, NULL,                                       \
		"it finds itself damaged: restore it, or dump what can be read")                     \
	X(STATE_AWAY, "state-database-away", true, NULL,                                             \
		"it could not be asked which events are in it: `trotline check --online` tells why") \
	X(STATE_AHEAD, "state-database-ahead", true, NULL,                                           \
		"it knows events that this journal has not given out yet: "                          \
		"the journal is an older copy; "                                                     \
		"what had been accepted since is not in it, and is taken as new when sent again")    \
	X(LOST, "effects-lost", true, NULL,                                                          \
		"it came before the state database was removed or replaced, and what there is now "  \
		"does not know it: put a newer copy back, or have its effects made again")           \
	X(UNAPPLIED, "ended-but-not-applied", false, NULL,                                           \
		"neither applied nor a dead letter: "                                                \
		"right for handlers of your own that write elsewhere, otherwise a lost event")

#define FSCK_ENUM(id, name, fault, mend, meaning) FSCK_##id,
enum fsck_kind { FSCK_KINDS(FSCK_ENUM) FSCK_KIND_COUNT };

struct fsck_row {
	const char *name;
	bool fault; /* false: worth knowing */
	const char *mend;
	const char *meaning;
};
extern const struct fsck_row fsck_table[FSCK_KIND_COUNT];

struct fsck_finding {
	enum fsck_kind kind;
	uint64_t
		seq; /* the event's, the batch's number; 0: none; a delivery's has its taker on top */
	uint64_t due_ms;  /* of DUE_ORPHAN and DUE_MISSING */
	char detail[160]; /* more about it, or "" */
};

struct fsck_calls {
	void *arg;
	void (*finding)(void *arg, const struct fsck_finding *f);
	/* So many of so many rows of a store (total 0: not known); often. */
	void (*progress)(void *arg, const char *store, uint64_t done, uint64_t total);
};

struct fsck_sum {
	/* Events by the state table, for their handler (settled: history alone waits for them); and what
	 * is remembered of them. */
	uint64_t accepted, scheduled, given_up, settled, remembered, batches, letters, applied,
		unread;
	uint64_t found[FSCK_KIND_COUNT], mended[FSCK_KIND_COUNT];
};

/* Looks, and mends when told so. False with the cause when it could not look to the end. */
bool fsck_run(const struct config *cfg, bool repair, const struct fsck_calls *calls,
	struct fsck_sum *sum, struct error *why);

/* Faults that are left. */
uint64_t fsck_left(const struct fsck_sum *sum);

#endif
