/* judge - see judge.h. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>

#include "due.h"
#include "figures.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { FULL_MS = 3600000, AGAIN_MS = 1000, AGAIN_MOST_MS = 60000, PROBED = 8, ALONE_MOST = 2 };

static double
spread(void)
{
	return (double)random() / (double)RAND_MAX;
}

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
	if (d->breaker.state == FORWARD_DOWN || d->breaker.state == FORWARD_REFUSED ||
		d->breaker.gone_ms) /* another is to be asked about then */
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
	const struct replay *r = destination_replay(d, item->owed.job);
	struct forward_owed half[2] = {item->owed, item->owed};
	struct item *made[2];
	struct error why = {""};
	bool gone;

	half[0].last = middle;
	half[1].first = middle + 1;
	for (int i = 0; i < 2; i++) {
		made[i] = reading_again(
			&d->reading, dl->view, &half[i], r && r->row.new_ids, &gone, &why);
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
	due_next(dl, d, lane);
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
	if (!wait_ms && d->owing.letters < FORWARD_LETTERS_MAX)
		return bury(dl, item);
	if (!wait_ms) /* there is no room for another letter */
		wait_ms = FULL_MS;
	item->owed.behind = false;
	item->owed.due_ms = clock_wall_ms() + wait_ms;
	d->owing.count++;
	wake_at(&d->look_ms, clock_mono_ms() + wait_ms);
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
	due_next(dl, d, lane);
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
	if (post->status)
		answer_words(post->status, d->trouble);
	else
		snprintf(d->trouble, sizeof d->trouble, "%s", trouble_words[post->trouble]);
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
	else if (destination_has_stopped(d, item->owed.job))
		ledger_end(dl->ledger, item, ITEM_SETTLED);
	else if (what == ANSWER_GUARDED && d->owing.letters < FORWARD_LETTERS_MAX)
		bury(dl, item);
	else if (what == ANSWER_BAD || what == ANSWER_ERROR)
		blame(dl, item, what);
	else if (is_alone(item) && well)
		blame(dl, item, ANSWER_ERROR);
	else
		wait_for_destination(d, item);
}

void
judge_answer(struct deliverer *dl, struct item *item)
{
	const enum answer_class what = answer_class(item->post.trouble, item->post.status);
	struct destination *d = item->to;

	item->owed.status = item->post.status;
	figures_answer(dl->metrics, item, what);
	see_answer(d, item, what);
	decide(dl, item, what);
	if (d->owing.count >= FORWARD_OWED_MAX && breaker_overrun(&d->breaker, clock_mono_ms()))
		log_warn("too many events are tried again", LF_TEXT("destination", d->row.name));
}
