/* deliver - see deliver.h. */
#include "deliver.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "due.h"
#include "figures.h"
#include "judge.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/map.h"

/* ---- it goes ---- */

static const char *
reason_of(const struct item *item, bool probe)
{
	if (item->ask)
		return "test";
	if (item->owed.job || item->letter)
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
	return !dl->stopping && !ledger_is_full(dl->ledger) && !d->row.paused &&
	       dl->under_way < CONFIG_FORWARD_CONCURRENCY;
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
	for (struct replay *r = d->replays; r; r = r->next) {
		const struct reading *reading = &r->reading;
		const bool over =
			reading->pos >= reading->end && !reading->ahead.first && !reading->batch.n;

		if (r->row.state == FORWARD_JOB_RUNNING && over) {
			r->row.state = FORWARD_JOB_DONE;
			reading_close(&r->reading);
			r->row.ended_ms = clock_wall_ms();
			r->changed = true;
			log_info("replay done", LF_UINT("replay", r->row.id),
				LF_TEXT("destination", d->row.name));
		}
		r->row.missed += r->reading.missed;
		r->changed |= reading_taken(reading) != r->row.next || r->reading.missed;
		r->reading.missed = 0;
		dl->ledger->changed |= r->changed;
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
		item = choose_next(dl, d, probe, &wakes_ms);
		if (!item)
			break;
		if (!item->kept && !item->in_lane && due_behind(dl, item))
			continue;
		pace_take(&d->pace, item->events);
		start(dl, item, probe);
	}
	take_stock(dl, d);
	end_replays(dl, d);
	wake_at(&wakes_ms, breaker_wakes_ms(&d->breaker));
	wake_at(&wakes_ms, pace_wakes_ms(&d->pace));
	return wakes_ms;
}

void
deliver_answered(struct deliverer *dl, struct post *post)
{
	struct item *item = (struct item *)(void *)((char *)post - offsetof(struct item, post));

	items_remove(&item->to->under_way, item);
	dl->under_way--;
	ledger_note(dl->ledger, item, clock_wall_ms());
	if (item->ask)
		ledger_end(dl->ledger, item, ITEM_SETTLED);
	else
		judge_answer(dl, item);
}

/* ---- a test ---- */

/* As every event is, but for its number and its data. */
static bool
write_invented(uint64_t ask, uint64_t data, msgpack_sbuffer *body, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();
	const struct event ev = {
		.seq = ask,
		.journal = slice_of("test"),
		.source = slice_of("test"),
		.type = slice_of("email_delivered"),
		.id = slice_of("test"),
		.email = slice_of("jo@example.com"),
		.ts = now_ms,
		.received = now_ms,
		.data = {.type = MSGPACK_OBJECT_MAP,
			.via.map = {2,
				(msgpack_object_kv[]){
					{object_of_text(slice_of("email")),
						object_of_text(slice_of("jo@example.com"))},
					{object_of_text(slice_of("test")), object_of_bool(true)},
				}}},
	};

	return body_write(&ev, 0, data, body, why);
}

static struct item *
invented(struct destination *d, uint64_t ask)
{
	msgpack_sbuffer body = {0};
	struct error why = {""};
	struct item *item = NULL;

	if (write_invented(ask, d->cfg->data, &body, &why))
		item = item_new(
			d, (struct slice){body.data, body.size}, slice_of("jo@example.com"));
	msgpack_sbuffer_destroy(&body);
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

/* Whether the destination wants it or not: an operator does. */
static struct item *
of_history(struct deliverer *dl, struct destination *d, uint64_t pos, struct error *why)
{
	const struct forward_owed owed = {.first = pos, .last = pos};
	struct config_forward any = *d->cfg;
	struct reading reading = {.cfg = &any, .to = d};
	struct item *item = NULL;
	bool gone;

	any.types_count = any.sources_count = 0;
	any.machine = true;
	if (dl->view)
		item = reading_again(&reading, dl->view, &owed, false, &gone, why);
	reading_close(&reading);
	return item;
}

void
deliver_test(struct deliverer *dl, struct destination *d, uint64_t ask, uint64_t pos)
{
	struct error why = {"the history has no such event"};
	struct item *item = pos ? of_history(dl, d, pos, &why) : invented(d, ask);

	if (!item)
		return refuse_test(dl, d, ask, why.text);
	item->ask = ask;
	item->kept = false;
	start(dl, item, false);
}
