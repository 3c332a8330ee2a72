/* metrics_private - what the files of metrics share; nobody else includes it. */
#ifndef TROTLINE_METRICS_PRIVATE_H
#define TROTLINE_METRICS_PRIVATE_H

#include "metrics.h"

enum { METRIC_BOUNDS_MAX = 16, METRIC_SLOTS = 1024 };

struct metric_bounds {
	size_t n;
	double at[METRIC_BOUNDS_MAX];
};

struct series {
	struct series *next; /* in the order in which they were made */
	struct series *same; /* in the same slot of the hash table */
	enum metric_family family;
	char labels[METRIC_LABELS_MAX + 1];
	double values[]; /* one, or a bucket for each bound, the sum, the count */
};

struct metrics {
	struct series *first, **last;
	struct series *slots[METRIC_SLOTS];
	size_t count;     /* series */
	size_t published; /* numbers, at most METRICS_MAX */
	double spill;
};

/* Upper bounds of a histogram's buckets; NULL for a family that is none. */
const struct metric_bounds *metric_bounds(enum metric_family family);

/* How many values a series of the family holds. */
size_t metric_width(enum metric_family family);

/* Found, or made. NULL when there is no room for a new one. */
struct series *metric_series(struct metrics *m, enum metric_family family, struct slice labels);

#endif
