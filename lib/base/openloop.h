/* openloop - a load at a steady rate: request n is due at n / rate seconds, whether or not earlier
 * ones are answered, and its latency counts from then. So a receiver that stalls is not spared the
 * requests that would have come meanwhile. Pure; what sends and when it is, its callers know. */
#ifndef TROTLINE_BASE_OPENLOOP_H
#define TROTLINE_BASE_OPENLOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* Start with {0} but for the plan. Times are µs of one clock. */
struct openloop {
	double rate;               /* requests a second */
	uint64_t start_us, end_us; /* nothing is due from end_us on */
	uint64_t warm_us; /* latencies of what is due so soon after the start do not count */
	uint64_t sent, answered, good;
	struct histogram latency;
};

/* Takes the next request when it is due. */
bool openloop_take(struct openloop *o, uint64_t now_us, uint64_t *due_us);

/* No request is due any more. */
bool openloop_over(const struct openloop *o);

/* How long until the next is due, `most` at most. */
uint64_t openloop_wait(const struct openloop *o, uint64_t now_us, uint64_t most_us);

/* The answer to a request that was due then. */
void openloop_answer(struct openloop *o, uint64_t due_us, uint64_t now_us, bool good);

#endif
