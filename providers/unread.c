/* unread - see unread.h. No state. */
#include "unread.h"

#include <stdio.h>

enum { FIRST_ROOM = 4 };

static bool
make_room(struct normals *out, msgpack_zone *zone)
{
	const size_t room = out->unread_room ? 2 * out->unread_room : FIRST_ROOM;
	struct unread_part *more;

	if (out->unread_count < out->unread_room)
		return true;
	more = msgpack_zone_malloc(zone, room * sizeof *more);
	if (!more)
		return false;
	if (out->unread_count)
		memcpy(more, out->unread, out->unread_count * sizeof *more);
	out->unread = more;
	out->unread_room = room;
	return true;
}

/* Absent where memory is short, or it is no text: the reason says enough. */
static struct slice
copy_detail(struct slice detail, msgpack_zone *zone)
{
	const struct slice cut = slice_cut(detail, UNREAD_DETAIL_MAX);
	char *copy = NULL;

	if (cut.n && json_is_text(cut))
		copy = msgpack_zone_malloc_no_align(zone, cut.n);
	if (!copy)
		return (struct slice){NULL, 0};
	memcpy(copy, cut.p, cut.n);
	return (struct slice){copy, cut.n};
}

static enum unread_reason
staler(enum unread_reason one, enum unread_reason other)
{
	return unread_reasons[other].stale ? other : one;
}

/* It is as stale as any of what it stands for: a replay must not pass for something else. */
static void
gather_whole(struct normals *out, enum unread_reason reason)
{
	static const char detail[] = "over 1000 of its parts";
	enum unread_reason all = staler(UNREAD_PART, reason);

	_Static_assert(UNREAD_PARTS_MAX == 1000, "as the detail says");
	for (size_t i = 0; i < out->unread_count; i++)
		all = staler(all, out->unread[i].reason);
	out->unread[0] = (struct unread_part){
		.reason = all, .item = UNREAD_WHOLE, .detail = {detail, sizeof detail - 1}};
	out->unread_count = 1;
	out->unread_whole = true;
}

/* What would be lost without a note must not be answered 2xx. */
void
normals_unread(struct normals *out, msgpack_zone *zone, enum unread_reason reason, size_t item,
	struct slice detail)
{
	if (out->unread_whole || out->unread_count == UNREAD_PARTS_MAX) {
		gather_whole(out, reason);
		return;
	}
	if (!make_room(out, zone)) {
		out->incomplete = true;
		return;
	}
	out->unread[out->unread_count++] = (struct unread_part){
		.reason = reason, .item = item, .detail = copy_detail(detail, zone)};
}

static void
note_fault(const struct inbound *in, const struct normal *ev, struct normals *out)
{
	static const enum unread_reason reasons[] = {
		[FAULT_FIELDS] = UNREAD_FIELDS,
		[FAULT_OLD] = UNREAD_OLD,
		[FAULT_FUTURE] = UNREAD_FUTURE,
		[FAULT_JSON] = UNREAD_NO_OBJECT,
	};
	char missing[64] = "";
	size_t n = 0;

	for (size_t i = 0; i < NATIVE_FIELDS; i++)
		if (ev->missing & 1U << i)
			n += (size_t)snprintf(missing + n, sizeof missing - n, "%s%s",
				n ? ", " : "", native_names[i]);
	normals_unread(out, in->zone, reasons[ev->fault], ev->item, slice_of(missing));
}

/* One event with a fault is answered 4xx: its sender has it still. */
void
unread_of(const struct inbound *in, struct normals *out)
{
	out->text = in->text.p ? in->text : in->body;
	out->listed = in->text.p && in->root.type == MSGPACK_OBJECT_ARRAY;
	for (size_t i = 0; i < out->count; i++) {
		const struct normal *ev = &out->list[i];

		if (ev->skipped)
			normals_unread(
				out, in->zone, UNREAD_LEFT_OUT, ev->item, ev->provider_event);
		else if (ev->fault && in->batch)
			note_fault(in, ev, out);
	}
}

/* Objects that could not be read, and all that was beside them and is no object, look alike. */
static void
tell_json(struct unread_part *part, struct json_reader *json, msgpack_zone *zone)
{
	struct error why = {""};
	msgpack_object unused;

	if (part->reason != UNREAD_NO_OBJECT || !slice_starts(part->bytes, "{") ||
		json_read(json, part->bytes, zone, &unused, &why))
		return;
	part->reason = UNREAD_JSON;
	part->detail = copy_detail(slice_of(why.text), zone);
}

bool
normals_unread_bytes(struct normals *out, struct json_reader *json, msgpack_zone *zone)
{
	struct slice *items = NULL;
	size_t n = 0;

	if (out->unread_count && out->listed && !out->unread_whole &&
		!json_items(out->text, zone, &items, &n))
		return false;
	for (size_t i = 0; i < out->unread_count; i++) {
		struct unread_part *part = &out->unread[i];

		part->listed = out->listed && part->item < n;
		part->bytes = part->listed ? items[part->item] : out->text;
		tell_json(part, json, zone);
	}
	return true;
}
