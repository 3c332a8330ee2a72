/* choose - see choose.h. */
#include "choose.h"

#include "due.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

/* One in so many is a replay's, while other events come; and of probes an event that has not failed yet. */
enum { REPLAY_TURN = 4, PROBE_TURN = 2, WAITING_MOST = 512, WAITING_BYTES = 8 << 20 };

/* What is behind others of its lane is owed, too: nothing comes until it has become less. */
static bool
is_full(const struct destination *d)
{
	return d->cfg->order == FORWARD_BY_RECIPIENT && d->owing.count >= FORWARD_OWED_MAX;
}

/* but: not the event of that number; 0: any. */
static struct item *
ready(struct destination *d, bool probe, uint64_t but, uint64_t now_ms, uint64_t *wakes_ms)
{
	for (struct item *item = d->waiting.first; item; item = item->next) {
		if (due_is_held(d, item) || (but && item->owed.first == but))
			continue;
		if (probe || item->not_before_ms <= now_ms) {
			items_remove(&d->waiting, item);
			return item;
		}
		wake_at(wakes_ms, item->not_before_ms);
	}
	return NULL;
}

static bool
fill(struct deliverer *dl, struct reading *r, uint64_t now_ms)
{
	struct error why = {""};

	if (!r->ahead.first && dl->view &&
		(!reading_open(r, dl->view, NULL, &why) ||
			!reading_fill(r, dl->view, now_ms, &why)))
		log_warn("history not read", LF_TEXT("destination", r->cfg->name),
			LF_TEXT("cause", why.text));
	return r->ahead.first != NULL;
}

static struct item *
take_ahead(struct reading *r)
{
	struct item *item = r->ahead.first;

	items_remove(&r->ahead, item);
	return item;
}

static bool
fill_replay(struct deliverer *dl, struct replay *r, uint64_t now_ms)
{
	const struct history_filter filter = {.email = r->row.email,
		.type = r->row.type,
		.source = r->row.source,
		.since_ms = r->row.since_ms,
		.until_ms = r->row.until_ms};
	struct error why = {""};

	if (!dl->view)
		return false;
	if (!reading_open(&r->reading, dl->view, &filter, &why))
		log_warn("replay not read", LF_UINT("replay", r->row.id),
			LF_TEXT("cause", why.text));
	return r->reading.query && fill(dl, &r->reading, now_ms);
}

static struct item *
next_of_replays(struct deliverer *dl, struct destination *d, uint64_t now_ms, uint64_t *wakes_ms)
{
	for (struct replay *r = d->replays; r; r = r->next) {
		if (r->row.state != FORWARD_JOB_RUNNING)
			continue;
		if (!pace_allows(&r->pace, now_ms))
			wake_at(wakes_ms, pace_wakes_ms(&r->pace));
		else if (fill_replay(dl, r, now_ms)) {
			struct item *item = take_ahead(&r->reading);

			pace_take(&r->pace, item->events);
			return item;
		} else
			wake_at(wakes_ms, reading_goes_on_ms(&r->reading, clock_mono_ms()));
	}
	return NULL;
}

/* Who answers, if with errors, may be well: events that fail whatever he does must not keep him down. */
static struct item *
not_failed_yet(struct deliverer *dl, struct destination *d, bool probe, uint64_t now_ms)
{
	if (!probe || !d->row.status || ++d->probes % PROBE_TURN || !fill(dl, &d->reading, now_ms))
		return NULL;
	return take_ahead(&d->reading);
}

/* What waits, and what has become due. */
static struct item *
next_owed(struct deliverer *dl, struct destination *d, bool probe, uint64_t but, uint64_t *wakes_ms)
{
	const uint64_t now_ms = clock_mono_ms();
	struct item *item = ready(d, probe, but, now_ms, wakes_ms);

	if (item || d->look_ms > now_ms || !dl->view || d->waiting.n >= WAITING_MOST ||
		d->waiting.bytes >= WAITING_BYTES)
		return item;
	due_look(dl, d, now_ms);
	return ready(d, probe, but, now_ms, wakes_ms);
}

/* What comes, and what is replayed. */
static struct item *
next_of_history(struct deliverer *dl, struct destination *d, uint64_t now_ms, uint64_t *wakes_ms)
{
	const bool first = d->replays && ++d->turn % REPLAY_TURN == 0;
	struct item *item = first ? next_of_replays(dl, d, now_ms, wakes_ms) : NULL;

	if (!item && fill(dl, &d->reading, now_ms))
		item = take_ahead(&d->reading);
	if (!item && !first)
		item = next_of_replays(dl, d, now_ms, wakes_ms);
	if (!item)
		wake_at(wakes_ms, reading_goes_on_ms(&d->reading, clock_mono_ms()));
	return item;
}

struct item *
choose_next(struct deliverer *dl, struct destination *d, bool probe, uint64_t *wakes_ms)
{
	const uint64_t now_ms = clock_mono_ms();
	const uint64_t but = d->breaker.gone_ms ? d->breaker.gone_pos : 0;
	struct item *item = not_failed_yet(dl, d, probe, now_ms);

	if (!item)
		item = next_owed(dl, d, probe, but, wakes_ms);
	if (!item && !is_full(d))
		item = next_of_history(dl, d, now_ms, wakes_ms);
	if (!item && but) /* whether 410 means the event or the destination, another tells */
		item = ready(d, probe, 0, now_ms, wakes_ms);
	wake_at(wakes_ms, reading_wakes_ms(&d->reading));
	if (d->owing.count)
		wake_at(wakes_ms, d->look_ms);
	return item;
}
