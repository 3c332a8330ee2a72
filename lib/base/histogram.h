/* histogram - durations in µs, counted in buckets each 1/64 wider than the one before; pure. */
#ifndef TROTLINE_HISTOGRAM_H
#define TROTLINE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_PARTS = 64, HISTOGRAM_BUCKETS = 59 * HISTOGRAM_PARTS };

/* Starts as {0}. */
struct histogram {
	uint64_t buckets[HISTOGRAM_BUCKETS];
	uint64_t count, most;
	double sum;
};

void histogram_add(struct histogram *h, uint64_t us);

/* The duration that so many percent do not exceed, to 1.6 % of it; 0 when nothing was counted. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

double histogram_average(const struct histogram *h);

#endif
