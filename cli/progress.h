/* progress - how far long work has got, on a terminal; nothing in a pipe. */
#ifndef TROTLINE_CLI_PROGRESS_H
#define TROTLINE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "replayed" */
	uint64_t total;   /* 0: not known */
	uint64_t shown_ms;
	bool terminal;
};

struct progress progress_begin(const char *what, uint64_t total);

/* Writes "replayed 1200 of 5000" over the line before, ten times a second at most. */
void progress_show(struct progress *p, uint64_t done);

/* Clears the line. */
void progress_end(struct progress *p);

#endif
