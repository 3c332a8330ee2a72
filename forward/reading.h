/* reading - takes events up from the history for a destination, in order, and makes items of them: a little
 * ahead of what is sent, bounded in events and bytes.
 *
 * State: the number to read next, the items ahead, and the batch that is being filled. A kill costs nothing:
 * what is ahead has not been taken up (see lib/store/forward.h). */
#ifndef TROTLINE_FORWARD_READING_H
#define TROTLINE_FORWARD_READING_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "item.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "lib/store/history.h"

enum { AHEAD_ITEMS = 128, AHEAD_BYTES = 1 << 20, BATCH_BYTES = 4 << 20, READ_US = 10000 };

struct reading {
	const struct config_forward *cfg;
	struct destination *to;
	uint64_t job; /* of a replay; 0: what comes */
	bool new_ids; /* its ids are its own */
	struct history_query *query;
	uint64_t pos;       /* the number to be read next */
	uint64_t end;       /* before which it ends; 0: never */
	bool at_end;        /* there was nothing more: nothing is read until it is false again */
	uint64_t missed;    /* numbers that were gone; whoever counts them takes them */
	uint64_t again_ms;  /* monotonic: it could not be read, and is not before */
	uint64_t broken_ms; /* the same: since when a file of the history cannot be read */
	struct items ahead;
	struct { /* a batch under way */
		msgpack_sbuffer body;
		size_t n;
		uint64_t first, last, began_ms, hops;
	} batch;
};

/* filter NULL: all. False with the cause. */
bool reading_open(struct reading *r, struct history_view *view, const struct history_filter *filter,
	struct error *why);
void reading_close(struct reading *r);

/* Reads on where there is room. False with the cause; then nothing is passed over, and nothing read for a second. */
bool reading_fill(struct reading *r, struct history_view *view, uint64_t now_ms, struct error *why);

/* The number below which nothing is ahead any more: what to keep as taken up. */
uint64_t reading_taken(const struct reading *r);

/* When it is to be filled again although nothing has come since (monotonic): there is more of what is not wanted, or
 * it could not be read; 0: not so. */
uint64_t reading_goes_on_ms(const struct reading *r, uint64_t now_ms);

/* When the batch under way is to go although it is not full; 0: there is none. */
uint64_t reading_wakes_ms(const struct reading *r);

/* What is owed, once more: the same bytes. NULL with the cause, or *gone: the history has let go of it, which is
 * added to r->missed, or the destination wants it no longer. */
struct item *reading_again(struct reading *r, struct history_view *view,
	const struct forward_owed *owed, bool new_ids, bool *gone, struct error *why);

#endif
