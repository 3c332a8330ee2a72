/* refusals - what of a job was refused, for whoever watches the tap. */
#ifndef TROTLINE_VALIDATOR_REFUSALS_H
#define TROTLINE_VALIDATOR_REFUSALS_H

#include "job.h"
#include "lib/stage/refused.h"

/* Tells of the request, or of each of its events, where it was refused and somebody listens. */
void refusals_tell(
	struct refused_feed *feed, struct tap *tap, const struct job *job, uint64_t now_ms);

#endif
