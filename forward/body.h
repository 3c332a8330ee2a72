/* body - an event as a destination gets it: JSON, the same bytes in every attempt. Pure. */
#ifndef TROTLINE_FORWARD_BODY_H
#define TROTLINE_FORWARD_BODY_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"
#include "proto/frame.h"

enum { BODY_ID = 64, BODY_MOST = 256 * 1024 };

/* evt_<journal>_<seq>, of the node that accepted it first (`origin`), for ever the same. Returns out. */
char *body_id(const struct event *ev, char out[BODY_ID]);

/* {"id","type","timestamp","sequence","source","event_id","received","data"}; sequence: pos. Over BODY_MOST bytes it
 * goes without raw and says "raw_left_out": true. Appends to out; false when memory is short. */
bool body_write(const struct event *ev, uint64_t pos, uint64_t data, msgpack_sbuffer *out,
	struct error *why);

/* How often it was handed on already: HOPS_FIELD of its data, which the validator alone writes. 0: never. */
uint64_t body_hops(const struct event *ev);

/* Does the destination want it? By its globs, and `machine`. */
bool body_wanted(const struct config_forward *destination, const struct event *ev);

/* Of the recipient, in lower case; never 0 but without one. For order by recipient. */
uint64_t body_lane(const struct event *ev);

#endif
