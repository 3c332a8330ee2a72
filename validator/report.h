/* report - what the validator tells of its work: a log line for each event and each refusal, and the
 * figures that count them. */
#ifndef TROTLINE_VALIDATOR_REPORT_H
#define TROTLINE_VALIDATOR_REPORT_H

#include "job.h"
#include "lately.h"
#include "lib/stage/metrics.h"
#include "lib/stage/unable.h"
#include "notices.h"

/* Opens the series of all sources: at the start, and after a reload. */
void report_open(struct metrics *m, const struct config *cfg);

/* What is told of refusals; all 0 at first. */
struct report_state {
	struct unable_log unable;
	struct lately lately;
};

/* What the job has come to, once that is certain. */
void report_job(struct metrics *m, struct report_state *state, struct notices *notices,
	const struct config *cfg, const struct job *job);

/* What came and is no request, or no bundle of them. */
void report_bad_frame(struct metrics *m, const struct error *why);

#endif
