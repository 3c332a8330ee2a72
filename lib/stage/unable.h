/* unable - requests that are refused for a fault of ours: counted by cause, and said at the level warn, of
 * each cause once a second at most. */
#ifndef TROTLINE_STAGE_UNABLE_H
#define TROTLINE_STAGE_UNABLE_H

#include "lib/base/seldom.h"
#include "metrics.h"
#include "proto/causes.h"

/* What has been said; all 0 at first. */
struct unable_log {
	struct seldom lines[UNABLE_COUNT];
};

/* source may be empty where none is known; why: what this stage has met, or "". now_ms: monotonic. */
void unable_tell(struct unable_log *u, struct metrics *m, enum unable cause, struct slice source,
	const char *why, uint64_t now_ms);

/* Opens the series, at 0. */
void unable_open(struct metrics *m);

#endif
