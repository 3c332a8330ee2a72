/* history_work - what is due beside appending, a slice at a time: see history_work in history.h.
 *
 * In this order: writing the open one's log back, retention, what is being sealed or merged, sealing,
 * roll-ups, merging. What fails is left alone for some seconds; the others go on. */
#include <stdio.h>
#include <sys/statvfs.h>

#include "history_private.h"
#include "history_roll.h"
#include "lib/base/clock.h"

enum {
	AGAIN_MS = 5000,
	CHECKPOINT_PAGES = 4096, /* 16 MiB */
	RETAIN_MS = 10000,
	TRIM_MS = 60000,
	SPARE_BYTES = 64 << 20, /* left free by a merge */
};

/* True once in so many ms, also when the clock has jumped. */
static bool
is_due(uint64_t *next_ms, uint64_t now_ms, uint64_t every_ms)
{
	if (now_ms < *next_ms && *next_ms - now_ms <= every_ms)
		return false;
	*next_ms = now_ms + every_ms;
	return true;
}

static enum history_work
failed(struct history *h, uint64_t now_ms)
{
	h->again_ms = now_ms + AGAIN_MS;
	return HISTORY_FAILED;
}

/* ---- the open one ---- */

static bool
write_back(struct history *h)
{
	if (!h->open || h->open->wal_pages < CHECKPOINT_PAGES)
		return false;
	h->open->wal_pages = 0;
	sqlite3_wal_checkpoint_v2(h->open->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	return true;
}

/* ---- sealing and merging ---- */

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
	if (rc == PRESSING_BUSY)
		return HISTORY_IDLE;
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

static bool
can_join(const struct known_segment *a, const struct known_segment *b)
{
	return b->name.last && !b->damaged && a->name.day == b->name.day && a->mark == b->mark &&
	       a->name.last + 1 == b->name.first;
}

static bool
has_room_for(const struct history *h, uint64_t bytes)
{
	struct statvfs fs;

	return statvfs(h->folder, &fs) == 0 &&
	       (uint64_t)fs.f_bavail * fs.f_frsize > bytes + bytes / 8 + SPARE_BYTES;
}

/* The first run of sealed ones of a day that is over; *n: how many, 0: there is none. */
static size_t
to_merge(const struct history *h, uint32_t today, size_t *n)
{
	uint64_t bytes;

	for (size_t i = 0; i < h->n; i += *n ? *n : 1) {
		*n = 0;
		if (!h->list[i].name.last || h->list[i].damaged || h->list[i].name.day >= today)
			continue;
		bytes = h->list[i].file_bytes;
		for (*n = 1; *n < PRESSING_MOST && i + *n < h->n &&
			     can_join(&h->list[i + *n - 1], &h->list[i + *n]);
			++*n)
			bytes += h->list[i + *n].file_bytes;
		if (*n > 1 && has_room_for(h, bytes))
			return i;
	}
	*n = 0;
	return 0;
}

static enum history_work
press(struct history *h, size_t from, size_t n, uint64_t now_ms, struct error *why)
{
	struct segment_name names[PRESSING_MOST];

	for (size_t i = 0; i < n; i++)
		names[i] = h->list[from + i].name;
	h->pressing = pressing_begin(h, names, n, why);
	return h->pressing ? HISTORY_MORE : failed(h, now_ms);
}

/* ---- roll-ups ---- */

/* The first sealed one that reaches behind what is counted; h->n: none does. */
static size_t
to_roll(const struct history *h)
{
	size_t i = 0;

	while (i < h->n &&
		(h->list[i].name.last ? h->list[i].name.last <= h->rolled : h->list[i].damaged))
		i++;
	return i < h->n && h->list[i].name.last ? i : h->n;
}

static enum history_work
roll(struct history *h, size_t i, uint64_t now_ms, struct error *why)
{
	struct known_segment *k = &h->list[i];
	bool good = true;

	if (!k->damaged)
		good = roller_step(h->roller, h->folder, &k->name, now_ms, &k->damaged, why);
	if (k->damaged)
		roller_pass(h->roller, &k->name);
	h->rolled = roller_rolled(h->roller);
	return good || k->damaged ? HISTORY_MORE : failed(h, now_ms);
}

static enum history_work
trim(struct history *h, uint64_t now_ms, struct error *why)
{
	bool more;

	if (!roller_trim(h->roller, now_ms, &more, why))
		return failed(h, now_ms);
	if (more)
		h->trim_ms = 0;
	return HISTORY_MORE;
}

/* ---- */

static enum history_work
count(struct history *h, uint64_t now_ms, struct error *why)
{
	size_t i;

	if (!h->roller) {
		h->roller = roller_open(h->folder, why);
		if (!h->roller)
			return failed(h, now_ms);
		h->rolled = roller_rolled(h->roller);
	}
	if ((i = to_roll(h)) < h->n)
		return roll(h, i, now_ms, why);
	return is_due(&h->trim_ms, now_ms, TRIM_MS) ? trim(h, now_ms, why) : HISTORY_IDLE;
}

/* A day that is over is sealed though nothing comes in. */
static enum history_work
end_day(struct history *h, uint64_t now_ms, struct error *why)
{
	if (!h->open || !h->open->facts.events || h->open_day >= now_ms / DAY_MS)
		return HISTORY_IDLE;
	return history_make_place(h, 0, now_ms, why) == STORE_OK ? HISTORY_MORE : failed(h, now_ms);
}

enum history_work
history_work(struct history *h, uint64_t now_ms, uint64_t budget_us, struct error *why)
{
	const uint64_t until_us = clock_mono_us() + budget_us;
	enum history_work rc;
	size_t i, n;

	if (write_back(h))
		return HISTORY_MORE;
	if (is_due(&h->retain_ms, now_ms, RETAIN_MS) && history_retain(h, now_ms, why)) {
		h->retain_ms = 0;
		return HISTORY_MORE;
	}
	if (now_ms < h->again_ms && h->again_ms - now_ms <= AGAIN_MS)
		return HISTORY_IDLE;
	if ((rc = end_day(h, now_ms, why)) != HISTORY_IDLE)
		return rc;
	if (h->pressing)
		return go_on(h, now_ms, until_us, why);
	if ((i = to_seal(h)) < h->n)
		return press(h, i, 1, now_ms, why);
	if ((rc = count(h, now_ms, why)) != HISTORY_IDLE)
		return rc;
	i = to_merge(h, (uint32_t)(now_ms / DAY_MS), &n);
	return n ? press(h, i, n, now_ms, why) : HISTORY_IDLE;
}
