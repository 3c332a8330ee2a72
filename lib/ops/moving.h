/* replay - dead letters go back among the accepted events, under their own numbers.
 *
 * In: numbers of letters of this journal. Out: events in the journal without any try, the letters
 * gone. The store of letters stays locked from the look at a letter until its removal is on disk,
 * so an event that dies again meanwhile finds its place free. A kill between the two commits leaves
 * both the event and its letter; replaying that one again changes nothing, for an event that was
 * applied is known as such by its number. */
#ifndef TROTLINE_REPLAY_H
#define TROTLINE_REPLAY_H

#include <czmq.h>

#include "lib/store/journal.h"
#include "lib/store/letters.h"

enum { REPLAY_GROUP = 64 }; /* letters at a time, as long as the dlq stage has to wait */

struct replay {
	struct letters *letters; /* LETTERS_KEEP */
	struct journal *journal; /* JOURNAL_SETTLE */
	uint64_t done;           /* put back so far */
	uint64_t gone;           /* had no letter any more: somebody else was faster */
	uint64_t unreadable;     /* cannot be handled by anybody; the letters stay */
};

/* Puts up to REPLAY_GROUP letters back and adds to the counts; *n_back receives how many went back
 * and seqs[0..*n_back) which. False with the cause when the journal or the store is in trouble or
 * full: what is counted is done, the rest is as it was. */
bool replay_group(struct replay *r, uint64_t *seqs, size_t n, size_t *n_back, struct error *why);

/* Tells the retrier that these are ready, over a socket to WIRE_ADVICE. When it does not hear, it
 * finds them by itself within a minute. */
bool replay_tell(zsock_t *advice, struct slice journal, const uint64_t *seqs, size_t n);

#endif
