/* lately - of each source, what was taken and what was refused for a sender's cause within the last 20 s,
 * as figures from which health tells a source of which nearly all is refused (board_refused.c).
 *
 * State: counts of a few seconds each, and how many refusals have come since the last request that was
 * taken; a kill forgets them. */
#ifndef TROTLINE_VALIDATOR_LATELY_H
#define TROTLINE_VALIDATOR_LATELY_H

#include "job.h"
#include "lib/stage/metrics.h"
#include "proto/causes.h"

enum { LATELY_STEPS = 10, LATELY_STEP_MS = 2000 };

struct lately_source {
	char name[WIDTH_SOURCE + 1];
	unsigned taken[LATELY_STEPS], refused[LATELY_STEPS][REFUSAL_CAUSES_COUNT];
	unsigned row[REFUSAL_CAUSES_COUNT]; /* refusals since the last request that was taken */
	uint64_t refused_ms;                /* monotonic: the last one; 0: none */
	bool told;                          /* figures of it are there: something was refused */
	bool told_of[REFUSAL_CAUSES_COUNT];
};

struct lately {
	struct lately_source sources[CONFIG_SOURCES_MAX];
	size_t n, step;
	uint64_t stepped_ms; /* monotonic; 0: not yet */
};

/* A source's figures stand from the start; of causes the commonest. */
void lately_open(struct metrics *m, const char *source);

/* Why the job was refused for a sender's cause; REFUSAL_CAUSE_NONE: it was taken. REFUSAL_CAUSES_COUNT:
 * neither, for it was refused for a fault of ours. */
enum refusal_word lately_cause(const struct job *job);

/* What has become of a job of a source in trotline.yaml. */
void lately_job(struct lately *l, const struct job *job, uint64_t now_ms);

/* Once a second or so: time goes on, and the figures are set. */
void lately_tick(struct lately *l, struct metrics *m, uint64_t now_ms);

#endif
