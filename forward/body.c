/* body - see body.h. */
#include "body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/address.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "proto/origin.h"

enum { ZONE_BYTES = 8192 };

/* ---- who it is ---- */

char *
body_id(const struct event *ev, char out[BODY_ID])
{
	const struct origin origin = origin_of(ev);

	snprintf(out, BODY_ID, "evt_%.*s_%" PRIu64, SLICE_ARG(origin.journal), origin.seq);
	return out;
}

static struct slice
email_of(const struct event *ev)
{
	return ev->email.p ? ev->email : field_str(&ev->data, "email");
}

uint64_t
body_hops(const struct event *ev)
{
	const msgpack_object *hops = field_get(&ev->data, HOPS_FIELD);

	return hops && hops->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? hops->via.u64 : 0;
}

/* FNV-1a: two people on one lane cost time, not truth. */
static uint64_t
hash(struct slice text)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < text.n; i++) {
		const unsigned char c = (unsigned char)text.p[i];

		h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32U : c)) * 1099511628211ULL;
	}
	return h ? h : 1;
}

uint64_t
body_lane(const struct event *ev)
{
	const struct slice written = email_of(ev);
	struct slice bare;

	if (!written.n)
		return 0;
	return hash(address_find(written, &bare) == ADDRESS_GOOD ? bare : written);
}

/* ---- who wants it ---- */

bool
body_wanted(const struct config_forward *destination, const struct event *ev)
{
	return config_forward_wants(destination, ev->type, ev->source,
		       field_bool(&ev->data, "machine", false)) &&
	       origin_is_for(ev, destination->name);
}

/* ---- what it says ---- */

static bool
is_left_out(const msgpack_object *key, bool raw)
{
	const struct slice name = object_str(key);

	return (!raw && slice_is(name, "raw")) || slice_is(name, HOPS_FIELD) ||
	       slice_is(name, FOR_FIELD);
}

/* Without what is of the way here only; no map is itself. */
static msgpack_object
data_of(const struct event *ev, bool raw, struct map *data)
{
	const msgpack_object_map *from = &ev->data.via.map;

	if (ev->data.type != MSGPACK_OBJECT_MAP)
		return ev->data;
	data->rows = msgpack_zone_malloc(data->zone, (from->size + 1) * sizeof *data->rows);
	data->short_of_memory |= !data->rows;
	for (uint32_t i = 0; data->rows && i < from->size; i++)
		if (!is_left_out(&from->ptr[i].key, raw))
			data->rows[data->n++] = from->ptr[i];
	return map_object(data);
}

static msgpack_object
thin_of(const struct event *ev, struct slice id, struct map *data)
{
	const msgpack_object *message = field_get(&ev->data, "message_id");

	map_text(data, "id", id);
	map_text(data, "type", ev->type);
	map_text(data, "email", email_of(ev));
	if (message)
		map_put(data, "message_id", *message);
	else
		map_nil(data, "message_id");
	return map_object(data);
}

static char *
write_body(const struct event *ev, uint64_t pos, uint64_t form, bool left_out, msgpack_zone *zone)
{
	struct map m = map_in(zone), data = map_in(zone);
	char id[BODY_ID];
	msgpack_object whole;

	body_id(ev, id);
	map_text(&m, "id", slice_of(id));
	map_text(&m, "type", ev->type);
	map_time(&m, "timestamp", ev->ts);
	map_uint(&m, "sequence", pos);
	map_text(&m, "source", ev->source);
	map_text(&m, "event_id", ev->id);
	map_time(&m, "received", ev->received);
	map_put(&m, "data",
		form == FORWARD_THIN ? thin_of(ev, slice_of(id), &data)
				     : data_of(ev, form == FORWARD_FULL && !left_out, &data));
	if (left_out)
		map_bool(&m, "raw_left_out", true);
	whole = map_object(&m);
	return m.short_of_memory || data.short_of_memory ? NULL : json_write(&whole, false);
}

static bool
has_raw(const struct event *ev)
{
	return field_get(&ev->data, "raw") != NULL;
}

bool
body_write(const struct event *ev, uint64_t pos, uint64_t data, msgpack_sbuffer *out,
	struct error *why)
{
	msgpack_zone zone;
	char *text;
	bool good;

	msgpack_zone_init(&zone, ZONE_BYTES);
	text = write_body(ev, pos, data, false, &zone);
	if (text && data == FORWARD_FULL && has_raw(ev) && strlen(text) > BODY_MOST) {
		free(text);
		text = write_body(ev, pos, data, true, &zone);
	}
	good = text && msgpack_sbuffer_write(out, text, strlen(text)) == 0;
	free(text);
	msgpack_zone_destroy(&zone);
	return good || error_set(why, "out of memory");
}
