/* letters - the dead letters on disk (LMDB, in <data_dir>/dlq): one row an event, keyed by its
 * journal and its place there, so that a letter handed over twice is there once.
 *
 * | table   | key            | value                                                  |
 * |---------|----------------|--------------------------------------------------------|
 * | letters | journal, seq   | dead frame, the event in it                            |
 * | dropped | journal, seq   | the same without the event's data, of dropped letters  |
 *
 * The dlq stage puts letters in; the command line, the admin listener and the validator's answers
 * about batches look at them, and replay or drop them. The store is open only while somebody reads
 * or writes: each group and each snapshot opens it anew under a shared lock (dlq/lock), which costs
 * a tenth of a millisecond. So nobody pins an old file, and it can be replaced by a smaller one in
 * a moment when nobody is at it (letters_compact): deleted letters' pages are used again, and one
 * old letter pins a page, not the store.
 *
 * Letters may take up seven eighths of dlq.max_size; the rest is there so that a full store can
 * still be emptied. */
#ifndef TROTLINE_LETTERS_H
#define TROTLINE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "proto/frame.h"
#include "store.h"

struct letters;

enum letters_use {
	LETTERS_KEEP,  /* reads and writes, makes the store */
	LETTERS_WATCH, /* reads only; where there is no store yet, it reads as an empty one */
};

/* NULL with the cause. One per process, opened after any fork. */
struct letters *letters_open(const struct config *cfg, enum letters_use use, struct error *why);
void letters_close(struct letters **l);

/* From the next group on, dlq.max_size is that of another configuration. */
void letters_limit(struct letters *l, const struct config *cfg);

/* One group, one flush: begin, change, commit. After a false nothing of the group is done and the
 * group is over. */
bool letters_begin(struct letters *l, struct error *why);
/* Takes the frame as received, over an older letter about the same event. */
bool letters_put(
	struct letters *l, const struct dead *letter, struct slice frame, struct error *why);
/* Takes the letter away: its event has gone elsewhere. */
bool letters_remove(struct letters *l, struct slice journal, uint64_t seq, struct error *why);
/* Takes the letter away for good, leaving in `dropped` what it was about: so the event does not
 * look like one that was applied. True also when there is none. */
bool letters_drop(
	struct letters *l, struct slice journal, uint64_t seq, uint64_t now_ms, struct error *why);
/* Forgets what was dropped before then. */
bool letters_forget(struct letters *l, uint64_t before_ms, struct error *why);
bool letters_commit(struct letters *l, struct error *why);
void letters_abort(struct letters *l);

/* What the last false was for: STORE_FULL for lack of room, of dlq.max_size or on the disk. */
enum store_rc letters_result(const struct letters *l);

/* A snapshot for reading, not to be kept over a wait. */
bool letters_read_begin(struct letters *l, struct error *why);
void letters_read_end(struct letters *l);

/* Inside it, or inside a group: the letter of an event; it lives until the snapshot's end, the
 * group's next change or the next look-up. */
bool letters_find(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter);

/* The same for a letter that was dropped; failed_at is when it was dropped, and `event` has no data
 * of its own. */
bool letters_find_dropped(
	struct letters *l, struct slice journal, uint64_t seq, struct dead *letter);

/* Where a walk has got to; start with {0}. It holds on from snapshot to snapshot. */
struct letters_place {
	unsigned char key[24];
	bool started;
};

/* Inside a snapshot: the next letter, oldest journal first, in the order of their numbers; false at
 * the end. */
bool letters_next(struct letters *l, struct letters_place *place, struct dead *letter);
/* The same from the end back. */
bool letters_previous(struct letters *l, struct letters_place *place, struct dead *letter);

/* So that letters_next, or letters_next_dropped, begins at this one. */
struct letters_place letters_from(struct slice journal, uint64_t seq);

/* The next of those that were dropped. */
bool letters_next_dropped(struct letters *l, struct letters_place *place, struct dead *letter);

/* Inside it: calls fn for each letter until it returns false. The letter lives as long as the call.
 */
typedef bool letters_visit(void *arg, const struct dead *letter);
void letters_walk(struct letters *l, letters_visit *fn, void *arg);

struct letters_stat {
	uint64_t count, dropped;
	uint64_t used_bytes, limit_bytes;
	uint64_t file_bytes; /* what it takes on the disk */
	uint64_t
		changes; /* groups that its file has taken: fewer than before in another file only */
};
bool letters_stat(struct letters *l, struct letters_stat *st);

/* Rewrites the file without its free pages when they are more than half of it. For the dlq stage,
 * whose loop waits meanwhile, as do others who want to write; readers do not. When somebody is at
 * the store at the end, all stays as it was. A kill leaves the old file or the new one, whole.
 * *saved: bytes given back. */
bool letters_compact(struct letters *l, uint64_t *saved, struct error *why);

#endif
