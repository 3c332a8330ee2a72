/* metrics_private - what the files of metrics share; nobody else includes it. */
#ifndef TROTLINE_METRICS_PRIVATE_H
#define TROTLINE_METRICS_PRIVATE_H

#include "metrics.h"

enum {
	METRIC_BOUNDS_MAX = 16,
	METRIC_SLOTS = 1024,
	METRICS_FILE_MAX = 2 << 20, /* bytes; what finds no room there is counted in memory */
};

struct metric_bounds {
	size_t n;
	double at[METRIC_BOUNDS_MAX];
};

struct series {
	struct series *next; /* in the order in which they were made */
	struct series *same; /* in the same slot of the hash table */
	enum metric_family family;
	char labels[METRIC_LABELS_MAX + 1];
	bool joined; /* some value has been joined to it */
	double *values; /* one, or a bucket for each bound, the sum, the count: in the file, or in own */
	double own[];
};

struct metrics {
	struct series *first, **last;
	struct series *slots[METRIC_SLOTS];
	size_t count;     /* series */
	size_t published; /* numbers, at most so many: */
	size_t most;
	double spill;
	struct metrics_file *file; /* or NULL: all is in memory */
};

/* Upper bounds of a histogram's buckets; NULL for a family that is none. */
const struct metric_bounds *metric_bounds(enum metric_family family);

/* How many values a series of the family holds. */
size_t metric_width(enum metric_family family);

/* The place of a new series' numbers in the file; NULL: it has no room. */
double *metrics_file_add(
	struct metrics_file *f, enum metric_family family, struct slice labels, size_t count);

/* An orderly end. */
void metrics_file_close(struct metrics_file **f);

/* Could that stand on our page? Then which family it is. */
bool metric_is_known(struct slice name, struct slice labels, const double *values, size_t count,
	enum metric_family *family);

/* Joins the numbers of such a series, by the table's rule. */
void metric_join(
	struct metrics *m, enum metric_family family, struct slice labels, const double *values);

/* Makes a series whose numbers stand there, and are counted there from now on. */
void metric_attach(
	struct metrics *m, enum metric_family family, struct slice labels, double *values);

/* Found, or made. NULL when there is no room for a new one. */
struct series *metric_series(struct metrics *m, enum metric_family family, struct slice labels);

#endif
