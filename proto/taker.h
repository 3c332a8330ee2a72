/* taker - those that an event is owed to: the handler of its type, and history. Each has its own
 * tries, due times, lease and dead letter.
 *
 * A delivery is an event as it is owed to one of them, and is named by one number: the event's place
 * in the journal, with the taker in the two bits on top. The handler's is the place itself. */
#ifndef TROTLINE_TAKER_H
#define TROTLINE_TAKER_H

#include <stdint.h>

enum taker { TAKER_HANDLER, TAKER_HISTORY, TAKERS };

/* Sets of them: the bits 1 << taker. */
enum { OWED_HANDLER = 1 << TAKER_HANDLER, OWED_HISTORY = 1 << TAKER_HISTORY };

enum { TAKER_SHIFT = 62 };

/* What history is called in verdicts, sockets and letters; no handler may be. */
#define HISTORY_NAME "history"

static inline uint64_t
delivery_of(uint64_t seq, enum taker taker)
{
	return seq | (uint64_t)taker << TAKER_SHIFT;
}

static inline uint64_t
delivery_seq(uint64_t delivery)
{
	return delivery & (((uint64_t)1 << TAKER_SHIFT) - 1);
}

/* Of a number from elsewhere it may be none: compare with TAKERS. */
static inline unsigned
delivery_taker(uint64_t delivery)
{
	return (unsigned)(delivery >> TAKER_SHIFT);
}

#endif
