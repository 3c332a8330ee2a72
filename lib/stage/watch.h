/* watch - who goes on and who hangs: what is known of each process by its beats and by its lock in run/.
 * Pure.
 *
 * A process that holds a lock and was not heard for WATCH_HUNG_MS hangs, from WATCH_SILENT_MS on it is
 * called so. Time in which nobody looked counts for nobody: after it all begins anew. */
#ifndef TROTLINE_STAGE_WATCH_H
#define TROTLINE_STAGE_WATCH_H

#include "lib/base/doing.h"
#include "proto/frame.h"
#include "stages.h"

enum { WATCH_SILENT_MS = 4000, WATCH_HUNG_MS = 6000, WATCH_GAP_MS = 2000 };

struct watched {
	struct live_stage stage;
	uint64_t heard_ms; /* monotonic: its last beat, or when it was first found */
	uint64_t deaths;
	enum doing doing; /* by its last beat */
	bool found;       /* its lock is held */
};

struct watch {
	struct watched list[STAGES_MAX];
	size_t n;
	uint64_t looked_ms; /* monotonic; 0: never */
};

/* Time goes on; to be called before the others, more often than each WATCH_GAP_MS. False: nobody has
 * looked for so long that all is counted anew. */
bool watch_time(struct watch *w, uint64_t now_ms);

/* A beat has come, from that process. */
void watch_hear(struct watch *w, const struct beat *beat, pid_t pid, uint64_t now_ms);

/* These hold a lock now: new ones are counted from now on, those that have gone are forgotten. */
void watch_find(struct watch *w, const struct live_stages *found, uint64_t now_ms);

/* What it is at: by its own account, or hung. */
enum doing watch_doing(const struct watched *one, uint64_t now_ms);

/* Is it to be ended? */
bool watch_is_hung(const struct watched *one, uint64_t now_ms);

/* It was ended, or needs another look: counted from now on. */
void watch_anew(struct watched *one, uint64_t now_ms);

#endif
