/* targets - what reads bytes from outside, as functions that take any bytes. The fuzzer feeds them
 * what it invents (fuzz.c), the unit tests what is kept in corpus/ and in tests/fixtures. */
#ifndef TROTLINE_TESTS_FUZZ_TARGETS_H
#define TROTLINE_TESTS_FUZZ_TARGETS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/slice.h"

struct fuzz_target {
	const char *name;
	void (*run)(const struct fuzz_target *target, struct slice bytes);
	const char *provider; /* whose normaliser it is; else NULL */
};

extern const struct fuzz_target targets[];
extern const size_t targets_count;

/* NULL for a name that is none. */
const struct fuzz_target *target_find(const char *name);

#endif
