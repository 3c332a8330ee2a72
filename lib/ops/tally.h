/* tally - how often each text came, for summaries that must stay short: a bounded number of texts,
 * all others together. Pure; a plain value. */
#ifndef TROTLINE_TALLY_H
#define TROTLINE_TALLY_H

#include <stdint.h>

#include "lib/base/map.h"
#include "lib/base/slice.h"

enum { TALLY_ROWS = 64, TALLY_TEXT = 160 };

/* Start with {0}. */
struct tally {
	struct tally_row {
		char text[TALLY_TEXT]; /* cut there */
		uint64_t count;
	} rows[TALLY_ROWS];
	size_t n;
	uint64_t others; /* of texts that found no row */
};

/* An absent text counts as "". */
void tally_add(struct tally *t, struct slice text, uint64_t count);

/* The `most` most frequent rows, the first of them first, as a list of {<name>, "count"}; what is
 * left out is one row with a nil name. */
msgpack_object tally_object(struct tally *t, const char *name, size_t most, msgpack_zone *zone);

#endif
