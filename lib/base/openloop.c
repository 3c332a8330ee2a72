/* openloop - see openloop.h. */
#include "openloop.h"

static uint64_t
due_at(const struct openloop *o)
{
	return o->start_us + (uint64_t)((double)o->sent * 1e6 / o->rate);
}

bool
openloop_over(const struct openloop *o)
{
	return due_at(o) >= o->end_us;
}

bool
openloop_take(struct openloop *o, uint64_t now_us, uint64_t *due_us)
{
	*due_us = due_at(o);
	if (*due_us > now_us || *due_us >= o->end_us)
		return false;
	o->sent++;
	return true;
}

uint64_t
openloop_wait(const struct openloop *o, uint64_t now_us, uint64_t most_us)
{
	const uint64_t at_us = due_at(o);

	if (at_us >= o->end_us || at_us > now_us + most_us)
		return most_us;
	return at_us > now_us ? at_us - now_us : 0;
}

void
openloop_answer(struct openloop *o, uint64_t due_us, uint64_t now_us, bool good)
{
	o->answered++;
	o->good += good;
	if (due_us >= o->start_us + o->warm_us)
		histogram_add(&o->latency, now_us - due_us);
}
