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
	X(READ_ONLY, "read-only",                                                                                          \
		"mount its disk for writing, or mend its permissions; a server: is it a standby?")                         \
	X(REFUSED, "not accessible", "mend the owner and the permissions of its files")                                    \
	X(AWAY, "away", "its server cannot be reached: is it up, and the way to it open?")                                 \
	X(DENIED, "denied",                                                                                                \
		"its server refuses us: user, password, rights (of PostgreSQL: pg_hba.conf too)")                          \
	X(UNFIT, "unfit", "another server, or another setting of it; the log tells what")                                  \
	X(EVICTING, "evicting", "set its maxmemory-policy to noeviction")                                                  \
	X(TWIN, "another node's", "two nodes have one node.number: give one of them another")                              \
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
/* Why requests of a source are refused for its sender's cause. X(name, word, what to do) */
#define REFUSAL_CAUSES(X)                                                                                                                   \
	X(SIGNATURE, "signature",                                                                                                           \
		"its key is not the sender's, or strangers post: compare the source's secrets with the provider's, then `trotline reload`") \
	X(STALE, "stale",                                                                                                                   \
		"signed or dated too long ago: the sender comes late, or the clock of this machine is ahead")                               \
	X(CLOCK, "clock wrong",                                                                                                             \
		"signed or dated in the future: the clock of this machine is behind, or the sender's is ahead")                             \
	X(FORMAT, "format changed",                                                                                                         \
		"what comes can not be read: has the sender changed its webhooks?")                                                         \
	X(LARGE, "too large", "over limits.event_size, batch_size or batch_events")                                                         \
	X(POLICY, "not allowed",                                                                                                            \
		"rightly signed, but not for this source: its topics, its subscription")                                                    \
	X(LOOP, "in a circle",                                                                                                              \
		"handed on by more than 3 Trotlines: a destination of this one leads to another that leads back here")                      \
	X(REPLAYED, "replayed",                                                                                                             \
		"its proofs have come before with other events: somebody sends them again")

#define REFUSAL_CAUSE_ENUM(name, word, advice) REFUSAL_CAUSE_##name,
enum refusal_word { REFUSAL_CAUSE_NONE, REFUSAL_CAUSES(REFUSAL_CAUSE_ENUM) REFUSAL_CAUSES_COUNT };

/* Why requests are refused for a fault of ours: X(name, word) */
#define UNABLE_CAUSES(X)                                                                           \
	X(STORE, "a store that cannot be used, or is full")                                        \
	X(LATE, "no verdict in time")                                                              \
	X(PLACES, "all of limits.connections under way")                                           \
	X(CONNECTIONS, "out of connections")                                                       \
	X(SHARE, "a source that has half of all places")                                           \
	X(MEMORY, "limits.memory used up")                                                         \
	X(QUARANTINE, "a quarantine that takes no more")                                           \
	X(PROOF, "a certificate that is not to be had")                                            \
	X(BUSY, "another node that is storing the same event")                                     \
	X(AWAY, "redis away, and redis.when_away: refuse")

#define UNABLE_ENUM(name, word) UNABLE_##name,
enum unable { UNABLE_CAUSES(UNABLE_ENUM) UNABLE_COUNT };
extern const char *const unable_words[UNABLE_COUNT];

/* By enum store_cause; CAUSE_NONE has the word "". */
extern const struct cause_row cause_table[CAUSES_COUNT];
/* By enum refusal_word; likewise. */
extern const struct cause_row refusal_causes[REFUSAL_CAUSES_COUNT];

#endif
