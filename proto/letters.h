/* letters - the dead letters on disk (LMDB, in <data_dir>/dlq): one row an event, keyed by its
 * journal and its place there, so that a letter handed over twice is there once.
 *
 * The dlq stage puts letters in; the command line, the admin listener and the validator's answers
 * about batches look at them, and replay or drop them. Deleted letters' pages are used again: one
 * old letter pins a page, not the store. */
#ifndef TROTLINE_LETTERS_H
#define TROTLINE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"
#include "frame.h"

struct letters;

enum letters_use {
	LETTERS_KEEP,  /* reads and writes, makes the store */
	LETTERS_WATCH, /* reads only; NULL from letters_open when there is no store yet */
};

/* NULL with the cause. One per process, opened after any fork. */
struct letters *letters_open(const struct config *cfg, enum letters_use use, struct error *why);
void letters_close(struct letters **l);

/* One group, one flush: begin, put or remove each, commit. After a false nothing of the group is
 * done and the group is over. letters_put takes the frame as received; a letter that is there
 * already stays as it is. */
bool letters_begin(struct letters *l, struct error *why);
bool letters_put(
	struct letters *l, const struct dead *letter, struct slice frame, struct error *why);
bool letters_remove(struct letters *l, struct slice journal, uint64_t seq, struct error *why);
bool letters_commit(struct letters *l, struct error *why);
void letters_abort(struct letters *l);

/* A snapshot for reading, not to be kept over a wait. */
bool letters_read_begin(struct letters *l, struct error *why);
void letters_read_end(struct letters *l);

/* Inside it: the letter of an event; it lives until letters_read_end or the next look-up. */
bool letters_find(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter);

/* Inside it: calls fn for each letter, oldest journal first, in the order of their numbers, until
 * it returns false. The letter lives as long as the call. */
typedef bool letters_visit(void *arg, const struct dead *letter);
void letters_walk(struct letters *l, letters_visit *fn, void *arg);

struct letters_stat {
	uint64_t count, used_bytes, limit_bytes;
};
bool letters_stat(struct letters *l, struct letters_stat *st);

#endif
