/* replay - what the files of `trotline replay` share. */
#ifndef TROTLINE_CLI_REPLAY_H
#define TROTLINE_CLI_REPLAY_H

#include "forward.h"
#include "lib/ops/forward_replay.h"
#include "looking.h"
#include "progress.h"

struct replay_request {
	struct looking looking;
	const char *to;
	uint64_t rate, id;
	bool new_ids, dry_run, yes;
	struct progress progress;
};

/* list, show ID, pause ID, resume ID, stop ID. */
int replay_jobs_check(struct call *call);
int replay_jobs(struct call *call);

#endif
