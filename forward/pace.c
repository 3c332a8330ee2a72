/* pace - see pace.h. */
#include "pace.h"

static double
burst(const struct pace *p)
{
	return p->rate > 10 ? (double)p->rate / 10 : 1;
}

bool
pace_allows(struct pace *p, uint64_t now_ms)
{
	if (!p->rate)
		return true;
	if (!p->at_ms)
		p->room = burst(p);
	else if (now_ms > p->at_ms)
		p->room += (double)(now_ms - p->at_ms) * (double)p->rate / 1e3;
	if (p->room > burst(p))
		p->room = burst(p);
	p->at_ms = now_ms;
	return p->room >= 1;
}

void
pace_take(struct pace *p, uint64_t n)
{
	p->room -= p->rate ? (double)n : 0;
}

uint64_t
pace_wakes_ms(const struct pace *p)
{
	if (!p->rate || p->room >= 1)
		return 0;
	return p->at_ms + 1 + (uint64_t)((1 - p->room) * 1e3 / (double)p->rate);
}
