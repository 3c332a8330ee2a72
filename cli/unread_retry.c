/* unread_retry - see unread.h: what is kept is read as this version reads, and its events enter.
 *
 * The proof was good when it came, so none is asked for again, and no secret is needed. What was
 * taken at the time is passed over. The journal's commit comes before the store's: between the two
 * the events are known by their keys. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "lib/ops/entering.h"
#include "lib/stage/stages.h"
#include "lib/stage/wire.h"
#include "proto/unread.h"
#include "providers/entry.h"
#include "providers/source_keys.h"
#include "text.h"
#include "unread.h"

enum { ZONE_BYTES = 65536 };

struct reading {
	const struct call *call;
	zsock_t *advice; /* NULL: no retrier runs */
	struct json_reader *json;
	struct provider_source *readers[CONFIG_SOURCES_MAX]; /* made at the first need */
	msgpack_zone zone;
	uint64_t tried, read, entered;
	bool stopped;
	struct error why; /* of the one in hand, or why all stops */
};

/* What came of one. */
struct outcome {
	bool read;
	size_t events, known;
};

static struct provider_source *
reader_of(struct reading *r, const struct config_source *source)
{
	const size_t i = (size_t)(source - r->call->cfg->sources);

	if (!r->readers[i])
		r->readers[i] = source_reader(source, &r->why);
	return r->readers[i];
}

/* An item of an array is one again. */
static struct slice
body_of(struct reading *r, const struct unread_item *item)
{
	char *list;

	if (!item->listed)
		return item->body;
	list = msgpack_zone_malloc_no_align(&r->zone, item->body.n + 2);
	if (!list)
		return (struct slice){NULL, 0};
	list[0] = '[';
	memcpy(list + 1, item->body.p, item->body.n);
	list[item->body.n + 1] = ']';
	return (struct slice){list, item->body.n + 2};
}

static bool
say_unread(struct reading *r, const struct unread_part *part)
{
	const char *meaning = unread_reasons[part->reason].meaning;

	if (part->detail.n)
		return error_set(&r->why, "%s (%.*s)", meaning, SLICE_ARG(part->detail));
	return error_set(&r->why, "%s", meaning);
}

/* The one reading, without a proof and without a time. */
static bool
read_item(struct reading *r, const struct unread_item *item, struct normals *out)
{
	const struct config_source *source = config_source_find(r->call->cfg, item->source);
	struct provider_source *reader = source ? reader_of(r, source) : NULL;
	struct inbound in = {
		.headers = &item->headers,
		.target = item->target,
		.body = body_of(r, item),
		.now_ms = item->at,
		.zone = &r->zone,
		.json = r->json,
		.batch = item->batch,
		.lean = true,
	};

	if (!source)
		return error_set(&r->why, "the configuration has no such source");
	if (!reader || !in.body.p)
		return false;
	if (provider_read(reader, &in, out, &r->why) != CHECK_ACCEPTED)
		return false;
	if (!normals_unread_bytes(out, r->json, &r->zone))
		return error_set(&r->why, "out of memory");
	return out->unread_count == 0 || say_unread(r, &out->unread[0]);
}

static bool
was_taken(const struct unread_item *item, struct slice key)
{
	const msgpack_object_array *taken = &item->taken.via.array;

	for (uint32_t i = 0; item->taken.type == MSGPACK_OBJECT_ARRAY && i < taken->size; i++)
		if (slice_eq(object_str(&taken->ptr[i]), key))
			return true;
	return false;
}

static bool
make_event(struct reading *r, const struct unread_item *item, const struct normal *ev,
	struct entering *out)
{
	struct entry entry;

	if (!entry_of(ev, item->at, &r->zone, &entry))
		return error_set(&r->why, "out of memory");
	*out = (struct entering){
		.key = entry.key,
		.event = {.source = item->source,
			.type = entry.type,
			.id = entry.id,
			.email = entry.email,
			.ts = (uint64_t)entry.ts_ms,
			.received = clock_wall_ms(),
			.data = entry.data},
	};
	return true;
}

/* Those that were not taken at the time. */
static bool
make_events(struct reading *r, const struct unread_item *item, const struct normals *from,
	struct entering **events, size_t *n)
{
	*n = 0;
	*events = msgpack_zone_malloc(&r->zone, (from->count + 1) * sizeof **events);
	if (!*events)
		return error_set(&r->why, "out of memory");
	for (size_t i = 0; i < from->count; i++)
		if (!was_taken(item, from->list[i].dedup_key) &&
			!make_event(r, item, &from->list[i], &(*events)[(*n)++]))
			return false;
	if (*n == 0 && from->count > 0)
		return error_set(&r->why,
			"its events were taken when it came, and there is nothing new "
			"in it: `drop` it when what was left out is not needed");
	return true;
}

/* The same number for the same item, whenever it is tried again. */
static uint64_t
mark_of(const struct unread_item *item)
{
	return item->number * UINT64_C(0x9e3779b97f4a7c15) ^
	       item->at * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static bool
is_stale(const struct unread_item *item)
{
	const struct unread_reason_row *row = unread_reason_find(item->reason);

	return row && row->stale;
}

static bool
let_enter(struct reading *r, const struct unread_item *item, struct outcome *got)
{
	const struct items_ask *ask = r->call->options;
	struct normals out = {.count = 0};
	struct entering *events;

	if (is_stale(item) && !ask->stale)
		return error_set(
			&r->why, "it was refused for its time; --stale takes it all the same");
	if (!read_item(r, item, &out) || !make_events(r, item, &out, &events, &got->events))
		return false;
	if (ask->dry_run)
		return true;
	if (got->events && !entering_go(r->call->journal, r->call->cfg, events, got->events,
				   mark_of(item), &r->why))
		return false;
	for (size_t i = 0; i < got->events; i++)
		got->known += events[i].known;
	entering_tell(r->advice, r->call->journal, events, got->events);
	r->stopped = !unread_take_out(r->call->unread, item->number, &r->why);
	return !r->stopped;
}

static void
print(struct reading *r, const struct unread_item *item, const struct outcome *got)
{
	const struct items_ask *ask = r->call->options;
	struct map m = map_in(&r->zone);
	msgpack_object object;

	if (!ask->json) {
		printf("%llu ", (unsigned long long)item->number);
		text_print(item->source, 0);
		if (got->read)
			printf(": %s, %zu event%s, %zu known already\n",
				ask->dry_run ? "can be read" : "read", got->events,
				got->events == 1 ? "" : "s", got->known);
		else
			text_print(slice_of(": still unread: "), 0),
				text_print(slice_of(r->why.text), 0), putchar('\n');
		return;
	}
	map_uint(&m, "number", item->number);
	map_text(&m, "source", item->source);
	map_bool(&m, "read", got->read);
	map_uint(&m, "events", got->events);
	map_uint(&m, "known", got->known);
	map_text(&m, "reason", got->read ? (struct slice){NULL, 0} : slice_of(r->why.text));
	object = map_object(&m);
	object_print(&object);
}

static bool
retry_one(void *arg, const struct unread_item *item)
{
	struct reading *r = arg;
	struct outcome got = {.read = false};

	error_set(&r->why, "out of memory");
	msgpack_zone_clear(&r->zone);
	got.read = let_enter(r, item, &got);
	r->read += got.read;
	r->entered += got.read ? got.events - got.known : 0;
	if (!r->stopped)
		print(r, item, &got);
	return !r->stopped;
}

static int
finish(const struct reading *r, bool good)
{
	const struct items_ask *ask = r->call->options;

	if (!good)
		return cli_failed(r->call->verb, &r->why);
	if (r->tried == 0)
		return items_nothing(r->call, &unread_place);
	if (!ask->json)
		printf("%llu read, %llu still unread\n", (unsigned long long)r->read,
			(unsigned long long)(r->tried - r->read));
	if (r->entered && !r->advice && !ask->dry_run)
		fputs("the pipeline is down; they are handled once it is up\n", stderr);
	return r->read == r->tried ? CLI_DONE : CLI_FAILED;
}

static bool
retry_all(struct reading *r)
{
	const struct items_ask *ask = r->call->options;

	if (!r->call->unread)
		return true;
	return unread_each(r->call->unread, &ask->meant, retry_one, r, &r->tried, &r->why) &&
	       !r->stopped;
}

int
unread_retry(struct call *call)
{
	struct reading r = {.call = call, .json = json_reader_new()};
	bool good = r.json != NULL;
	int status;

	error_set(&r.why, "out of memory");
	msgpack_zone_init(&r.zone, ZONE_BYTES);
	zsys_handler_set(NULL);
	if (good && stages_holder(call->cfg, "retrier.0")) {
		r.advice = wire_connect(call->cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &r.why);
		good = r.advice != NULL;
	}
	status = finish(&r, good && retry_all(&r));
	zsock_destroy(&r.advice);
	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		provider_source_destroy(&r.readers[i]);
	json_reader_destroy(&r.json);
	msgpack_zone_destroy(&r.zone);
	return status;
}
