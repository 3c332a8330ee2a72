/* pace - see pace.h. */
#include "pace.h"

void
pace_init(struct pace *p)
{
	*p = (struct pace){.window = 1, .pause_ms = PACE_PAUSE_MS};
}

uint64_t
pace_room(const struct pace *p, uint64_t now_ms)
{
	if (now_ms < p->until_ms || p->out >= p->window)
		return 0;
	return p->window - p->out;
}

void
pace_sent(struct pace *p)
{
	p->out++;
}

void
pace_ended(struct pace *p)
{
	if (p->out > 0)
		p->out--;
}

void
pace_alive(struct pace *p)
{
	p->window = 2 * p->window < PACE_MOST ? 2 * p->window : PACE_MOST;
	p->pause_ms = PACE_PAUSE_MS;
	p->until_ms = 0;
}

void
pace_refused(struct pace *p, uint64_t now_ms)
{
	if (now_ms < p->until_ms)
		return;
	p->window = 1;
	p->until_ms = now_ms + p->pause_ms;
	p->pause_ms = 2 * p->pause_ms < PACE_PAUSE_MOST_MS ? 2 * p->pause_ms : PACE_PAUSE_MOST_MS;
}
