/* due - see due.h. */
#include "due.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { DUE_MOST = 64, LOOK_MS = 1000 };

struct due {
	struct deliverer *dl;
	struct destination *d;
	size_t seen, loaded;
	struct error *why;
	bool one, failed; /* one: the first that is not in hand is enough */
};

static bool
is_in_hand(const struct destination *d, const struct forward_owed *owed)
{
	return items_has(&d->waiting, owed->job, owed->first) ||
	       items_has(&d->under_way, owed->job, owed->first);
}

/* With a letter's own body, for the history may have let go of the event. */
static struct item *
from_body(struct destination *d, const struct forward_owed *owed)
{
	struct item *item = item_new(d, owed->body, owed->email);

	if (!item)
		return NULL;
	item_owes(item, owed);
	item->events = 1;
	item->letter = true;
	snprintf(item->id, sizeof item->id, "%.*s", SLICE_ARG(owed->id));
	snprintf(item->type, sizeof item->type, "%.*s", SLICE_ARG(owed->type));
	return item;
}

struct asked {
	uint64_t job;
	bool new_ids, stopped;
};

static bool
see_job(void *arg, const struct forward_job *job)
{
	struct asked *asked = arg;

	asked->new_ids |= job->id == asked->job && job->new_ids;
	asked->stopped |= job->id == asked->job && job->state == FORWARD_JOB_STOPPED;
	return true;
}

/* Of a replay that is over as well. */
static bool
ask_job(struct due *due, struct asked *asked)
{
	const struct replay *r = destination_replay(due->d, asked->job);

	asked->new_ids = r && r->row.new_ids;
	asked->stopped = destination_has_stopped(due->d, asked->job);
	return r || forward_jobs(due->dl->store, due->d->row.name, see_job, asked, due->why);
}

static struct item *
load(struct due *due, const struct forward_owed *owed, bool *gone)
{
	struct destination *d = due->d;
	struct asked asked = {.job = owed->job};

	*gone = false;
	if (owed->body.p)
		return from_body(d, owed);
	if (owed->job && !ask_job(due, &asked))
		return NULL;
	*gone = asked.stopped;
	if (asked.stopped)
		return NULL;
	return reading_again(&d->reading, due->dl->view, owed, asked.new_ids, gone, due->why);
}

/* Nobody can have it any more, or it is wanted no longer; the reading has counted what is missed. */
static void
let_go(struct due *due, const struct forward_owed *owed)
{
	struct item *item = item_new(due->d, (struct slice){"", 0}, (struct slice){NULL, 0});

	if (!item)
		return;
	item_owes(item, owed);
	lanes_drop(&due->d->lanes, owed->lane);
	ledger_end(due->dl->ledger, item, ITEM_SETTLED);
}

static void
add_due(struct due *due, struct item *item)
{
	item->passes = item->owed.behind && item->owed.due_ms && !due->one;
	items_insert(&due->d->waiting, item);
	due->loaded++;
}

static bool
see_due(void *arg, const struct forward_owed *owed)
{
	struct due *due = arg;
	struct item *item;
	bool gone;

	due->seen++;
	if (is_in_hand(due->d, owed) || items_has(&due->dl->ledger->ended, owed->job, owed->first))
		return true;
	item = load(due, owed, &gone);
	if (item)
		add_due(due, item);
	else if (gone)
		let_go(due, owed);
	else
		due->failed = true;
	return !due->one || (!due->failed && !due->loaded);
}

/* Rows in hand are due as well: as many more are asked for. */
void
due_look(struct deliverer *dl, struct destination *d, uint64_t now_ms)
{
	struct error why = {""};
	struct due due = {.dl = dl, .d = d, .why = &why};
	const size_t most = DUE_MOST + d->waiting.n + d->under_way.n + dl->ledger->ended.n;
	const uint64_t wall_ms = clock_wall_ms();

	d->look_ms = now_ms + LOOK_MS;
	if (!d->owing.count && !forward_owing(dl->store, d->row.name, &d->owing, &why))
		due.failed = true;
	if (d->owing.count && !due.failed &&
		!forward_due(dl->store, d->row.name, wall_ms, most, see_due, &due, &why))
		due.failed = true;
	if (due.failed)
		log_warn("not sent again yet", LF_TEXT("destination", d->row.name),
			LF_TEXT("cause", why.text));
	else if (due.seen < most && d->owing.due_ms > wall_ms &&
		 d->owing.due_ms - wall_ms < LOOK_MS)
		d->look_ms = now_ms + (d->owing.due_ms - wall_ms);
}

/* ---- order by recipient ---- */

/* From when on it goes before one that fails. */
static uint64_t
held_until(struct deliverer *dl, struct destination *d, uint64_t lane)
{
	const struct item *before = items_of_lane(&d->under_way, lane);
	struct forward_lane stored = {.first = 0};
	struct error why = {""};
	uint64_t began_ms;

	before = before ? before : items_of_lane(&d->waiting, lane);
	if (!before && !forward_lane(dl->store, d->row.name, lane, &stored, &why))
		log_warn("forward.db not read", LF_TEXT("cause", why.text));
	began_ms = before ? before->owed.began_ms : stored.began_ms;
	return (began_ms ? began_ms : clock_wall_ms()) + LANE_MS;
}

/* It goes behind another of its lane, and is the ledger's; false where there is none. */
bool
due_behind(struct deliverer *dl, struct item *item)
{
	struct destination *d = item->to;
	const uint64_t lane = item->owed.lane;
	const bool behind = lanes_count(&d->lanes, lane) > 0;

	item->in_lane = true;
	if (!lanes_add(&d->lanes, lane, 1))
		log_warn("out of memory", LF_TEXT("destination", d->row.name));
	if (!behind)
		return false;
	item->owed.behind = true;
	item->owed.due_ms = held_until(dl, d, lane);
	d->owing.count++;
	ledger_end(dl->ledger, item, ITEM_LATER);
	return true;
}

/* The next one of a lane, from what is not written yet. */
static struct item *
behind_unwritten(struct deliverer *dl, const struct destination *d, uint64_t lane)
{
	struct item *first = NULL;

	for (struct item *item = dl->ledger->ended.first; item; item = item->next)
		if (item->to == d && item->owed.lane == lane && item->owed.behind &&
			item->end == ITEM_LATER && (!first || item->owed.first < first->owed.first))
			first = item;
	return first;
}

/* The first of its lane has ended: the next one waits no longer. */
void
due_next(struct deliverer *dl, struct destination *d, uint64_t lane)
{
	struct item *item;
	struct error why = {""};
	struct due due = {.dl = dl, .d = d, .why = &why, .one = true};

	if (!lanes_drop(&d->lanes, lane) || items_of_lane(&d->waiting, lane) ||
		items_of_lane(&d->under_way, lane))
		return;
	if (!forward_lane_next(dl->store, d->row.name, lane, see_due, &due, &why) || due.failed)
		log_warn("not sent again yet", LF_TEXT("destination", d->row.name),
			LF_TEXT("cause", why.text));
	item = due.loaded || due.failed ? NULL : behind_unwritten(dl, d, lane);
	if (!item)
		return;
	items_remove(&dl->ledger->ended, item);
	item->owed.behind = false;
	item->owed.due_ms = 0;
	items_insert(&d->waiting, item);
}

bool
due_is_held(const struct destination *d, const struct item *item)
{
	return item->owed.lane && (items_of_lane(&d->under_way, item->owed.lane) ||
					  items_of_lane(&d->waiting, item->owed.lane) != item);
}
