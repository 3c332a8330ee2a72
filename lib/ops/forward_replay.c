/* forward_replay - see forward_replay.h. */
#include "forward_replay.h"

#include <stdio.h>

#include "history_look.h"
#include "lib/base/field.h"
#include "lib/config/advice.h"

/* Its own memory ends before the history's may: what it has applied and forgotten it would apply again. */
static bool
is_handler(const struct forward_look *l, const char *to, struct error *why)
{
	char list[ADVICE_BYTES];

	for (size_t i = 0; i < l->cfg->handlers_count; i++)
		if (strcmp(l->cfg->handlers[i].name, to) == 0) {
			error_set(why,
				"%s is a handler: it forgets after 30 days what it has applied, and the history may go "
				"back further, so a replay could apply an event twice; replays go to destinations "
				"(%s)",
				to, advice(ADVICE_FORWARD_LIST, NULL, l->cfg->path, list));
			return true;
		}
	return false;
}

enum ops_found
forward_replay_check(const struct forward_look *l, const char *to, bool *kept, struct error *why)
{
	struct error handler = {""};
	const enum ops_found found = forward_look_name(l, to, kept, why);

	if (found != OPS_NOT_FOUND || !is_handler(l, to, &handler))
		return found;
	*why = handler;
	return OPS_WRONG;
}

/* ---- counting ---- */

struct counting {
	const struct config_forward *own; /* NULL: out of the configuration */
	struct replay_told *told;
	bool over;
};

static bool
count_one(void *arg, const struct history_event *event)
{
	struct counting *c = arg;
	struct replay_told *told = c->told;
	const struct event *ev = event->event;

	if (event->pos >= told->end) {
		c->over = true;
		return false;
	}
	if (c->own && !config_forward_wants(c->own, ev->type, ev->source,
			      field_bool(&ev->data, "machine", false)))
		return true;
	if (told->count++ == 0) {
		told->begin = event->pos;
		told->first_ms = ev->received;
	}
	told->last_ms = ev->received;
	told->bytes += event->frame.n;
	tally_add(&told->types, ev->type, 1);
	return true;
}

/* Looks are short, so that nobody holds a file for long. */
static bool
count_all(struct forward_look *l, const struct replay_ask *ask, const struct history_query *q,
	struct counting *c, struct error *why)
{
	struct history_look look = {.pos = 0, .budget_us = HISTORY_LOOK_US};
	bool more = true;
	uint64_t looked = 0;

	do {
		if (!history_read(l->view, q, &look, count_one, c, why))
			return false;
		c->told->damaged += look.damaged;
		looked += look.looked;
		more = !look.complete && !c->over && (!ask->step || ask->step(ask->arg, looked));
	} while (more);
	return true;
}

enum ops_found
forward_replay_count(struct forward_look *l, const struct replay_ask *ask, struct replay_told *told,
	struct error *why)
{
	struct counting c = {.own = config_forward_find(l->cfg, ask->to), .told = told};
	struct history_query *q;
	bool good;

	*told = (struct replay_told){.begin = l->last + 1, .end = l->last + 1};
	told->pace = ask->rate ? ask->rate : forward_look_pace(l, ask->to);
	if (!l->view)
		return OPS_FOUND;
	if (history_look_gone(l->view, &ask->filter, why))
		return OPS_NOT_FOUND;
	q = history_query(l->view, &ask->filter, why);
	if (!q)
		return OPS_WRONG;
	good = count_all(l, ask, q, &c, why);
	history_query_free(&q);
	return good ? OPS_FOUND : OPS_TROUBLE;
}

bool
forward_replay_object(const struct replay_ask *ask, struct replay_told *told, msgpack_zone *zone,
	msgpack_object *out)
{
	struct map m = map_in(zone);

	map_text(&m, "to", slice_of(ask->to));
	map_uint(&m, "count", told->count);
	map_uint(&m, "bytes", told->bytes);
	map_time(&m, "first", told->first_ms);
	map_time(&m, "last", told->last_ms);
	map_put(&m, "by_type", tally_object(&told->types, "event_type", TALLY_ROWS, zone));
	map_bool(&m, "new_ids", ask->new_ids);
	if (told->pace) {
		map_uint(&m, "events_per_second", told->pace);
		map_uint(&m, "seconds", (told->count + told->pace - 1) / told->pace);
	} else {
		map_nil(&m, "events_per_second");
		map_nil(&m, "seconds");
	}
	*out = map_object(&m);
	return !m.short_of_memory;
}

/* ---- the job ---- */

enum ops_found
forward_replay_make(struct forward_look *l, const struct replay_ask *ask,
	const struct replay_told *told, uint64_t *id, struct error *why)
{
	struct forward_job job = {.state = FORWARD_JOB_RUNNING,
		.email = ask->filter.email,
		.type = ask->filter.type,
		.source = ask->filter.source,
		.since_ms = ask->filter.since_ms,
		.until_ms = ask->filter.until_ms,
		.next = told->begin,
		.begin = told->begin,
		.end = told->end,
		.rate = ask->rate,
		.new_ids = ask->new_ids,
		.meant = told->count};

	snprintf(job.name, sizeof job.name, "%s", ask->to);
	if (!l->store || !forward_job_make(l->store, &job, why))
		return OPS_TROUBLE;
	*id = job.id;
	return OPS_FOUND;
}
