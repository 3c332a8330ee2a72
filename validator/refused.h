/* refused - what was refused, for whoever watches the tap: the step that failed, and why. */
#ifndef TROTLINE_VALIDATOR_REFUSED_H
#define TROTLINE_VALIDATOR_REFUSED_H

#include "job.h"
#include "lib/stage/tap.h"

/* Starts as {0}. */
struct refused_feed {
	uint64_t second;         /* of the wall clock */
	unsigned told, left_out; /* within it; left out since the last one that was told */
	msgpack_sbuffer frame, body;
};

/* Tells of the request, or of each of its events, where it was refused and somebody listens: at most
 * REFUSED_A_SECOND of them, and how many were left out. */
enum { REFUSED_A_SECOND = 50 };
void refused_tell(
	struct refused_feed *feed, struct tap *tap, const struct job *job, uint64_t now_ms);
void refused_close(struct refused_feed *feed);

#endif
