/* refused - the tap's feed of what was refused, for whoever connects a sender: at which step it failed,
 * and what was expected there. Ingress and the validator have one each. */
#ifndef TROTLINE_STAGE_REFUSED_H
#define TROTLINE_STAGE_REFUSED_H

#include <msgpack.h>

#include "proto/frame.h"
#include "tap.h"

/* Starts as {0}. */
struct refused_feed {
	uint64_t second;         /* of the wall clock */
	unsigned told, left_out; /* within it; left out since the last one that was told */
	msgpack_sbuffer frame;
};

/* Does somebody listen? */
bool refused_wanted(struct tap *tap);

/* Tells of one, unless REFUSED_A_SECOND were told in this second (ms since 1970), however many a stranger
 * sends; then it is counted. left_out is filled in here. */
enum { REFUSED_A_SECOND = 50 };
void refused_tell(struct refused_feed *feed, struct tap *tap, struct refused *r, uint64_t now_ms);
void refused_close(struct refused_feed *feed);

#endif
