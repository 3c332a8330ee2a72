/* history_look - see history_look.h. */
#include "history_look.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/field.h"
#include "lib/base/map.h"

enum { LOOK_US = 500000, ZONE_BYTES = 16384 };

struct history_view *
history_look_open(const struct config *cfg, struct error *why)
{
	struct history_view *view;
	bool exists = true;
	char folder[4096];

	if (!cfg->history.keep_ms) {
		error_set(why, "no history is kept: history.keep is 0s");
		return NULL;
	}
	snprintf(folder, sizeof folder, "%s/history", cfg->data_dir);
	view = history_watch(folder, &exists, why);
	if (!view && !exists)
		error_set(why, "nothing is in the history yet");
	return view;
}

bool
history_look_object(const struct history_event *event, bool whole, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	const struct event *ev = event->event;
	struct map m = map_in(zone);
	char id[64];

	snprintf(id, sizeof id, "evt_%.*s_%" PRIu64, SLICE_ARG(ev->journal), ev->seq);
	map_uint(&m, "pos", event->pos);
	map_text(&m, "id", slice_of(id));
	map_text(&m, "event_type", ev->type);
	map_text(&m, "email", ev->email);
	map_time(&m, "timestamp", ev->ts);
	map_time(&m, "received_at", ev->received);
	map_text(&m, "source", ev->source);
	map_text(&m, "event_id", ev->id);
	map_text(&m, "message_id", field_str(&ev->data, "message_id"));
	map_text(&m, "batch_id", ev->batch);
	if (whole)
		map_put(&m, "data", ev->data);
	*out = map_object(&m);
	return !m.short_of_memory || error_set(why, "out of memory");
}

struct walk {
	const struct history_ask *ask;
	history_look_visit *fn;
	void *arg;
	msgpack_zone zone;
	bool go_on;
	struct error *why;
	bool failed;
};

static bool
visit(void *arg, const struct history_event *event)
{
	struct walk *w = arg;
	msgpack_object object;

	msgpack_zone_clear(&w->zone);
	w->failed = !history_look_object(event, w->ask->whole, &w->zone, &object, w->why);
	w->go_on = !w->failed && w->fn(w->arg, &object);
	return w->go_on;
}

/* Looks are short, so that nobody holds a file for long; as many as it takes. */
static bool
walk(struct history_view *view, const struct history_query *q, struct walk *w, uint64_t *pos,
	bool *complete)
{
	struct history_look look = {.pos = *pos, .budget_us = LOOK_US};
	size_t left = w->ask->limit;

	do {
		look.most = left;
		if (!history_find(view, q, &look, visit, w, w->why) || w->failed)
			return false;
		if (w->ask->limit)
			left -= look.found < left ? look.found : left;
	} while (!look.complete && w->go_on && (!w->ask->limit || left > 0));
	*pos = look.pos;
	*complete = look.complete;
	return true;
}

enum ops_found
history_look_each(struct history_view *view, const struct history_ask *ask, history_look_visit *fn,
	void *arg, char cursor[HISTORY_CURSOR_ROOM], struct error *why)
{
	struct walk w = {.ask = ask, .fn = fn, .arg = arg, .go_on = true, .why = why};
	struct history_query *q = history_query(view, &ask->filter, why);
	enum ops_found found = OPS_FOUND;
	bool complete = false;
	uint64_t pos = 0;

	*cursor = 0;
	if (!q || (ask->cursor && !history_resume(q, slice_of(ask->cursor), &pos, why))) {
		history_query_free(&q);
		return OPS_WRONG;
	}
	msgpack_zone_init(&w.zone, ZONE_BYTES);
	if (!walk(view, q, &w, &pos, &complete))
		found = OPS_TROUBLE;
	else if (!complete)
		history_cursor(q, pos, cursor);
	msgpack_zone_destroy(&w.zone);
	history_query_free(&q);
	return found;
}
