/* near - which of some words somebody may have meant, for "did you mean". Pure. */
#ifndef TROTLINE_BASE_NEAR_H
#define TROTLINE_BASE_NEAR_H

#include <stdbool.h>
#include <stddef.h>

/* The candidate nearest to what was written so far. Start with {.word = ...}. */
struct near {
	const char *word;
	const char *best; /* NULL: none is near */
	size_t distance;
};

/* A word that is beside it by a third of its letters at most, in whatever case, is near: a letter wrong,
 * missing, too many, or two that have changed places count one each. text lives as long as near. */
void near_try(struct near *near, const char *text);

enum { NEAR_BYTES = 160 };

/* "; did you mean \"status\"?", or "" */
const char *near_hint(const struct near *near, char out[NEAR_BYTES]);

#endif
