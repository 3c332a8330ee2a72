/* history_retain - which file goes, and when: the oldest, whole, because of its age, of the room that
 * all take, or because every reader has passed it. */
#include <stdio.h>
#include <sys/stat.h>

#include "history_private.h"

enum { HOLD_MS = 3600000 };

/* The lowest numbers that readers still want. */
struct wants {
	uint64_t now_ms, low, held;
};

static void
note_pin(void *arg, const struct history_pinned *pin)
{
	struct wants *w = arg;
	const uint64_t age = w->now_ms > pin->at_ms ? w->now_ms - pin->at_ms : 0;

	if (pin->hold && age > HOLD_MS)
		return;
	if (pin->pos < w->low)
		w->low = pin->pos;
	if (pin->hold && pin->pos < w->held)
		w->held = pin->pos;
}

/* When the last of its events came in. */
static uint64_t
newest_of(const struct known_segment *k)
{
	return k->facts.events ? k->facts.received_max : ((uint64_t)k->name.day + 1) * DAY_MS;
}

static uint64_t
all_bytes(const struct history *h)
{
	char path[PATH_ROOM];
	struct stat st;
	uint64_t bytes = 0;

	for (size_t i = 0; i < h->n; i++)
		bytes += h->list[i].name.last ? h->list[i].file_bytes
					      : name_bytes(h->folder, &h->list[i].name);
	snprintf(path, sizeof path, "%s/catalogue.db", h->folder);
	return bytes + (stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
}

static bool
may_go(const struct history *h, const struct known_segment *k, const struct wants *w)
{
	const uint64_t last = k->name.last ? k->name.last : k->facts.last;

	if (h->limits.max_bytes && all_bytes(h) > h->limits.max_bytes)
		return true;
	if (w->held <= last)
		return false;
	if (h->limits.keep_ms)
		return newest_of(k) + h->limits.keep_ms <= w->now_ms;
	return w->low > last;
}

/* Counts of it are in the roll-ups first, if it can be read and they can be written. */
static bool
is_counted(const struct history *h, const struct known_segment *k, uint64_t now_ms)
{
	return k->damaged || k->name.last <= h->rolled || now_ms < h->again_ms;
}

bool
history_retain(struct history *h, uint64_t now_ms, struct error *why)
{
	struct wants w = {now_ms, UINT64_MAX, UINT64_MAX};
	const struct known_segment *oldest = h->list;

	if (h->n < 2 || (!oldest->name.last && !oldest->damaged) ||
		!is_counted(h, oldest, now_ms) ||
		(h->pressing && pressing_uses(h->pressing, &oldest->name)))
		return false;
	if (!history_pins(h->folder, note_pin, &w, why) || !may_go(h, oldest, &w))
		return false;
	history_replace(h,
		&(struct segment_name){oldest->name.first, oldest->name.last, oldest->name.day}, 1,
		NULL, NULL);
	h->figures.dropped++;
	return true;
}

uint64_t
history_expiry(const struct history *h, uint64_t pos)
{
	for (size_t i = 0; h->limits.keep_ms && i < h->n; i++) {
		const struct known_segment *k = &h->list[i];
		const bool open = h->open && i + 1 == h->n;
		const struct facts *f = open ? &h->open->facts : &k->facts;

		if (pos <= f->last)
			return pos < f->first ? 0
					      : (open ? f->received_max : newest_of(k)) +
							h->limits.keep_ms;
	}
	return 0;
}
