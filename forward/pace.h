/* pace - at most so many a second, in bursts of a tenth of a second. Pure. */
#ifndef TROTLINE_FORWARD_PACE_H
#define TROTLINE_FORWARD_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint64_t rate; /* a second; 0: without limit */
	double room;   /* what may go now */
	uint64_t at_ms;
};

/* May one go now? That it went is said by pace_take, of as many as there were in it. */
bool pace_allows(struct pace *p, uint64_t now_ms);
void pace_take(struct pace *p, uint64_t n);
/* When the next may go; 0: now. */
uint64_t pace_wakes_ms(const struct pace *p);

#endif
