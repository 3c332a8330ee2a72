/* adopt_history - what destinations of the folder have not had, for those that this node has too. See adopt.h.
 *
 * A destination has had what stands below its cursor and is not owed any more. An event that one of them has
 * had and another has not is for the other alone (FOR_FIELD); one that none has had, and all that this node has
 * want, is for all. */
#include <stdio.h>
#include <stdlib.h>

#include "adopt_private.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "proto/origin.h"

enum { LOOK_US = 20000, LOOK_MOST = 4 * ADOPT_GROUP, FIRST_ROOM = 256 };

/* ---- who has had what ---- */

static bool
add_range(void *arg, const struct forward_owed *owed)
{
	struct adopt_destination *d = arg;
	struct adopt_range *more;

	if (owed->job || owed->body.p)
		return true;
	if (d->n == d->room) {
		const size_t room = d->room ? 2 * d->room : FIRST_ROOM;

		more = reallocarray(d->owed, room, sizeof *more);
		d->short_of_memory = more == NULL;
		if (!more)
			return false;
		d->owed = more;
		d->room = room;
	}
	d->owed[d->n++] = (struct adopt_range){owed->first, owed->last};
	return true;
}

static int
by_number(const void *a, const void *b)
{
	const struct adopt_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static bool
see_destination(void *arg, const struct forward_destination *row)
{
	struct adopt *a = arg;
	const struct config_forward *own = config_forward_find(a->cfg, row->name);

	if (own && a->destinations_n < CONFIG_FORWARD_MAX)
		a->destinations[a->destinations_n++] =
			(struct adopt_destination){.cfg = own, .next = row->next};
	else
		a->sum->strangers++;
	return true;
}

bool
adopt_destinations(struct adopt *a, struct error *why)
{
	if (!a->forward)
		return true;
	if (!forward_destinations(a->forward, see_destination, a, why))
		return false;
	for (size_t i = 0; i < a->destinations_n; i++) {
		struct adopt_destination *d = &a->destinations[i];

		if (!forward_due(a->forward, d->cfg->name, INT64_MAX, INT64_MAX, add_range, d, why))
			return false;
		if (d->short_of_memory)
			return error_set(why, "out of memory");
		if (d->n)
			qsort(d->owed, d->n, sizeof *d->owed, by_number);
	}
	return true;
}

/* The numbers that are asked for rise. */
static bool
is_owed(struct adopt_destination *d, uint64_t pos)
{
	while (d->at < d->n && d->owed[d->at].last < pos)
		d->at++;
	return pos >= d->next || (d->at < d->n && d->owed[d->at].first <= pos);
}

static bool
wants(const struct config_forward *own, const struct event *ev)
{
	return config_forward_wants(
		       own, ev->type, ev->source, field_bool(&ev->data, "machine", false)) &&
	       origin_is_for(ev, own->name);
}

/* ---- its data, with whom it is for ---- */

static bool
put_names(struct adopt *a, struct event *ev, const struct list *names)
{
	const msgpack_object_map *from = &ev->data.via.map;
	msgpack_object_map to = {0, NULL};

	if (ev->data.type != MSGPACK_OBJECT_MAP)
		return true;
	to.ptr = msgpack_zone_malloc(&a->zone, (from->size + (size_t)1) * sizeof *to.ptr);
	if (!to.ptr || names->short_of_memory)
		return false;
	for (uint32_t i = 0; i < from->size; i++)
		if (!slice_is(object_str(&from->ptr[i].key), FOR_FIELD))
			to.ptr[to.size++] = from->ptr[i];
	to.ptr[to.size++] =
		(msgpack_object_kv){object_of_text(slice_of(FOR_FIELD)), list_object(names)};
	ev->data.via.map = to;
	return true;
}

/* *none: nobody is owed it. */
static bool
address(struct adopt *a, struct event *ev, uint64_t pos, bool *none)
{
	struct list names = list_in(&a->zone);
	size_t wanting = 0;

	for (size_t i = 0; i < a->cfg->forward_count; i++)
		wanting += wants(&a->cfg->forward[i], ev);
	for (size_t i = 0; i < a->destinations_n; i++) {
		struct adopt_destination *d = &a->destinations[i];

		if (is_owed(d, pos) && wants(d->cfg, ev))
			list_add(&names, object_of_text(slice_of(d->cfg->name)));
	}
	*none = names.n == 0;
	return *none || names.n == wanting || put_names(a, ev, &names);
}

/* ---- one group ---- */

struct taking {
	struct adopt *a;
	struct error *why;
	size_t looked;
	bool good;
};

static bool
take(struct adopt *a, const struct history_event *event, struct error *why)
{
	struct journal_incoming in = {.owed = OWED_HISTORY, .at_ms = event->event->received};
	const struct config_source *source;
	struct event ev = *event->event;
	bool none;

	if (!address(a, &ev, event->pos, &none))
		return error_set(why, "out of memory");
	if (none)
		return true;
	in.hash = journal_hash(a->here, ev.source, ev.id);
	source = config_source_find(a->cfg, ev.source);
	if (!a->look && source &&
		journal_has_own(a->here, in.hash, in.at_ms, source->dedup_window_ms))
		return true; /* they have it from here */
	a->sum->owed++;
	a->at.kept++;
	return adopt_put(a, ev, &in, why);
}

static bool
visit(void *arg, const struct history_event *event)
{
	struct taking *t = arg;

	msgpack_zone_clear(&t->a->zone);
	t->good = take(t->a, event, t->why);
	if (!t->good)
		return false;
	t->a->at.pos = event->pos;
	return ++t->looked < LOOK_MOST && adopt_has_room(t->a);
}

/* Where it begins: at what one of them has not had. */
static uint64_t
start(const struct adopt *a)
{
	uint64_t from = UINT64_MAX;

	for (size_t i = 0; i < a->destinations_n; i++) {
		const struct adopt_destination *d = &a->destinations[i];
		const uint64_t least =
			d->n && d->owed[0].first < d->next ? d->owed[0].first : d->next;

		from = least < from ? least : from;
	}
	return from > a->at.pos ? from : a->at.pos + 1;
}

static bool
take_group(struct adopt *a, const struct history_query *q, bool *more, struct error *why)
{
	struct history_look look = {.pos = start(a), .most = LOOK_MOST, .budget_us = LOOK_US};
	struct taking t = {.a = a, .why = why, .good = true};

	if (!history_read(a->history, q, &look, visit, &t, why))
		return false;
	a->sum->missed += look.missed;
	if (t.good && look.pos > a->at.pos + 1)
		a->at.pos = look.pos - 1;
	*more = !look.complete;
	return t.good;
}

static bool
take_all(struct adopt *a, const struct history_query *q, uint64_t last, struct error *why)
{
	bool good = true, more = true;

	while (good && more) {
		if (!adopt_begin(a, why))
			return false;
		good = take_group(a, q, &more, why);
		if (!good)
			adopt_abort(a);
		else
			good = adopt_commit(a, why);
		a->calls->progress(a->calls->arg, "of the history", a->at.pos, last);
	}
	return good;
}

bool
adopt_history(struct adopt *a, struct error *why)
{
	const struct history_filter all = {.until_ms = 0};
	struct history_query *q;
	uint64_t first, last;
	bool good;

	if (!a->history || !a->destinations_n || !(config_owed(a->cfg) & OWED_HISTORY))
		return true;
	if (!history_range(a->history, &first, &last, why))
		return false;
	q = history_query(a->history, &all, why);
	good = q && take_all(a, q, last, why);
	history_query_free(&q);
	return good;
}

/* ---- what its journal had not heard of ---- */

static int
by_seq(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool *
kept_of(const struct adopt *a, uint64_t seq)
{
	const uint64_t *found = bsearch(&seq, a->unsettled, a->unsettled_n, sizeof seq, by_seq);

	return found ? &a->kept[found - a->unsettled] : NULL;
}

bool
adopt_is_kept(const struct adopt *a, uint64_t seq)
{
	const bool *kept = a->unsettled_n ? kept_of(a, seq) : NULL;

	return kept && *kept;
}

static bool
see_kept(void *arg, const struct history_event *event)
{
	const struct adopt *a = arg;
	bool *kept = slice_eq(event->event->journal, journal_id(a->there))
			     ? kept_of(a, event->event->seq)
			     : NULL;

	if (kept)
		*kept = true;
	return true;
}

/* *since_ms: when the oldest of them was accepted. */
static bool
list_unsettled(struct adopt *a, uint64_t *since_ms, struct error *why)
{
	struct journal_event ev = {.seq = 0};
	size_t room = 0;
	uint64_t *more;

	*since_ms = UINT64_MAX;
	while (journal_event_from(a->there, delivery_of(ev.seq + 1, TAKER_HISTORY), &ev)) {
		if (ev.settled)
			continue;
		if (a->unsettled_n == room) {
			room = room ? 2 * room : FIRST_ROOM;
			more = reallocarray(a->unsettled, room, sizeof *more);
			if (!more)
				return error_set(why, "out of memory");
			a->unsettled = more;
		}
		a->unsettled[a->unsettled_n++] = ev.seq;
		*since_ms = ev.received_ms < *since_ms ? ev.received_ms : *since_ms;
	}
	return true;
}

static bool
look_for_them(struct adopt *a, uint64_t since_ms, struct error *why)
{
	const struct history_filter all = {.until_ms = 0};
	struct history_query *q = history_query(a->history, &all, why);
	struct history_look look = {.pos = 0};
	bool good = q && history_number_at(a->history, since_ms, &look.pos, why);

	good = good && history_read(a->history, q, &look, see_kept, a, why);
	history_query_free(&q);
	return good;
}

bool
adopt_find_kept(struct adopt *a, struct error *why)
{
	uint64_t since_ms;
	bool good;

	a->unsettled_n = 0;
	if (!a->history)
		return true;
	if (!journal_read_begin(a->there, why))
		return false;
	good = list_unsettled(a, &since_ms, why);
	journal_read_end(a->there);
	if (!good || !a->unsettled_n)
		return good;
	a->kept = calloc(a->unsettled_n, sizeof *a->kept);
	if (!a->kept)
		return error_set(why, "out of memory");
	return look_for_them(a, since_ms, why);
}
