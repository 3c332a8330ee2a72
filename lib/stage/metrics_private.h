/* metrics_private - what the files of metrics share; nobody else includes it. */
#ifndef TROTLINE_METRICS_PRIVATE_H
#define TROTLINE_METRICS_PRIVATE_H

#include <sys/types.h>

#include "metrics.h"

enum {
	METRIC_BOUNDS_MAX = 16,
	METRIC_SLOTS = 1024,
	METRICS_FILE_MAX = 2 << 20, /* bytes; what finds no room there is not kept */
	METRICS_HEAD_BYTES = 32,    /* of a file's head */
};

struct metric_bounds {
	size_t n;
	double at[METRIC_BOUNDS_MAX];
};

struct series {
	struct series *next; /* in the order in which they were made */
	struct series *same; /* in the same slot of the hash table */
	enum metric_family family;
	bool joined;  /* some value has been joined to it */
	char *labels; /* behind own */
	double *values; /* one, or a bucket for each bound, the sum, the count: in the file's image, or own */
	double own[];
};

struct metrics {
	struct series *first, **last;
	struct series *slots[METRIC_SLOTS];
	size_t count;     /* series */
	size_t published; /* numbers, at most so many: */
	size_t most;
	double spill;
	bool counted;              /* something since it was last stored */
	struct metrics_file *file; /* or NULL: nothing is kept */
};

/* Upper bounds of a histogram's buckets; NULL for a family that is none. */
const struct metric_bounds *metric_bounds(enum metric_family family);

/* How many values a series of the family holds. */
size_t metric_width(enum metric_family family);

/* The place of a new series' numbers in the file; NULL: it has no room. */
double *metrics_file_add(
	struct metrics_file *f, enum metric_family family, struct slice labels, size_t count);

/* Opens a file, or with O_DIRECTORY a folder, for reading, so that nothing has to be written for that; -1:
 * cannot. */
int metrics_open_quietly(int folder, const char *name, int flags);

/* An orderly end. */
void metrics_file_close(struct metrics *m);

/* Writes what it is given to a file, in a thread; the file is its own from then on. NULL: there is none. */
struct metrics_writer;
struct metrics_writer *metrics_writer_new(int fd);

/* Copies the bytes, to be written unless they are what was written last: METRICS_HEAD_BYTES of a head to
 * the file's beginning, the rest before that, to `at`. Waits at most ms until they are written, or cannot
 * be; false: they are not yet. Once it has waited in vain it does not wait again until the disk goes on. */
bool metrics_writer_put(
	struct metrics_writer *w, const void *bytes, size_t n, off_t at, uint64_t ms);

/* What hangs is left to the process's end. */
void metrics_writer_end(struct metrics_writer **w);

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
