/* gathering - the group of events in hand: copied out of their messages, appended together, and answered
 * together. */
#ifndef TROTLINE_HISTORY_GATHERING_H
#define TROTLINE_HISTORY_GATHERING_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/store/history.h"
#include "proto/frame.h"

enum { GATHERING_EVENTS = 1024, GATHERING_BYTES = 4 << 20 };

struct gathering {
	msgpack_zone zone;
	size_t n, bytes;
	struct event events[GATHERING_EVENTS];
	struct history_event rows[GATHERING_EVENTS];
};

/* NULL when memory is short. */
struct gathering *gathering_new(void);
void gathering_destroy(struct gathering **in);

/* Is there room for one more? */
bool gathering_open(const struct gathering *in);

/* Takes a copy of an event's frame; raw: with the provider's own object, else without it. False with
 * the cause. */
bool gathering_add(struct gathering *in, struct slice frame, bool raw, struct error *why);

/* The numbers of all that are of the same journal as the one at `first`, unless one before it is: then 0.
 * So each journal's are told once. */
size_t gathering_seqs(const struct gathering *in, size_t first, uint64_t *seqs);

void gathering_clear(struct gathering *in);

#endif
