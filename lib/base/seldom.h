/* seldom - what may come a thousand times a second and is said once: with how many times it is about. */
#ifndef TROTLINE_BASE_SELDOM_H
#define TROTLINE_BASE_SELDOM_H

#include <stdint.h>

struct seldom {
	uint64_t told_ms; /* monotonic; 0: never */
	uint64_t untold;
};

/* It has come once more. 0: it is not to be said now, else how many times it came since it was. */
static inline uint64_t
seldom_due(struct seldom *s, uint64_t apart_ms, uint64_t now_ms)
{
	const uint64_t times = ++s->untold;

	if (s->told_ms != 0 && now_ms < s->told_ms + apart_ms)
		return 0;
	*s = (struct seldom){.told_ms = now_ms};
	return times;
}

#endif
