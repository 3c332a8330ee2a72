/* unread_look - see unread_look.h. */
#include "unread_look.h"

#include "lib/base/json.h"
#include "lib/base/map.h"
#include "proto/unread.h"

/* ---- those that are meant ---- */

struct unread_search {
	const struct item_query *q;
	unread_visit *fn;
	void *arg;
	uint64_t next; /* number */
	bool found, more;
};

static bool
is_meant(const struct item_query *q, const struct unread_item *item)
{
	return (!q->source || slice_is(item->source, q->source)) &&
	       (!q->reason || slice_is(item->reason, q->reason));
}

static bool
find_one(void *arg, const struct unread_item *item)
{
	struct unread_search *s = arg;

	s->next = item->number + 1;
	if (s->q->number && item->number != s->q->number)
		return false;
	if (!is_meant(s->q, item))
		return true;
	s->found = true;
	s->more = s->fn(s->arg, item);
	return false;
}

bool
unread_each(struct unread *store, const struct item_query *q, unread_visit *fn, void *arg,
	uint64_t *shown, struct error *why)
{
	struct unread_search s = {.q = q, .fn = fn, .arg = arg, .next = q->number, .more = true};

	*shown = 0;
	do {
		s.found = false;
		if (!unread_walk(store, s.next, find_one, &s, why))
			return false;
		*shown += s.found;
	} while (s.found && s.more && !q->number && *shown < q->limit);
	return true;
}

bool
unread_take_out(struct unread *store, uint64_t number, struct error *why)
{
	return unread_begin(store, why) == STORE_OK &&
	       unread_remove(store, number, why) == STORE_OK &&
	       unread_commit(store, why) == STORE_OK;
}

struct dropping {
	struct unread *store;
	struct error *why;
	bool failed;
};

static bool
drop_one(void *arg, const struct unread_item *item)
{
	struct dropping *d = arg;

	d->failed = !unread_take_out(d->store, item->number, d->why);
	return !d->failed;
}

bool
unread_drop(struct unread *store, const struct item_query *q, uint64_t *dropped, struct error *why)
{
	struct dropping d = {.store = store, .why = why};
	const bool walked = unread_each(store, q, drop_one, &d, dropped, why);

	*dropped -= d.failed;
	return walked && !d.failed;
}

/* ---- as objects ---- */

static void
put_head(struct map *m, const struct unread_item *item)
{
	map_uint(m, "number", item->number);
	map_text(m, "source", item->source);
	map_time(m, "received", item->at);
	map_text(m, "reason", item->reason);
}

bool
unread_row(const struct unread_item *item, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	put_head(&m, item);
	map_text(&m, "detail", item->detail);
	map_uint(&m, "bytes", item->body.n);
	*out = map_object(&m);
	return !m.short_of_memory;
}

bool
unread_whole(const struct unread_item *item, msgpack_zone *zone, msgpack_object *out)
{
	const struct unread_reason_row *row = unread_reason_find(item->reason);
	struct map m = map_in(zone);

	put_head(&m, item);
	map_text(&m, "meaning", slice_of(row ? row->meaning : NULL));
	map_text(&m, "detail", item->detail);
	map_text(&m, "target", item->target);
	map_put(&m, "headers", item->headers);
	map_bool(&m, "listed", item->listed);
	map_put(&m, "taken", item->taken);
	map_body(&m, item->body);
	*out = map_object(&m);
	return !m.short_of_memory;
}
