/* ledger - what the retrier believes about each event that has no end yet: one byte an event.
 *
 * Kept in memory only, in chunks that come and go with what is in them, and bounded: the journal is
 * the truth, and the ledger is read from it anew at each start. An event that stands in no chunk is
 * on its first way from the validator, or has its end. */
#ifndef TROTLINE_RETRIER_LEDGER_H
#define TROTLINE_RETRIER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LEDGER_NONE = 0,     /* not known, or ended */
	LEDGER_WAIT = 1,     /* scheduled: has a due time in the journal */
	LEDGER_READY = 0x40, /* + route: to be sent */
	LEDGER_OUT = 0x80,   /* + route: sent, no verdict yet */
	LEDGER_ROUTE = 0x3f, /* the route's bits */
};

struct ledger;

/* At most max_chunks chunks of 4,096 events. NULL when memory is short. */
struct ledger *ledger_new(size_t max_chunks);
void ledger_destroy(struct ledger **l);

uint8_t ledger_get(const struct ledger *l, uint64_t seq);

/* False when there is no room for one more event: try again when others have ended. */
bool ledger_set(struct ledger *l, uint64_t seq, uint8_t state);

/* The lowest seq with exactly this state (not LEDGER_NONE), or 0. */
uint64_t ledger_first(struct ledger *l, uint8_t state);

/* How many events have this state. */
uint64_t ledger_count(const struct ledger *l, uint8_t state);

#endif
