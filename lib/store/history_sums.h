/* history_sums - counts by bucket of time, words, class of domain and machine. */
#ifndef TROTLINE_STORE_HISTORY_SUMS_H
#define TROTLINE_STORE_HISTORY_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SUM_TYPE, SUM_SOURCE, SUM_CAMPAIGN, SUM_WORDS };

struct sum_key {
	uint64_t bucket;
	uint32_t word[SUM_WORDS]; /* 0: none, or not asked for */
	uint8_t domain, machine;
};

struct sum_row {
	struct sum_key key;
	uint64_t count;
};

/* Start with {0}, or with a limit. */
struct sums {
	struct sum_row *rows;
	size_t n, most; /* most 0: without limit */
	uint32_t *slots;
	size_t slots_n;
};

/* False when memory is short, or the limit is reached. */
bool sums_add(struct sums *t, const struct sum_key *key, uint64_t count);
void sums_free(struct sums *t);

#endif
