/* parcel - a bundle of event frames that knows which events are in it: it goes as one message, or
 * gives them back. */
#ifndef TROTLINE_STAGE_PARCEL_H
#define TROTLINE_STAGE_PARCEL_H

#include <czmq.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"

enum { PARCEL_EVENTS = 128 };

struct parcel {
	size_t events_most, bytes_most;
	unsigned to; /* its address, or 0 */
	size_t n;    /* events in it */
	uint64_t seqs[PARCEL_EVENTS];
	msgpack_sbuffer bundle;
};

/* It is full with so many events, at most PARCEL_EVENTS, or so many bytes and what the last frame
 * has beyond them. to: the bundle's address, or 0. */
void parcel_init(struct parcel *p, unsigned to, size_t events_most, size_t bytes_most);
void parcel_destroy(struct parcel *p);

/* Adds a copy of an event's frame to one that is not full. True: it is full now, and must go. */
bool parcel_add(struct parcel *p, uint64_t seq, struct slice frame);

/* Takes the events that no one has room for; seqs lives until it returns. */
typedef void parcel_back(void *arg, const uint64_t *seqs, size_t n);

/* Sends it without waiting, or gives its events back when nobody has room. Either way it is empty
 * then; nothing is done to one that was. How many events went. */
size_t parcel_go(struct parcel *p, zsock_t *to, parcel_back *back, void *arg);

#endif
