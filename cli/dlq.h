/* dlq - what the actions of `trotline dlq` share: which letters are meant, and how they are told
 * of.
 */
#ifndef TROTLINE_CLI_DLQ_H
#define TROTLINE_CLI_DLQ_H

#include "cli.h"
#include "lib/ops/letter_view.h"
#include "lib/store/letters.h"

struct dlq_request {
	const struct call *call;
	struct letter_filter filter;
	const char *since, *until, *output;
	uint64_t limit, rate; /* 0: not given */
	bool all, yes, dry_run, events, json;
	bool chosen; /* by an id or a filter */
};

/* Each runs one action; returns the exit code. */
int dlq_list(struct call *call);
int dlq_show(struct call *call);
int dlq_stats(struct call *call);
int dlq_export(struct call *call);
int dlq_replay(struct call *call);
int dlq_drop(struct call *call);

/* Calls fn for each letter that is meant, in the order of their numbers or from the newest number
 * back, at most rq->limit of them, in pieces: fn may be slow. The letter and the zone live as long
 * as the call. False with the cause. */
typedef bool dlq_visit(void *arg, const struct letter *letter, msgpack_zone *zone);
bool dlq_each(const struct dlq_request *rq, struct letters *letters, bool newest_first,
	dlq_visit *fn, void *arg, struct error *why);

/* Says that nothing was meant; returns CLI_FAILED when ids were given, else CLI_DONE. */
int dlq_nothing(const struct dlq_request *rq);

#endif
