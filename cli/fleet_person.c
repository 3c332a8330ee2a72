/* fleet_person - all that the nodes know of an address, as one page: `trotline person ADDRESS --fleet`.
 *
 * In: the page of each (lib/ops/person.h). Out: events, what waits and dead letters of all, each with its node;
 * the path of each message over all of them. The state is told once where they share a database, else as each
 * has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"
#include "lib/base/field.h"
#include "lib/base/object.h"
#include "looking.h"
#include "person.h"

static const char *const of_state[] = {"suppression", "consents", "score", "counters", NULL};
static const char *const of_bounds[] = {
	"waiting_complete", "dead_letters_complete", "complete", NULL};

/* ---- lists of all nodes ---- */

static const msgpack_object_array *
rows_of(const msgpack_object *page, const char *key)
{
	static const msgpack_object_array none = {0, NULL};
	const msgpack_object *list = field_get(page, key);

	return list && list->type == MSGPACK_OBJECT_ARRAY ? &list->via.array : &none;
}

/* Times of one form are in order as texts. */
static int
compare_times(struct slice x, struct slice y)
{
	const int order = memcmp(x.n ? x.p : "", y.n ? y.p : "", x.n < y.n ? x.n : y.n);

	return order ? order : (x.n > y.n) - (x.n < y.n);
}

static int
compare_at(const void *a, const void *b)
{
	return compare_times(field_str(a, "timestamp"), field_str(b, "timestamp"));
}

static int
compare_back(const void *a, const void *b)
{
	return compare_at(b, a);
}

static struct list
joined(struct fleet *f, const char *key)
{
	struct list all = list_in(&f->zone);

	for (size_t i = 0; i < f->n; i++) {
		const msgpack_object_array *rows = rows_of(&f->list[i].answer, key);

		for (uint32_t k = 0; fleet_answered(&f->list[i]) && k < rows->size; k++)
			list_add(&all, fleet_named(&f->list[i], &rows->ptr[k], &f->zone));
	}
	return all;
}

/* ---- a message's path ---- */

static bool
is_about(const msgpack_object *group, struct slice message)
{
	const struct slice own = field_str(group, "message_id");

	return own.p && slice_eq(own, message);
}

static bool
is_told(const struct list *done, struct slice message)
{
	for (uint32_t i = 0; i < done->n; i++)
		if (is_about(&done->items[i], message))
			return true;
	return false;
}

/* What the node says whose state changed last, with the steps of all. */
static msgpack_object
join_message(struct fleet *f, const struct list *groups, struct slice message)
{
	const msgpack_object *best = NULL;
	struct list path = list_in(&f->zone);
	struct map m = map_in(&f->zone);

	for (uint32_t i = 0; i < groups->n; i++) {
		const msgpack_object *group = &groups->items[i];
		const msgpack_object_array *steps = rows_of(group, "path");

		if (!is_about(group, message))
			continue;
		for (uint32_t k = 0; k < steps->size; k++)
			list_add(&path, steps->ptr[k]);
		if (!best || compare_times(field_str(best, "status_at"),
				     field_str(group, "status_at")) < 0)
			best = group;
	}
	if (path.n)
		qsort(path.items, path.n, sizeof *path.items, compare_at);
	for (uint32_t i = 0; best && i < best->via.map.size; i++) {
		const struct slice key = slice_in(&f->zone, object_str(&best->via.map.ptr[i].key));

		if (key.p && strcmp(key.p, "path") != 0 && strcmp(key.p, "node") != 0)
			map_put(&m, key.p, best->via.map.ptr[i].val);
	}
	map_put(&m, "path", list_object(&path));
	return map_object(&m);
}

static struct list
join_messages(struct fleet *f)
{
	const struct list groups = joined(f, "messages");
	struct list all = list_in(&f->zone);

	for (uint32_t i = 0; i < groups.n; i++) {
		const struct slice message = field_str(&groups.items[i], "message_id");

		if (message.p && !is_told(&all, message))
			list_add(&all, join_message(f, &groups, message));
	}
	return all;
}

/* ---- the page ---- */

static void
put_state(struct map *m, const msgpack_object *page)
{
	for (size_t i = 0; of_state[i]; i++) {
		const msgpack_object *value = field_get(page, of_state[i]);

		if (value)
			map_put(m, of_state[i], *value);
	}
}

static void
put_states(struct fleet *f, struct map *all, const struct fleet_node *first)
{
	struct list states = list_in(&f->zone);

	if (f->cfg->database.kind == DATABASE_POSTGRESQL) {
		put_state(all, &first->answer);
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		struct map m = map_in(&f->zone);

		if (!fleet_answered(&f->list[i]))
			continue;
		map_text(&m, "node", slice_of(f->list[i].name));
		put_state(&m, &f->list[i].answer);
		list_add(&states, map_object(&m));
	}
	map_put(all, "states", list_object(&states));
}

static void
put_bounds(struct fleet *f, struct map *m)
{
	for (size_t i = 0; of_bounds[i]; i++) {
		bool whole = true;

		for (size_t k = 0; k < f->n; k++)
			whole &= f->list[k].status == 404 ||
				 (fleet_answered(&f->list[k]) &&
					 field_bool(&f->list[k].answer, of_bounds[i], true));
		map_bool(m, of_bounds[i], whole);
	}
}

static msgpack_object
node_object(const struct fleet_node *node, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	if (!fleet_answered(node) && node->status != 404)
		return fleet_silent_object(node, zone);
	map_text(&m, "node", slice_of(node->name));
	map_bool(&m, "known", fleet_answered(node));
	if (fleet_answered(node))
		map_text(&m, "cursor", field_str(&node->answer, "cursor"));
	return map_object(&m);
}

static msgpack_object
join(struct fleet *f, const struct fleet_node *first)
{
	struct list events = joined(f, "events"), waiting = joined(f, "waiting"),
		    letters = joined(f, "dead_letters"), messages = join_messages(f),
		    nodes = list_in(&f->zone);
	struct map m = map_in(&f->zone);

	if (events.n)
		qsort(events.items, events.n, sizeof *events.items, compare_back);
	for (size_t i = 0; i < f->n; i++)
		list_add(&nodes, node_object(&f->list[i], &f->zone));
	map_text(&m, "email", field_str(&first->answer, "email"));
	map_text(&m, "address", field_str(&first->answer, "address"));
	put_states(f, &m, first);
	map_put(&m, "messages", list_object(&messages));
	map_put(&m, "events", list_object(&events));
	map_put(&m, "waiting", list_object(&waiting));
	map_put(&m, "dead_letters", list_object(&letters));
	put_bounds(f, &m);
	map_put(&m, "nodes", list_object(&nodes));
	return map_object(&m);
}

/* ---- the verb ---- */

static msgpack_object
question(const struct looking *l, msgpack_zone *zone)
{
	const struct history_words *w = &l->words;
	const struct {
		const char *key, *text;
	} words[] = {{"email", w->email}, {"type", w->type}, {"source", w->source},
		{"campaign", w->campaign}, {"machine", w->machine}, {"since", w->since},
		{"until", w->until}};
	struct map m = map_in(zone);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (words[i].text)
			map_text(&m, words[i].key, slice_of(words[i].text));
	map_uint(&m, "limit", l->ask.limit);
	return map_object(&m);
}

static const struct fleet_node *
first_of(const struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (fleet_answered(&f->list[i]))
			return &f->list[i];
	return NULL;
}

static void
tell_more(const struct fleet *f)
{
	fflush(stdout);
	for (size_t i = 0; i < f->n; i++) {
		const struct slice cursor = field_str(&f->list[i].answer, "cursor");

		if (cursor.n)
			fprintf(stderr,
				"%s: there may be more: there, the same with --cursor %.*s\n",
				f->list[i].name, SLICE_ARG(cursor));
	}
}

static int
show(struct fleet *f, struct call *call, bool json)
{
	const struct fleet_node *first = first_of(f);
	struct error why;
	msgpack_object page;
	size_t silent;

	if (first) {
		page = join(f, first);
		if (json)
			object_print(&page);
		else
			person_print(&page, true);
		tell_more(f);
	}
	silent = fleet_tell_silent(f, call->verb);
	if (first || silent)
		return fleet_status(f, silent);
	error_set(&why, "no node knows that address");
	return cli_failed(call->verb, &why);
}

int
fleet_run_person(struct call *call)
{
	const struct looking *l = call->options;
	struct error why = {""};
	msgpack_object asked;
	struct fleet f;
	int status;

	if (fleet_open(&f, call->cfg, &why)) {
		asked = question(l, &f.zone);
		fleet_ask(&f, "/person", &asked);
		status = show(&f, call, l->json);
	} else {
		status = cli_failed(call->verb, &why);
	}
	fleet_close(&f);
	return status;
}
