/* journal_adopt - a journal whose node is gone is given to another node's: who has it, how far that one has got, and
 * how an event of it enters.
 *
 * | journal       | name in meta       | value                                              |
 * |---------------|--------------------|----------------------------------------------------|
 * | of the folder | adopted            | the id of the journal that has it, and since when  |
 * | here          | adopts-<its id>    | struct journal_adoption                            |
 *
 * The first is written before anything is taken: from then on nobody opens that journal for work. The second
 * is of one commit with what has entered, so whatever is killed, and however often it is run again, each
 * event enters once. The journal of the folder stays as it was. */
#ifndef TROTLINE_JOURNAL_ADOPT_H
#define TROTLINE_JOURNAL_ADOPT_H

#include "journal.h"

/* Whom a journal is given to. */
struct journal_adopter {
	char journal[WIDTH_JOURNAL + 1]; /* "": nobody */
	uint64_t at_ms;
};

/* Inside a snapshot. */
void journal_adopter(struct journal *j, struct journal_adopter *by);

/* Gives j, which is JOURNAL_GIVE, to another journal. STORE_FAILED with the cause when a third one has it. */
enum store_rc journal_give(struct journal *j, struct slice to, struct error *why);

/* Takes that back: nothing was taken yet. */
enum store_rc journal_keep(struct journal *j, struct error *why);

/* Is the journal of this configuration given away? Then *why says to whom. False also when it cannot be read. */
bool journal_is_given(const struct config *cfg, struct error *why);

/* How far this journal has got with another; all zero: it has not begun. */
struct journal_adoption {
	uint64_t version;
	uint64_t began_ms, done_ms;     /* 0: not yet */
	uint64_t seq;                   /* its events up to this one are here */
	uint64_t lettered;              /* 1: `letter` is set */
	unsigned char letter[24];       /* its letters up to this place are here: letters_place */
	uint64_t pos;                   /* its history up to this number is here */
	uint64_t events, letters, kept; /* how many of each have entered */
	uint64_t known;                 /* events that this node had accepted itself */
};

/* Inside journal_begin, or a snapshot. */
void journal_adoption(struct journal *j, struct slice of, struct journal_adoption *out);

/* Inside journal_begin: from the next commit on that is how far it is. */
enum store_rc journal_adoption_put(
	struct journal *j, struct slice of, const struct journal_adoption *a, struct error *why);

/* What enters. */
struct journal_incoming {
	struct slice frame;          /* packed for journal_next, its origin in it */
	struct hash128 hash;         /* under which its id is remembered */
	uint64_t at_ms, received_ms; /* since when it is; when it was accepted */
	unsigned owed;               /* OWED_...: who has not had it, of those that take here */
	const struct journal_try *tries[TAKERS]; /* what each has answered; NULL: nothing */
};

/* Inside journal_begin: was the same id accepted here by itself, within its window of that time? */
bool journal_has_own(struct journal *j, struct hash128 hash, uint64_t at_ms, uint64_t window_ms);

/* Inside journal_begin: appends it as it stood, scheduled or given up, owed to those alone. */
enum store_rc journal_adopt(
	struct journal *j, const struct journal_incoming *in, struct error *why);

/* Inside a snapshot: under which hash an event's id is remembered, and since when. */
bool journal_hash_at(struct journal *j, uint64_t seq, struct hash128 *hash, uint64_t *at_ms);

/* How full the journal is, inside journal_begin: bytes used, and the most. */
void journal_room(const struct journal *j, uint64_t *used, uint64_t *limit);

#endif
