/* deliver - see deliver.h. Order of what goes: what waits for its destination, what has become due, what comes,
 * and beside that what is replayed. */
#include "deliver.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figures.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { DUE_MOST = 64, LOOK_MS = 1000, AGAIN_MS = 1000, AGAIN_MOST_MS = 60000 };
enum { PROBED = 8, ALONE_MOST = 2, REPLAY_TURN = 4, REPLAY_SHARE = 2 };

static double
spread(void)
{
	return (double)random() / (double)RAND_MAX;
}

/* What is past waits for something else. */
static void
earlier(uint64_t *wakes_ms, uint64_t at_ms)
{
	if (at_ms > clock_mono_ms() && (!*wakes_ms || at_ms < *wakes_ms))
		*wakes_ms = at_ms;
}

/* ---- what has become due ---- */

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
	snprintf(item->id, sizeof item->id, "%.*s", SLICE_ARG(owed->id));
	snprintf(item->type, sizeof item->type, "%.*s", SLICE_ARG(owed->type));
	return item;
}

struct asked {
	uint64_t job;
	bool new_ids;
};

static bool
see_job(void *arg, const struct forward_job *job)
{
	struct asked *asked = arg;

	asked->new_ids |= job->id == asked->job && job->new_ids;
	return true;
}

/* Of a replay that is over as well. */
static bool
has_new_ids(struct due *due, uint64_t job, bool *new_ids)
{
	const struct replay *r = destination_replay(due->d, job);
	struct asked asked = {job, r && r->row.new_ids};

	if (!r && !forward_jobs(due->dl->store, due->d->row.name, see_job, &asked, due->why))
		return false;
	*new_ids = asked.new_ids;
	return true;
}

static struct item *
load(struct due *due, const struct forward_owed *owed, bool *gone)
{
	struct destination *d = due->d;
	bool new_ids = false;

	*gone = false;
	if (owed->body.p)
		return from_body(d, owed);
	if (owed->job && !has_new_ids(due, owed->job, &new_ids))
		return NULL;
	return reading_again(&d->reading, due->dl->view, owed, new_ids, gone, due->why);
}

/* Nobody can have it any more. */
static void
miss(struct due *due, const struct forward_owed *owed)
{
	struct item *item = item_new(due->d, (struct slice){"", 0}, (struct slice){NULL, 0});

	if (!item)
		return;
	item_owes(item, owed);
	lanes_drop(&due->d->lanes, owed->lane);
	figures_missed(due->dl->metrics, due->d, 1);
	due->d->row.missed++;
	due->d->changed = true;
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
		miss(due, owed);
	else
		due->failed = true;
	return !due->failed && !(due->one && due->loaded);
}

/* Rows in hand are due as well: as many more are asked for. */
static void
look_for_due(struct deliverer *dl, struct destination *d, uint64_t now_ms)
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

/* ---- what goes next ---- */

/* Another of its lane is to be answered first. */
static bool
is_held(const struct destination *d, const struct item *item)
{
	return item->owed.lane && (items_of_lane(&d->under_way, item->owed.lane) ||
					  items_of_lane(&d->waiting, item->owed.lane) != item);
}

static struct item *
ready(struct destination *d, bool probe, uint64_t now_ms, uint64_t *wakes_ms)
{
	for (struct item *item = d->waiting.first; item; item = item->next) {
		if (is_held(d, item))
			continue;
		if (probe || item->not_before_ms <= now_ms) {
			items_remove(&d->waiting, item);
			return item;
		}
		earlier(wakes_ms, item->not_before_ms);
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
			earlier(wakes_ms, pace_wakes_ms(&r->pace));
		else if (fill_replay(dl, r, now_ms)) {
			struct item *item = take_ahead(&r->reading);

			pace_take(&r->pace, item->events);
			return item;
		}
	}
	return NULL;
}

static struct item *
next_item(struct deliverer *dl, struct destination *d, bool probe, uint64_t *wakes_ms)
{
	const uint64_t now_ms = clock_mono_ms();
	struct item *item = ready(d, probe, now_ms, wakes_ms);
	const bool first = d->replays && ++d->turn % REPLAY_TURN == 0;

	if (!item && d->look_ms <= now_ms && dl->view) {
		look_for_due(dl, d, now_ms);
		item = ready(d, probe, now_ms, wakes_ms);
	}
	if (!item && first)
		item = next_of_replays(dl, d, now_ms, wakes_ms);
	if (!item && fill(dl, &d->reading, now_ms))
		item = take_ahead(&d->reading);
	if (!item && !first)
		item = next_of_replays(dl, d, now_ms, wakes_ms);
	earlier(wakes_ms, reading_wakes_ms(&d->reading));
	if (d->owing.count)
		earlier(wakes_ms, d->look_ms);
	return item;
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
static bool
put_behind(struct deliverer *dl, struct item *item)
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
static void
go_on(struct deliverer *dl, struct destination *d, uint64_t lane)
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

/* ---- it goes ---- */

static const char *
reason_of(const struct item *item, bool probe)
{
	if (item->ask)
		return "test";
	if (item->owed.job)
		return "replay";
	if (probe)
		return "probe";
	return item->owed.tries ? "retry" : "first";
}

/* X(room, what is written) */
struct heads {
	char id[BODY_ID + 16], timestamp[48], signature[STANDARD_SIGNATURES + 32];
	char attempt[48], reason[48], hops[32];
};

static const char out_of_order[] = "trotline-out-of-order: 1";

static bool
write_heads(struct heads *h, const struct item *item, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();
	char signature[STANDARD_SIGNATURES];

	if (!standard_keys_sign(item->to->keys, slice_of(item->id), now_ms / 1000, item->body,
		    now_ms, signature, why))
		return false;
	snprintf(h->id, sizeof h->id, "webhook-id: %s", item->id);
	snprintf(h->timestamp, sizeof h->timestamp, "webhook-timestamp: %" PRIu64, now_ms / 1000);
	snprintf(h->signature, sizeof h->signature, "webhook-signature: %s", signature);
	snprintf(h->attempt, sizeof h->attempt, "trotline-attempt: %" PRIu64, item->owed.tries);
	snprintf(h->reason, sizeof h->reason, "trotline-reason: %s", item->reason);
	snprintf(h->hops, sizeof h->hops, "trotline-hops: %" PRIu64, item->hops + 1);
	return true;
}

static void
send_item(struct deliverer *dl, struct item *item)
{
	struct destination *d = item->to;
	struct error why = {""};
	struct heads h;
	const char *lines[] = {"Content-Type: application/json", h.id, h.timestamp, h.signature,
		h.attempt, h.reason, h.hops, out_of_order};
	const size_t n = sizeof lines / sizeof *lines - !item->passes;

	item->post.to = &d->target;
	item->post.body = item->body;
	items_add(&d->under_way, item);
	dl->under_way++;
	if (write_heads(&h, item, &why) && posts_send(dl->posts, &item->post, lines, n, &why))
		return;
	item->post.trouble = CUT_OFF;
	item->post.status = 0;
	snprintf(item->post.cause, sizeof item->post.cause, "%.200s", why.text);
	deliver_answered(dl, &item->post);
}

static void
start(struct deliverer *dl, struct item *item, bool probe)
{
	item->reason = reason_of(item, probe);
	item->owed.tries++;
	if (!item->owed.began_ms)
		item->owed.began_ms = clock_wall_ms();
	dl->ledger->changed = true;
	send_item(dl, item);
}

static bool
may_send(const struct deliverer *dl, const struct destination *d)
{
	return !dl->stopping && !dl->ledger->stuck && !d->row.paused &&
	       dl->under_way < POSTS_MAX - 16;
}

static void
take_stock(struct deliverer *dl, struct destination *d)
{
	if (d->row.state != d->breaker.state) {
		d->row.state = d->breaker.state;
		d->row.state_ms = clock_wall_ms();
		d->changed = true;
	}
	if (d->reading.missed)
		figures_missed(dl->metrics, d, d->reading.missed);
	d->changed |= d->reading.missed > 0;
	d->row.missed += d->reading.missed;
	d->reading.missed = 0;
	dl->ledger->changed |= d->changed || reading_taken(&d->reading) != d->row.next;
}

/* A replay is over when all of it was sent once: what failed is owed, as everything is. */
static void
end_replays(struct deliverer *dl, struct destination *d)
{
	for (struct replay **at = &d->replays, *r; (r = *at);) {
		const struct reading *reading = &r->reading;
		const bool over =
			reading->pos >= reading->end && !reading->ahead.first && !reading->batch.n;

		if (r->row.state == FORWARD_JOB_RUNNING && over) {
			r->row.state = FORWARD_JOB_DONE;
			r->row.ended_ms = clock_wall_ms();
			log_info("replay done", LF_UINT("replay", r->row.id),
				LF_TEXT("destination", d->row.name));
		}
		r->row.missed += r->reading.missed;
		r->changed |= reading_taken(reading) != r->row.next || r->reading.missed;
		r->reading.missed = 0;
		dl->ledger->changed |= r->changed;
		at = &r->next;
	}
}

uint64_t
deliver_pump(struct deliverer *dl, struct destination *d)
{
	uint64_t wakes_ms = 0;
	bool probe = false;

	while (may_send(dl, d)) {
		const uint64_t now_ms = clock_mono_ms();
		const unsigned room = breaker_room(&d->breaker, now_ms, &probe);
		struct item *item;

		if (d->under_way.n >= room || !pace_allows(&d->pace, now_ms))
			break;
		item = next_item(dl, d, probe, &wakes_ms);
		if (!item)
			break;
		if (!item->kept && !item->in_lane && put_behind(dl, item))
			continue;
		pace_take(&d->pace, item->events);
		start(dl, item, probe);
	}
	take_stock(dl, d);
	end_replays(dl, d);
	earlier(&wakes_ms, breaker_wakes_ms(&d->breaker));
	earlier(&wakes_ms, pace_wakes_ms(&d->pace));
	return wakes_ms;
}

/* ---- it was answered ---- */

/* Others got through meanwhile, again and again: then it is the event's own fault, whatever was answered. */
static bool
is_alone(struct item *item)
{
	const uint64_t done = item->to->row.delivered;

	item->alone += item->owed.tries > 1 && done > item->done_then;
	item->done_then = done;
	return item->alone >= ALONE_MOST;
}

static void
wait_for_destination(struct destination *d, struct item *item)
{
	const unsigned n = item->alone < 6 ? item->alone : 6;
	const uint64_t wait_ms = (uint64_t)AGAIN_MS << n;

	item->not_before_ms = clock_mono_ms() + (wait_ms < AGAIN_MOST_MS ? wait_ms : AGAIN_MOST_MS);
	item->reason = NULL;
	if (d->breaker.state == FORWARD_DOWN || d->breaker.state == FORWARD_REFUSED)
		items_add_near(&d->waiting, item, PROBED - 1);
	else
		items_insert(&d->waiting, item);
}

/* In halves, by their numbers, so that one event never sinks the others. */
static void
split(struct deliverer *dl, struct item *item)
{
	const uint64_t middle = item->owed.first + (item->owed.last - item->owed.first) / 2;
	struct destination *d = item->to;
	struct forward_owed half[2] = {item->owed, item->owed};
	struct item *made[2];
	struct error why = {""};
	bool gone;

	half[0].last = middle;
	half[1].first = middle + 1;
	for (int i = 0; i < 2; i++) {
		made[i] = reading_again(&d->reading, dl->view, &half[i], false, &gone, &why);
		if (!made[i] && !gone) { /* later, as a whole */
			if (i)
				item_free(made[0]);
			return wait_for_destination(d, item);
		}
	}
	for (int i = 0; i < 2; i++)
		if (made[i]) {
			made[i]->kept = false;
			items_insert(&d->waiting, made[i]);
		}
	ledger_end(dl->ledger, item, ITEM_SETTLED);
}

static void
bury(struct deliverer *dl, struct item *item)
{
	struct destination *d = item->to;
	struct replay *r = destination_replay(d, item->owed.job);
	const uint64_t lane = item->owed.lane;

	item->owed.due_ms = clock_wall_ms();
	d->row.died += item->events;
	if (r)
		r->row.died += item->events, r->changed = true;
	d->owing.letters++;
	figures_dead(dl->metrics, d, item->post.trouble == NOT_ALLOWED);
	log_warn("given up", LF_TEXT("destination", d->row.name), LF_TEXT("id", item->id),
		LF_UINT("status", item->post.status), LF_TEXT("cause", item->post.cause));
	ledger_end(dl->ledger, item, ITEM_DEAD);
	go_on(dl, d, lane);
}

static void
blame(struct deliverer *dl, struct item *item, enum answer_class what)
{
	struct destination *d = item->to;
	uint64_t wait_ms;

	if (item->owed.first != item->owed.last)
		return split(dl, item);
	wait_ms = answer_wait_ms(
		what, d->cfg->retry_ms, d->cfg->retry_ms_count, ++item->owed.attempts, spread());
	if (!wait_ms)
		return bury(dl, item);
	item->owed.behind = false;
	item->owed.due_ms = clock_wall_ms() + wait_ms;
	d->owing.count++;
	earlier(&d->look_ms, clock_mono_ms() + wait_ms);
	if (!d->owing.due_ms || item->owed.due_ms < d->owing.due_ms)
		d->owing.due_ms = item->owed.due_ms;
	ledger_end(dl->ledger, item, ITEM_LATER);
}

static void
done(struct deliverer *dl, struct item *item)
{
	struct destination *d = item->to;
	struct replay *r = destination_replay(d, item->owed.job);
	const uint64_t lane = item->owed.lane;

	d->row.delivered += item->events;
	d->row.done_ms = clock_wall_ms();
	figures_done(dl->metrics, d, item->events);
	if (r)
		r->row.sent += item->events, r->changed = true;
	ledger_end(dl->ledger, item, ITEM_SETTLED);
	go_on(dl, d, lane);
}

static void
see_answer(struct destination *d, const struct item *item, enum answer_class what)
{
	const struct post *post = &item->post;
	const uint64_t now_ms = clock_wall_ms();
	const uint64_t wait_ms = answer_retry_after_ms(
		slice_of(post->retry_after), now_ms, d->cfg->retry_after_max_ms);

	d->changed = true;
	d->row.tried_ms = now_ms;
	d->row.status = post->status;
	if (post->status && what != ANSWER_DONE)
		snprintf(d->row.cause, sizeof d->row.cause, "answers %u", post->status);
	else
		snprintf(d->row.cause, sizeof d->row.cause, "%s", post->cause);
	snprintf(d->trouble, sizeof d->trouble, "%.60s",
		post->status ? d->row.cause : trouble_words[post->trouble]);
	if (!breaker_answer(
		    &d->breaker, what, item->owed.first, wait_ms, clock_mono_ms(), spread()))
		return;
	log_info("destination", LF_TEXT("destination", d->row.name),
		LF_TEXT("is", forward_state_words[d->breaker.state]),
		LF_TEXT("cause", d->row.cause));
	d->row.state = d->breaker.state;
	d->row.state_ms = now_ms;
}

static void
decide(struct deliverer *dl, struct item *item, enum answer_class what)
{
	struct destination *d = item->to;
	const bool well = d->breaker.state == FORWARD_UP || d->breaker.state == FORWARD_SLOW;

	if (what == ANSWER_DONE)
		done(dl, item);
	else if (what == ANSWER_GUARDED)
		bury(dl, item);
	else if (what == ANSWER_BAD || what == ANSWER_ERROR)
		blame(dl, item, what);
	else if (what != ANSWER_GONE && is_alone(item) && well)
		blame(dl, item, ANSWER_ERROR);
	else
		wait_for_destination(d, item);
}

void
deliver_answered(struct deliverer *dl, struct post *post)
{
	struct item *item = (struct item *)(void *)((char *)post - offsetof(struct item, post));
	const enum answer_class what = answer_class(post->trouble, post->status);
	struct destination *d = item->to;

	items_remove(&d->under_way, item);
	dl->under_way--;
	item->owed.status = post->status;
	ledger_note(dl->ledger, item, clock_wall_ms());
	if (item->ask)
		return ledger_end(dl->ledger, item, ITEM_SETTLED);
	figures_answer(dl->metrics, item, what);
	see_answer(d, item, what);
	decide(dl, item, what);
	if (d->owing.count >= FORWARD_OWED_MAX && breaker_overrun(&d->breaker, clock_mono_ms()))
		log_warn("too many events are tried again", LF_TEXT("destination", d->row.name));
}

/* ---- a test ---- */

static struct item *
invented(struct destination *d, uint64_t ask)
{
	static const char data[] = "{\"id\":\"evt_test_%" PRIu64
				   "\",\"type\":\"email_delivered\",\"test\":true,\"data\":"
				   "{\"email\":\"jo@example.com\"}}";
	char body[256];
	struct item *item;

	snprintf(body, sizeof body, data, ask);
	item = item_new(d, slice_of(body), slice_of("jo@example.com"));
	if (!item)
		return NULL;
	snprintf(item->id, sizeof item->id, "evt_test_%" PRIu64, ask);
	snprintf(item->type, sizeof item->type, "email_delivered");
	item->events = 1;
	return item;
}

/* One that is not there any more: that is the answer. */
static void
refuse_test(struct deliverer *dl, struct destination *d, uint64_t ask, const char *cause)
{
	struct item *item = invented(d, ask);

	if (!item)
		return;
	item->ask = ask;
	item->reason = "test";
	item->post.status = 0;
	snprintf(item->post.cause, sizeof item->post.cause, "%.200s", cause);
	ledger_note(dl->ledger, item, clock_wall_ms());
	ledger_end(dl->ledger, item, ITEM_SETTLED);
}

void
deliver_test(struct deliverer *dl, struct destination *d, uint64_t ask, uint64_t pos)
{
	const struct forward_owed owed = {.first = pos, .last = pos};
	struct error why = {"the history has no such event"};
	struct item *item = NULL;
	bool gone = false;

	if (!pos)
		item = invented(d, ask);
	else if (dl->view && reading_open(&d->reading, dl->view, NULL, &why))
		item = reading_again(&d->reading, dl->view, &owed, false, &gone, &why);
	if (!item)
		return refuse_test(dl, d, ask, why.text);
	item->ask = ask;
	item->kept = false;
	start(dl, item, false);
}
