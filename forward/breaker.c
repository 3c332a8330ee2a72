/* breaker - see breaker.h. */
#include "breaker.h"

enum {
	AWAY_WEIGHS = 2,
	ERROR_WEIGHS = 1,
	DOWN_AT = 10,
	REFUSED_AT = 10,
	GROWS_AT = 10,
	PAUSE_MS = 1000,
	PAUSE_MOST_MS = 60000,
	REFUSED_MS = 300000,
	GONE_MS = 10000,
};

#define SPREAD 0.2

void
breaker_open(struct breaker *b, enum forward_state state, unsigned most)
{
	*b = (struct breaker){.state = state, .most = most, .now = most};
	if (state == FORWARD_SLOW)
		b->now = most > 1 ? most / 2 : 1;
	else if (state != FORWARD_UP)
		b->now = 1;
}

void
breaker_limit(struct breaker *b, unsigned most)
{
	if (b->now > most || b->now == b->most)
		b->now = most;
	b->most = most;
	if (b->state != FORWARD_UP && b->state != FORWARD_SLOW)
		b->now = 1;
}

static bool
is_probed(const struct breaker *b)
{
	return b->state == FORWARD_DOWN || b->state == FORWARD_REFUSED;
}

unsigned
breaker_room(const struct breaker *b, uint64_t now_ms, bool *probe)
{
	*probe = is_probed(b) || b->gone_ms != 0;
	if (b->state == FORWARD_GONE || now_ms < b->until_ms)
		return 0;
	return *probe ? 1 : b->now;
}

uint64_t
breaker_wakes_ms(const struct breaker *b)
{
	return b->state == FORWARD_GONE ? 0 : b->until_ms;
}

static void
wait_until(struct breaker *b, uint64_t at_ms)
{
	if (b->until_ms < at_ms)
		b->until_ms = at_ms;
}

static uint64_t
doubled(uint64_t pause_ms)
{
	if (!pause_ms)
		return PAUSE_MS;
	return pause_ms < PAUSE_MOST_MS / 2 ? 2 * pause_ms : PAUSE_MOST_MS;
}

static uint64_t
spread_ms(uint64_t ms, double spread)
{
	return (uint64_t)((double)ms * (1 - SPREAD + 2 * SPREAD * spread));
}

/* To a state in which it is probed, or in which nothing is sent. */
static bool
stop(struct breaker *b, enum forward_state state)
{
	b->state = state;
	b->now = 1;
	b->successes = 0;
	b->trouble = b->refused = 0;
	b->pause_ms = 0;
	return true;
}

/* When the next probe is due; what comes in a wait that runs already was under way before it. */
static void
next_probe(struct breaker *b, bool longer, uint64_t now_ms, double spread)
{
	if (!is_probed(b) || now_ms < b->until_ms)
		return;
	if (b->state == FORWARD_REFUSED) {
		wait_until(b, now_ms + REFUSED_MS);
		return;
	}
	if (longer || !b->pause_ms)
		b->pause_ms = doubled(b->pause_ms);
	wait_until(b, now_ms + spread_ms(b->pause_ms, spread));
}

static bool
take_success(struct breaker *b, uint64_t now_ms)
{
	b->trouble = b->refused = 0;
	if (b->gone_ms && b->state == FORWARD_UP)
		b->until_ms = 0; /* it was that event alone */
	b->gone_pos = b->gone_ms = 0;
	if (is_probed(b)) {
		*b = (struct breaker){.state = FORWARD_UP, .most = b->most, .now = 1};
		return true;
	}
	if (++b->successes >= GROWS_AT) {
		b->now = b->now > b->most / 2 ? b->most : 2 * b->now;
		b->successes = 0;
	}
	if (b->state == FORWARD_SLOW && now_ms >= b->until_ms) {
		b->state = FORWARD_UP;
		b->pause_ms = 0;
		return true;
	}
	return false;
}

/* Many at once halve it once. */
static bool
take_slow(struct breaker *b, uint64_t retry_after_ms, uint64_t now_ms, double spread)
{
	const bool was_up = b->state == FORWARD_UP;

	if (is_probed(b))
		next_probe(b, true, now_ms, spread);
	else if (was_up || now_ms >= b->until_ms) {
		b->state = FORWARD_SLOW;
		b->now = b->now > 1 ? b->now / 2 : 1;
		b->successes = 0;
		b->pause_ms = doubled(was_up ? 0 : b->pause_ms);
		wait_until(b, now_ms + b->pause_ms);
	}
	wait_until(b, now_ms + retry_after_ms);
	return was_up;
}

static bool
take_trouble(struct breaker *b, unsigned weight, uint64_t now_ms, double spread)
{
	b->trouble += weight;
	if (b->state != FORWARD_DOWN &&
		(b->trouble >= DOWN_AT || (b->state == FORWARD_REFUSED && weight == AWAY_WEIGHS))) {
		stop(b, FORWARD_DOWN);
		b->until_ms = now_ms;
		next_probe(b, true, now_ms, spread);
		return true;
	}
	next_probe(b, true, now_ms, spread);
	return false;
}

static bool
take_refusal(struct breaker *b, uint64_t now_ms, double spread)
{
	if (++b->refused >= REFUSED_AT && b->state != FORWARD_REFUSED) {
		stop(b, FORWARD_REFUSED);
		wait_until(b, now_ms + REFUSED_MS);
		return true;
	}
	next_probe(b, true, now_ms, spread);
	return false;
}

/* Who answers 410 to one event may mean that event. */
static bool
take_gone(struct breaker *b, uint64_t pos, uint64_t now_ms)
{
	if (!b->gone_ms) {
		b->gone_pos = pos;
		b->gone_ms = now_ms;
		b->pause_ms = GONE_MS;
		wait_until(b, now_ms + GONE_MS);
		return false;
	}
	if (now_ms < b->gone_ms + GONE_MS)
		return false;
	if (pos != b->gone_pos)
		return stop(b, FORWARD_GONE);
	if (now_ms >= b->until_ms) {
		b->pause_ms = doubled(b->pause_ms);
		wait_until(b, now_ms + b->pause_ms);
	}
	return false;
}

bool
breaker_answer(struct breaker *b, enum answer_class what, uint64_t pos, uint64_t retry_after_ms,
	uint64_t now_ms, double spread)
{
	if (b->state == FORWARD_GONE)
		return false;
	switch (what) {
	case ANSWER_DONE:
		return take_success(b, now_ms);
	case ANSWER_GONE:
		return take_gone(b, pos, now_ms);
	case ANSWER_SLOW:
		return take_slow(b, retry_after_ms, now_ms, spread);
	case ANSWER_REFUSED:
		return take_refusal(b, now_ms, spread);
	case ANSWER_AWAY:
		return take_trouble(b, AWAY_WEIGHS, now_ms, spread);
	case ANSWER_ERROR:
		return take_trouble(b, ERROR_WEIGHS, now_ms, spread);
	case ANSWER_BAD:
	case ANSWER_GUARDED:
	case ANSWER_CLASSES:
		next_probe(b, false, now_ms, spread);
	}
	return false;
}

bool
breaker_overrun(struct breaker *b, uint64_t now_ms)
{
	if (b->state != FORWARD_UP && b->state != FORWARD_SLOW)
		return false;
	stop(b, FORWARD_DOWN);
	b->pause_ms = PAUSE_MS;
	wait_until(b, now_ms + PAUSE_MS);
	return true;
}

void
breaker_enable(struct breaker *b, uint64_t now_ms)
{
	b->until_ms = now_ms;
	b->pause_ms = 0;
	b->trouble = b->refused = 0;
	b->gone_pos = b->gone_ms = 0;
	if (b->state == FORWARD_GONE)
		b->state = FORWARD_DOWN;
}
