/* doing - see doing.h. */
#include "doing.h"

#include <stdatomic.h>
#include <stdbool.h>

#define DOING_WORD(name, word) word,
const char *const doing_words[DOINGS_COUNT] = {DOINGS(DOING_WORD)};

static _Atomic(enum doing) at;
static atomic_uint_fast64_t steps;
static _Thread_local bool counts;

void
doing_counts(void)
{
	counts = true;
}

/* One thread writes: a sum need not be atomic with its read. */
enum doing
doing(enum doing now)
{
	const enum doing before = atomic_load_explicit(&at, memory_order_relaxed);

	if (!counts)
		return DOING_NOTHING;
	atomic_store_explicit(&at, now, memory_order_relaxed);
	atomic_store_explicit(&steps, atomic_load_explicit(&steps, memory_order_relaxed) + 1,
		memory_order_relaxed);
	return before;
}

enum doing
doing_now(void)
{
	return atomic_load_explicit(&at, memory_order_relaxed);
}

uint64_t
doing_steps(void)
{
	return atomic_load_explicit(&steps, memory_order_relaxed);
}
