/* quarantine_look - see quarantine_look.h. */
#include "quarantine_look.h"

#include <string.h>
#include <strings.h>

#include "lib/base/credential.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"

static const char MASK[] = "(not shown)";

/* ---- those that are meant ---- */

struct quarantine_search {
	const struct item_query *q;
	quarantine_visit *fn;
	void *arg;
	uint64_t next; /* number */
	bool found, more;
};

static bool
find_one(void *arg, const struct quarantined *item)
{
	struct quarantine_search *s = arg;

	s->next = item->number + 1;
	if (s->q->number && item->number != s->q->number)
		return false;
	if (s->q->source && !slice_is(item->request.source, s->q->source))
		return true;
	s->found = true;
	s->more = s->fn(s->arg, item);
	return false;
}

bool
quarantine_each(struct quarantine *store, const struct item_query *q, quarantine_visit *fn,
	void *arg, uint64_t *shown, struct error *why)
{
	struct quarantine_search s = {
		.q = q, .fn = fn, .arg = arg, .next = q->number, .more = true};

	*shown = 0;
	do {
		s.found = false;
		if (!quarantine_walk(store, s.next, find_one, &s, why))
			return false;
		*shown += s.found;
	} while (s.found && s.more && !q->number && *shown < q->limit);
	return true;
}

struct dropping {
	struct quarantine *store;
	struct error *why;
	bool failed;
};

static bool
drop_one(void *arg, const struct quarantined *item)
{
	struct dropping *d = arg;

	d->failed = !quarantine_remove(d->store, item->number, d->why);
	return !d->failed;
}

bool
quarantine_drop(
	struct quarantine *store, const struct item_query *q, uint64_t *dropped, struct error *why)
{
	struct dropping d = {.store = store, .why = why};
	const bool walked = quarantine_each(store, q, drop_one, &d, dropped, why);

	*dropped -= d.failed;
	return walked && !d.failed;
}

/* ---- as objects ---- */

static void
put_head(struct map *m, const struct quarantined *item)
{
	map_uint(m, "number", item->number);
	map_text(m, "source", item->request.source);
	map_time(m, "received", item->at_ms);
}

bool
quarantine_row(const struct quarantined *item, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	put_head(&m, item);
	map_uint(&m, "bytes", item->request.body.n);
	map_text(&m, "target", item->request.target);
	*out = map_object(&m);
	return !m.short_of_memory;
}

static msgpack_object
shown_headers(const msgpack_object *headers, const struct config_source *source, msgpack_zone *zone)
{
	struct list all = list_in(zone);

	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = headers->via.array.ptr[i].via.array.ptr;
		struct list shown = list_in(zone);

		list_add(&shown, pair[0]);
		list_add(&shown,
			credential_header(object_str(&pair[0]), source ? source->header : NULL)
				? object_of_text(slice_of(MASK))
				: pair[1]);
		list_add(&all, list_object(&shown));
	}
	return list_object(&all);
}

bool
quarantine_whole(const struct quarantined *item, const struct config *cfg, msgpack_zone *zone,
	msgpack_object *out)
{
	const struct config_source *source = config_source_find(cfg, item->request.source);
	struct map m = map_in(zone);

	put_head(&m, item);
	map_text(&m, "target", item->request.target);
	map_put(&m, "headers", shown_headers(&item->request.headers, source, zone));
	map_body(&m, item->request.body);
	*out = map_object(&m);
	return !m.short_of_memory;
}
