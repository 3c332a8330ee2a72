/* fsck_private - what the files of fsck share; nobody else includes it. */
#ifndef TROTLINE_FSCK_PRIVATE_H
#define TROTLINE_FSCK_PRIVATE_H

#include "fsck.h"
#include "journal_private.h"
#include "letters.h"

/* What is kept of a finding until it is mended or looked at again. */
struct fsck_suspect {
	enum fsck_kind kind;
	uint64_t seq, due_ms;
};

struct fsck {
	const struct config *cfg;
	const struct fsck_calls *calls;
	struct fsck_sum *sum;
	struct journal *journal;
	struct letters *letters;
	struct fsck_suspect *list; /* in the order of finding */
	size_t count, room;
	uint64_t first_seen, last_seen; /* numbers in the seen log */
	enum taker taker;               /* whose tables are walked over */
	msgpack_zone zone;
};

/* At most so many of what must be looked at twice, or can be mended, in one run. */
enum { FSCK_SUSPECTS_MAX = 1 << 20 };

/* Tells and counts a finding, and keeps it when it can be mended. */
__attribute__((format(printf, 5, 6))) void fsck_find(
	struct fsck *f, enum fsck_kind kind, uint64_t seq, uint64_t due_ms, const char *fmt, ...);

/* Keeps it without telling: fsck_settle looks again. */
void fsck_suspect(struct fsck *f, enum fsck_kind kind, uint64_t seq);

void fsck_progress(const struct fsck *f, const char *store, uint64_t done, uint64_t total);

/* Inside a snapshot of the journal, which each begins and ends itself. False with the cause. */
bool fsck_events(struct fsck *f, struct error *why);
bool fsck_seen(struct fsck *f, struct error *why);

/* The other stores, against a snapshot of the journal. */
bool fsck_letters(struct fsck *f, struct error *why);
bool fsck_state(struct fsck *f, struct error *why);

/* What is unread, which knows no other store. */
bool fsck_unread(struct fsck *f, struct error *why);

/* The history's files, each against itself. */
bool fsck_history(struct fsck *f, struct error *why);

/* What destinations are owed, against itself. */
bool fsck_forward(struct fsck *f, struct error *why);

/* Second look at a suspect: is it so still? */
bool fsck_still(struct fsck *f, const struct fsck_suspect *s);

/* Mends all that was kept. */
bool fsck_mend(struct fsck *f, struct error *why);

#endif
