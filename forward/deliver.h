/* deliver - sends to a destination as much as it may have now, and hands on what it answers. */
#ifndef TROTLINE_FORWARD_DELIVER_H
#define TROTLINE_FORWARD_DELIVER_H

#include <stdint.h>

#include "deliverer.h"
#include "destination.h"
#include "post.h"

/* Sends what may go now. Returns when it is to be called again by the clock (monotonic ms); 0: not by itself. */
uint64_t deliver_pump(struct deliverer *dl, struct destination *d);

/* A request of this destination's was answered. */
void deliver_answered(struct deliverer *dl, struct post *post);

/* An operator's test: an event of the history, or (pos 0) an invented one. */
void deliver_test(struct deliverer *dl, struct destination *d, uint64_t ask, uint64_t pos);

#endif
