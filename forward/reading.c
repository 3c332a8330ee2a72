/* reading - see reading.h. */
#include "reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"

/* A file that cannot be read may be soon: descriptors, memory or the disk may have been short for a while. */
enum { READ_MOST = 1024, AGAIN_MS = 1000, BROKEN_MS = 60000, HEALED_MS = 600000 };

bool
reading_open(struct reading *r, struct history_view *view, const struct history_filter *filter,
	struct error *why)
{
	const struct history_filter all = {.until_ms = 0};

	if (!r->query)
		r->query = history_query(view, filter ? filter : &all, why);
	return r->query != NULL;
}

void
reading_close(struct reading *r)
{
	history_query_free(&r->query);
	items_clear(&r->ahead);
	msgpack_sbuffer_destroy(&r->batch.body);
	memset(&r->batch, 0, sizeof r->batch);
}

/* ---- items ---- */

static struct slice
email_of(const struct event *ev)
{
	return ev->email.p ? ev->email : field_str(&ev->data, "email");
}

static struct item *
make(struct reading *r, struct slice body, struct slice email, uint64_t first, uint64_t last)
{
	struct item *item = item_new(r->to, body, email);

	if (!item)
		return NULL;
	item->events = 1;
	item->owed.job = r->job;
	item->owed.first = first;
	item->owed.last = last;
	return item;
}

/* Told apart for who drops ids that he knows. */
static void
mark_replay(const struct reading *r, struct item *item)
{
	const size_t n = strlen(item->id);

	if (r->new_ids)
		snprintf(item->id + n, sizeof item->id - n, "_%" PRIu64, item->owed.job);
}

static struct item *
item_of_event(struct reading *r, const struct history_event *event, struct error *why)
{
	msgpack_sbuffer body = {0};
	struct item *item = NULL;

	if (body_write(event->event, event->pos, r->cfg->data, &body, why)) {
		item = make(r, (struct slice){body.data, body.size}, email_of(event->event),
			event->pos, event->pos);
		if (!item)
			error_set(why, "out of memory");
	}
	msgpack_sbuffer_destroy(&body);
	if (!item)
		return NULL;
	body_id(event->event, item->id);
	mark_replay(r, item);
	snprintf(item->type, sizeof item->type, "%.*s", SLICE_ARG(event->event->type));
	item->hops = body_hops(event->event);
	if (r->cfg->order == FORWARD_BY_RECIPIENT)
		item->owed.lane = body_lane(event->event);
	return item;
}

/* ---- batches ---- */

#define BY_CUT UINT64_MAX /* batch_events of one that is owed */

static bool
batch_add(struct reading *r, const struct history_event *event, uint64_t now_ms, struct error *why)
{
	const uint64_t hops = body_hops(event->event);

	if (msgpack_sbuffer_write(&r->batch.body, r->batch.n ? "," : "[", 1) != 0 ||
		!body_write(event->event, event->pos, r->cfg->data, &r->batch.body, why))
		return error_set(why, "out of memory");
	if (r->batch.n++ == 0) {
		r->batch.first = event->pos;
		r->batch.began_ms = now_ms;
		r->batch.hops = 0;
	}
	r->batch.last = event->pos;
	r->batch.hops = hops > r->batch.hops ? hops : r->batch.hops;
	return true;
}

/* What is in it becomes an item; NULL: memory is short, and it stays. */
static struct item *
batch_close(struct reading *r, struct error *why)
{
	struct item *item = NULL;

	if (msgpack_sbuffer_write(&r->batch.body, "]", 1) == 0)
		item = make(r, (struct slice){r->batch.body.data, r->batch.body.size},
			(struct slice){NULL, 0}, r->batch.first, r->batch.last);
	if (!item) {
		error_set(why, "out of memory");
		return NULL;
	}
	item->events = r->batch.n;
	item->hops = r->batch.hops;
	snprintf(item->id, sizeof item->id, "bat_%" PRIu64 "_%" PRIu64, r->batch.first,
		r->batch.last);
	mark_replay(r, item);
	snprintf(item->type, sizeof item->type, "batch");
	msgpack_sbuffer_clear(&r->batch.body);
	r->batch.n = 0;
	return item;
}

/* Of a cut that is owed the cut alone says where it ends. */
static bool
batch_is_due(const struct reading *r, uint64_t now_ms)
{
	if (r->cfg->batch_events == BY_CUT)
		return false;
	return r->batch.n >= r->cfg->batch_events || r->batch.body.size >= BATCH_BYTES ||
	       (r->batch.n && r->at_end &&
		       (r->end || now_ms - r->batch.began_ms >= r->cfg->batch_wait_ms));
}

/* ---- from the history ---- */

struct filling {
	struct reading *r;
	const struct history_look *look;
	uint64_t now_ms;
	uint64_t next, failed; /* behind the last one that was taken; the one that could not be */
	struct error *why;
};

/* One file cannot be read, and not for so long that what is in it is given up. */
static bool
is_broken(struct reading *r, const struct history_look *look)
{
	const uint64_t now_ms = clock_mono_ms();

	if (!look->damaged)
		return false;
	if (!r->broken_ms || now_ms - r->broken_ms > HEALED_MS)
		r->broken_ms = now_ms;
	return now_ms - r->broken_ms < BROKEN_MS;
}

static bool
add_item(struct reading *r, struct item *item)
{
	if (item)
		items_add(&r->ahead, item);
	return item != NULL;
}

static bool
take(struct filling *f, const struct history_event *event)
{
	struct reading *r = f->r;

	if (r->cfg->batch_events <= 1)
		return add_item(r, item_of_event(r, event, f->why));
	return batch_add(r, event, f->now_ms, f->why) &&
	       (!batch_is_due(r, f->now_ms) || add_item(r, batch_close(r, f->why)));
}

static bool
has_room(const struct reading *r)
{
	return r->ahead.n < AHEAD_ITEMS &&
	       r->ahead.bytes + r->batch.body.size <
		       AHEAD_BYTES + (r->cfg->batch_events > 1 ? BATCH_BYTES : 0);
}

static bool
visit(void *arg, const struct history_event *event)
{
	struct filling *f = arg;

	if ((f->r->end && event->pos >= f->r->end) || is_broken(f->r, f->look))
		return false;
	if (body_wanted(f->r->cfg, event->event) && !take(f, event)) {
		f->failed = event->pos;
		return false;
	}
	f->next = event->pos + 1;
	return has_room(f->r);
}

/* What is behind a file that cannot be read is read once it can. */
static bool
read_on(struct reading *r, struct history_view *view, uint64_t now_ms, struct error *why)
{
	struct history_look look = {.pos = r->pos, .most = READ_MOST, .budget_us = READ_US};
	struct filling f = {.r = r, .look = &look, .now_ms = now_ms, .next = r->pos, .why = why};

	if (!history_read(view, r->query, &look, visit, &f, why))
		return false;
	if (is_broken(r, &look)) {
		r->pos = f.next;
		return false;
	}
	r->missed += look.missed;
	r->pos = f.failed ? f.failed : look.pos;
	r->at_end = look.complete;
	return !f.failed;
}

bool
reading_fill(struct reading *r, struct history_view *view, uint64_t now_ms, struct error *why)
{
	if (clock_mono_ms() < r->again_ms)
		return true;
	if (!r->at_end && has_room(r) && !(r->end && r->pos >= r->end) &&
		!read_on(r, view, now_ms, why)) {
		r->again_ms = clock_mono_ms() + AGAIN_MS;
		return false;
	}
	if (r->end && r->pos >= r->end) {
		r->pos = r->end;
		r->at_end = true;
	}
	return !batch_is_due(r, now_ms) || add_item(r, batch_close(r, why));
}

uint64_t
reading_taken(const struct reading *r)
{
	if (r->ahead.first)
		return r->ahead.first->owed.first;
	return r->batch.n ? r->batch.first : r->pos;
}

uint64_t
reading_goes_on_ms(const struct reading *r, uint64_t now_ms)
{
	if (!r->query || r->at_end || r->ahead.first)
		return 0;
	return r->again_ms > now_ms ? r->again_ms : now_ms + 1;
}

uint64_t
reading_wakes_ms(const struct reading *r)
{
	return r->batch.n ? r->batch.began_ms + r->cfg->batch_wait_ms : 0;
}

/* ---- once more ---- */

struct again {
	struct reading r; /* for this alone: what is ahead elsewhere stays */
	uint64_t last;
	bool failed;
	struct error *why;
};

static bool
visit_again(void *arg, const struct history_event *event)
{
	struct again *a = arg;
	struct filling f = {.r = &a->r, .why = a->why};

	if (event->pos > a->last)
		return false;
	a->failed = body_wanted(a->r.cfg, event->event) && !take(&f, event);
	return !a->failed && event->pos < a->last;
}

/* A batch is as it was when it first went: its cut and no other bound decides. */
static void
set_cut(struct again *a, struct config_forward *cfg, const struct forward_owed *owed)
{
	a->last = owed->last;
	a->r.batch.began_ms = 0;
	*cfg = *a->r.cfg;
	cfg->batch_events = cfg->batch_events > 1 || owed->first != owed->last ? BY_CUT : 1;
	a->r.cfg = cfg;
}

struct item *
reading_again(struct reading *r, struct history_view *view, const struct forward_owed *owed,
	bool new_ids, bool *gone, struct error *why)
{
	struct history_look look = {.pos = owed->first};
	struct again a = {.r = {.cfg = r->cfg, .to = r->to, .job = owed->job, .new_ids = new_ids},
		.why = why};
	const uint64_t events = owed->last - owed->first + 1;
	struct config_forward cfg;
	struct item *item = NULL;
	bool good;

	*gone = false;
	if (!reading_open(r, view, NULL, why))
		return NULL;
	set_cut(&a, &cfg, owed);
	good = history_read(view, r->query, &look, visit_again, &a, why) && !a.failed &&
	       !is_broken(r, &look);
	if (good && a.r.batch.n)
		good = add_item(&a.r, batch_close(&a.r, why));
	if (good && (item = a.r.ahead.first)) {
		items_remove(&a.r.ahead, item);
		item_owes(item, owed);
	}
	*gone = good && !item;
	if (*gone)
		r->missed += look.missed < events ? look.missed : events;
	reading_close(&a.r);
	return item;
}
