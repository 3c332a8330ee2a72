/* history_work - what is due beside appending, a slice at a time: see history_work in history.h. */
#include "history_private.h"
#include "lib/base/clock.h"

enum { AGAIN_MS = 5000, CHECKPOINT_PAGES = 4096 };

static enum history_work
failed(struct history *h, uint64_t now_ms)
{
	h->again_ms = now_ms + AGAIN_MS;
	return HISTORY_FAILED;
}

/* What could not be read is not tried again by this process. */
static void
note_damage(struct history *h, const struct pressing *p)
{
	for (size_t i = 0; i < h->n; i++)
		if (pressing_damaged(p, &h->list[i].name))
			h->list[i].damaged = true;
}

static enum history_work
go_on(struct history *h, uint64_t now_ms, uint64_t until_us, struct error *why)
{
	const enum pressing_rc rc = pressing_step(h, h->pressing, until_us, why);

	if (rc == PRESSING_MORE)
		return HISTORY_MORE;
	if (rc == PRESSING_FAILED)
		note_damage(h, h->pressing);
	pressing_drop(&h->pressing);
	return rc == PRESSING_DONE ? HISTORY_MORE : failed(h, now_ms);
}

/* The oldest that waits to be sealed; h->n: none does. */
static size_t
to_seal(const struct history *h)
{
	size_t i = 0;

	while (i < h->n && !history_waits(h, i))
		i++;
	return i;
}

static enum history_work
begin(struct history *h, const struct segment_name *from, size_t n, uint64_t now_ms,
	struct error *why)
{
	h->pressing = pressing_begin(h, from, n, why);
	return h->pressing ? HISTORY_MORE : failed(h, now_ms);
}

enum history_work
history_work(struct history *h, uint64_t now_ms, uint64_t budget_us, struct error *why)
{
	const uint64_t until_us = clock_mono_us() + budget_us;
	size_t i;

	if (now_ms < h->again_ms && h->again_ms - now_ms <= AGAIN_MS)
		return HISTORY_IDLE;
	if (h->pressing)
		return go_on(h, now_ms, until_us, why);
	if ((i = to_seal(h)) < h->n)
		return begin(h, &h->list[i].name, 1, now_ms, why);
	return HISTORY_IDLE;
}
