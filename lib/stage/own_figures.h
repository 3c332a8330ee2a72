/* own_figures - what a process tells of itself: version, start, restarts, configuration, processor time,
 * memory, descriptors. */
#ifndef TROTLINE_STAGE_OWN_FIGURES_H
#define TROTLINE_STAGE_OWN_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics.h"

struct own_figures {
	struct metrics *metrics;
	char label[96];
	double cpu_before; /* what processes before this one have used */
};

/* restarted: the process before did not end in order. now_ms: wall clock. m outlives f, which starts
 * as {0}. */
void own_figures_open(struct own_figures *f, struct metrics *m, const char *stage, bool restarted,
	uint64_t now_ms);

/* A configuration was taken, or refused. */
void own_figures_configured(struct own_figures *f, bool taken, uint64_t now_ms);

/* What changes by itself; every few seconds. */
void own_figures_look(struct own_figures *f);

#endif
