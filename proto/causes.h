/* causes - why a store cannot be used or relied on: one word each, which log, figures, health and the
 * state of a store share, and what an operator does. */
#ifndef TROTLINE_CAUSES_H
#define TROTLINE_CAUSES_H

/* X(name, word, what to do). The first ones are found again and again while they last; from REMOVED on
 * they happen once, and what is open is then opened anew; the last two are found at a start. */
#define STORE_CAUSES(X)                                                                                                    \
	X(TROUBLE, "in trouble", "its log tells more")                                                                     \
	X(LOCKED, "locked",                                                                                                \
		"another program holds it, such as a transaction in a sqlite3 shell: end that")                            \
	X(MALFORMED, "malformed",                                                                                          \
		"`trotline fsck` tells what is damaged: `trotline drain`, then put it back from a backup or move it away") \
	X(FULL, "full", "make room on its disk, or raise its limit")                                                       \
	X(IO, "I/O error", "its disk fails: the kernel's log tells more")                                                  \
	X(READ_ONLY, "read-only", "mount its disk for writing, or mend its permissions")                                   \
	X(REFUSED, "not accessible", "mend the owner and the permissions of its files")                                    \
	X(REMOVED, "removed", "`trotline fsck` tells what has gone with it")                                               \
	X(REPLACED, "replaced", "`trotline fsck` tells what has gone with it")                                             \
	X(CUT, "cut short", "`trotline fsck` tells what is left")                                                          \
	X(BEHIND, "behind the journal",                                                                                    \
		"an older copy, or a new one, stands there: `trotline fsck` tells what has gone")                          \
	X(AHEAD, "ahead of the journal",                                                                                   \
		"an older copy of the journal was put back: what waited in the newer one is gone")

#define STORE_CAUSE_ENUM(name, word, advice) CAUSE_##name,
enum store_cause { CAUSE_NONE, STORE_CAUSES(STORE_CAUSE_ENUM) CAUSES_COUNT };

struct cause_row {
	const char *word, *advice;
};
/* By enum store_cause; CAUSE_NONE has the word "". */
extern const struct cause_row cause_table[CAUSES_COUNT];

#endif
