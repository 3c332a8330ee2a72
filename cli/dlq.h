/* dlq - what the actions of `trotline dlq` share: which letters are meant, and how they are told
 * of.
 */
#ifndef TROTLINE_CLI_DLQ_H
#define TROTLINE_CLI_DLQ_H

#include "cli.h"
#include "lib/ops/selection.h"

struct dlq_request {
	struct selection meant;
	const char *since, *until, *output;
	uint64_t rate;
	bool all, yes, dry_run, events, json, fleet;
	bool chosen; /* by an id or a filter */
};

/* Each runs one action; returns the exit code. */
int dlq_list(struct call *call);
int dlq_show(struct call *call);
int dlq_stats(struct call *call);
int dlq_export(struct call *call);
int dlq_replay(struct call *call);
int dlq_drop(struct call *call);

/* Says that nothing was meant; returns CLI_FAILED when ids were given, else CLI_DONE. */
int dlq_nothing(const struct call *call);

#endif
