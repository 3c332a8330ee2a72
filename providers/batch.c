/* batch - see batch.h. No state. */
#include "batch.h"

#include "fields.h"
#include "lib/base/map.h"

enum { SHARED_MAX = 64 << 20 };

bool
batch_body(struct inbound *in, struct error *why)
{
	if (!in->parsed)
		in->parsed = json_read_batch(in->json, in->body, in->zone, &in->root, why);
	if (!in->text.p)
		in->text = in->body;
	return in->parsed;
}

static void
take(struct inbound *in, const msgpack_object *event, size_t item, struct normals *out,
	batch_event *each)
{
	const size_t before = out->count;
	enum unread_reason reason = UNREAD_NO_OBJECT;

	out->item = item;
	if (event->type == MSGPACK_OBJECT_MAP) {
		if (each(in, event, out))
			return;
		reason = out->count > before ? UNREAD_PART : UNREAD_NO_EVENT;
	}
	out->bad++;
	normals_unread(out, in->zone, reason, item, (struct slice){NULL, 0});
}

bool
batch_events(struct inbound *in, struct normals *out, struct error *why, batch_event *each)
{
	if (!batch_body(in, why))
		return false;
	switch (in->root.type) {
	case MSGPACK_OBJECT_MAP:
		take(in, &in->root, 0, out, each);
		return true;
	case MSGPACK_OBJECT_ARRAY:
		for (uint32_t i = 0; i < in->root.via.array.size; i++)
			take(in, &in->root.via.array.ptr[i], i, out, each);
		return true;
	default:
		return error_set(why, "body: neither an event nor an array of events");
	}
}

bool
batch_shared(struct inbound *in, const msgpack_object *event, size_t n, struct normals *out)
{
	const size_t bytes = n > 1 ? object_bytes(event) : 0;

	if (!bytes || n - 1 <= (SHARED_MAX - out->shared) / bytes) {
		out->shared += bytes ? bytes * (n - 1) : 0;
		return true;
	}
	out->bad++;
	normals_unread(
		out, in->zone, UNREAD_LARGE, out->item, slice_of("it is about too many at once"));
	return false;
}

struct slice
batch_id(struct slice id, const msgpack_object *event, msgpack_zone *zone)
{
	return id.n ? id : fields_hash_object(event, zone);
}
