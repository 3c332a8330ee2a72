/* history_look - see history_look.h. */
#include "history_look.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/field.h"
#include "lib/base/timestamp.h"
#include "lib/config/advice.h"

enum { ZONE_BYTES = 16384, DAY_MS = 86400000 };

static bool
is_off(const struct config *cfg, struct error *why)
{
	return error_set(why,
		"no history is kept: history.keep is 0s in %s; `history: {keep: 30d}` there keeps every "
		"event from the pipeline's next start on",
		cfg->path);
}

struct history_view *
history_look_open(const struct config *cfg, struct error *why)
{
	struct history_view *view;
	bool exists = true;
	char folder[4096], up[ADVICE_BYTES];

	if (!config_keeps_history(cfg)) {
		is_off(cfg, why);
		return NULL;
	}
	snprintf(folder, sizeof folder, "%s/history", cfg->data_dir);
	view = history_watch(folder, &exists, why);
	if (!view && !exists)
		error_set(why,
			"there is no history yet: it begins when the pipeline is started with it (%s)",
			advice(ADVICE_UP, NULL, cfg->path, up));
	return view;
}

/* ---- one event ---- */

/* A text, or a whole number as its text. */
static void
put_text_or_number(struct map *m, const char *key, const msgpack_object *value)
{
	char number[24];

	if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		snprintf(number, sizeof number, "%" PRIu64, value->via.u64);
		map_text(m, key, slice_of(number));
	} else
		map_text(m, key, value ? object_str(value) : (struct slice){NULL, 0});
}

bool
history_look_object(const struct history_event *event, const struct history_ask *ask,
	msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	static const char *const details[] = {"reason", "diagnostic", "url", NULL};
	const struct event *ev = event->event;
	const struct slice detail = field_str_of(&ev->data, details);
	struct map m = map_in(zone);
	char id[64];

	snprintf(id, sizeof id, "evt_%.*s_%" PRIu64, SLICE_ARG(ev->journal), ev->seq);
	map_uint(&m, "pos", event->pos);
	map_text(&m, "id", slice_of(id));
	map_text(&m, "event_type", ev->type);
	map_text(&m, "email", ev->email.p ? ev->email : field_str(&ev->data, "email"));
	map_time(&m, "timestamp", ev->ts);
	map_time(&m, "received_at", ev->received);
	map_text(&m, "source", ev->source);
	map_text(&m, "event_id", ev->id);
	put_text_or_number(&m, "message_id", field_get(&ev->data, "message_id"));
	put_text_or_number(&m, "campaign_id", field_get(&ev->data, "campaign_id"));
	map_text(&m, "batch_id", ev->batch);
	map_bool(&m, "machine", field_bool(&ev->data, "machine", false));
	map_text(&m, "detail", detail.n ? detail : (struct slice){NULL, 0});
	if (ask->marks) {
		map_nil(&m, "status");
		map_bool(&m, "late", false);
	}
	if (ask->whole)
		map_put(&m, "data", ev->data);
	*out = map_object(&m);
	return !m.short_of_memory || error_set(why, "out of memory");
}

/* ---- one after the other ---- */

struct walk {
	const struct history_ask *ask;
	history_look_visit *fn;
	void *arg;
	msgpack_zone zone;
	bool go_on, failed;
	struct error *why;
};

static bool
visit(void *arg, const struct history_event *event)
{
	struct walk *w = arg;
	msgpack_object object;

	msgpack_zone_clear(&w->zone);
	w->failed = !history_look_object(event, w->ask, &w->zone, &object, w->why);
	w->go_on = !w->failed && w->fn(w->arg, event, &object);
	return w->go_on;
}

/* Looks are short, so that nobody holds a file for long; one, or as many as it takes. */
static bool
walk(struct history_view *view, const struct history_query *q, struct walk *w, uint64_t *pos,
	struct history_told *told)
{
	const uint64_t budget_us = w->ask->budget_us;
	struct history_look look = {
		.pos = *pos, .budget_us = budget_us ? budget_us : HISTORY_LOOK_US};
	size_t left = w->ask->limit;
	uint64_t looked = 0;

	do {
		look.most = left;
		if (!history_find(view, q, &look, visit, w, w->why) || w->failed)
			return false;
		told->damaged += look.damaged;
		looked += look.looked;
		if (w->ask->on_step)
			w->ask->on_step(w->arg, looked);
		if (w->ask->limit)
			left -= look.found < left ? look.found : left;
	} while (!look.complete && w->go_on && !budget_us && (!w->ask->limit || left > 0));
	*pos = look.pos;
	told->complete = look.complete;
	return true;
}

/* ---- what is gone ---- */

static bool
take_time(void *arg, const struct history_event *event)
{
	*(uint64_t *)arg = event->event->received;
	return false;
}

/* When the oldest event was accepted, and its number; 0: there is none, or it cannot be told. */
static uint64_t
oldest(struct history_view *view, uint64_t *first)
{
	struct history_look look = {.most = 1};
	struct history_query *q =
		history_query(view, &(struct history_filter){.until_ms = 0}, NULL);
	uint64_t last, at_ms = 0;

	history_range(view, first, &last, NULL);
	look.pos = *first;
	if (q && look.pos)
		history_read(view, q, &look, take_time, &at_ms, NULL);
	history_query_free(&q);
	return at_ms;
}

bool
history_look_gone(struct history_view *view, const struct history_filter *filter, struct error *why)
{
	uint64_t first = 0;
	const uint64_t at_ms = filter->until_ms && !filter->happened ? oldest(view, &first) : 0;
	char text[TIMESTAMP_BYTES];

	if (!at_ms || filter->until_ms + (first > 1 ? 0 : DAY_MS) > at_ms)
		return false;
	error_set(why,
		"that time is gone, or was before there was a history: it goes back to %s "
		"(history.keep, history.max_size)",
		timestamp_text(at_ms, text));
	return true;
}

enum ops_found
history_look_each(struct history_view *view, const struct history_ask *ask, history_look_visit *fn,
	void *arg, struct history_told *told, struct error *why)
{
	struct walk w = {.ask = ask, .fn = fn, .arg = arg, .go_on = true, .why = why};
	struct history_query *q = history_query(view, &ask->filter, why);
	enum ops_found found = OPS_FOUND;
	uint64_t pos = 0;

	*told = (struct history_told){.complete = false};
	if (!q || (ask->cursor && !history_resume(q, slice_of(ask->cursor), &pos, why))) {
		history_query_free(&q);
		return OPS_WRONG;
	}
	if (history_look_gone(view, &ask->filter, why)) {
		history_query_free(&q);
		return OPS_NOT_FOUND;
	}
	msgpack_zone_init(&w.zone, ZONE_BYTES);
	if (!walk(view, q, &w, &pos, told))
		found = OPS_TROUBLE;
	else if (!told->complete)
		history_cursor(q, pos, told->cursor);
	msgpack_zone_destroy(&w.zone);
	history_query_free(&q);
	return found;
}

/* ---- as they come ---- */

static bool
follow(struct history_view *view, const struct history_query *q, struct walk *w,
	bool (*wait)(void *arg))
{
	struct history_look look = {.budget_us = HISTORY_LOOK_US};
	uint64_t first, last;

	if (!history_range(view, &first, &last, w->why))
		return false;
	look.pos = last + 1;
	while (w->go_on) {
		if (!history_read(view, q, &look, visit, w, w->why) || w->failed)
			return false;
		if (w->go_on && look.complete)
			w->go_on = wait(w->arg);
	}
	return true;
}

enum ops_found
history_look_follow(struct history_view *view, const struct history_ask *ask,
	history_look_visit *fn, void *arg, bool (*wait)(void *arg), struct error *why)
{
	struct walk w = {.ask = ask, .fn = fn, .arg = arg, .go_on = true, .why = why};
	struct history_query *q = history_query(view, &ask->filter, why);
	enum ops_found found = OPS_WRONG;

	msgpack_zone_init(&w.zone, ZONE_BYTES);
	if (q)
		found = follow(view, q, &w, wait) ? OPS_FOUND : OPS_TROUBLE;
	msgpack_zone_destroy(&w.zone);
	history_query_free(&q);
	return found;
}

/* ---- a page ---- */

struct page {
	struct list *events;
	size_t bytes;
};

/* A copy that shares nothing, of an object that was packed. */
static bool
keep_object(struct page *p, const msgpack_object *object, msgpack_object *out)
{
	msgpack_zone *zone = p->events->zone;
	msgpack_sbuffer packed;
	msgpack_packer pk;
	char *bytes;
	bool good;

	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&pk, &packed, msgpack_sbuffer_write);
	good = msgpack_pack_object(&pk, *object) == 0 && packed.size;
	bytes = good ? msgpack_zone_malloc_no_align(zone, packed.size) : NULL;
	if (bytes)
		memcpy(bytes, packed.data, packed.size);
	p->bytes += packed.size;
	good = bytes &&
	       msgpack_unpack(bytes, packed.size, NULL, zone, out) == MSGPACK_UNPACK_SUCCESS;
	msgpack_sbuffer_destroy(&packed);
	return good;
}

static bool
add_event(void *arg, const struct history_event *event, const msgpack_object *object)
{
	struct page *p = arg;
	msgpack_object kept;

	(void)event;
	if (keep_object(p, object, &kept))
		list_add(p->events, kept);
	else
		p->events->short_of_memory = true;
	return !p->events->short_of_memory && p->bytes < HISTORY_PAGE_BYTES;
}

enum ops_found
history_look_page(struct history_view *view, const struct history_ask *ask, struct list *events,
	struct history_told *told, struct error *why)
{
	struct history_ask page = *ask;
	struct page p = {.events = events};
	enum ops_found found;

	page.limit = ask->limit ? ask->limit : HISTORY_PAGE;
	page.budget_us = ask->budget_us ? ask->budget_us : HISTORY_LOOK_US;
	found = history_look_each(view, &page, add_event, &p, told, why);
	if (found == OPS_FOUND && events->short_of_memory) {
		error_set(why, "out of memory");
		return OPS_TROUBLE;
	}
	return found;
}

void
history_told_put(const struct history_told *told, struct map *m)
{
	map_bool(m, "complete", told->complete);
	map_text(m, "cursor", *told->cursor ? slice_of(told->cursor) : (struct slice){NULL, 0});
	map_uint(m, "damaged_files", told->damaged);
}

enum ops_found
history_look_answer(struct history_view *view, const struct history_ask *ask, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct list events = list_in(zone);
	struct map m = map_in(zone);
	struct history_told told;
	enum ops_found found = history_look_page(view, ask, &events, &told, why);

	if (found != OPS_FOUND)
		return found;
	map_put(&m, "events", list_object(&events));
	history_told_put(&told, &m);
	*out = map_object(&m);
	return OPS_FOUND;
}
