/* gathering - see gathering.h. */
#include "gathering.h"

#include <stdlib.h>

enum { ZONE_CHUNK = 64 * 1024 };

struct gathering *
gathering_new(void)
{
	struct gathering *in = calloc(1, sizeof *in);

	if (in && !msgpack_zone_init(&in->zone, ZONE_CHUNK)) {
		free(in);
		return NULL;
	}
	return in;
}

void
gathering_destroy(struct gathering **in)
{
	if (!*in)
		return;
	msgpack_zone_destroy(&(*in)->zone);
	free(*in);
	*in = NULL;
}

bool
gathering_open(const struct gathering *in)
{
	return in->n < GATHERING_EVENTS && in->bytes < GATHERING_BYTES;
}

/* The event's data without `raw`. The pairs are those in the zone, moved together. */
static bool
leave_out_raw(struct event *ev)
{
	msgpack_object_map *map = &ev->data.via.map;
	uint32_t n = 0;

	if (ev->data.type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < map->size; i++) {
		const msgpack_object *key = &map->ptr[i].key;

		if (key->type != MSGPACK_OBJECT_STR ||
			!slice_is((struct slice){key->via.str.ptr, key->via.str.size}, "raw"))
			map->ptr[n++] = map->ptr[i];
	}
	if (n == map->size)
		return false;
	map->size = n;
	return true;
}

static bool
copy(struct gathering *in, const void *p, size_t n, struct slice *out, struct error *why)
{
	char *to = msgpack_zone_malloc(&in->zone, n + 1);

	if (!to)
		return error_set(why, "out of memory");
	memcpy(to, p, n);
	*out = (struct slice){to, n};
	return true;
}

static bool
pack_anew(struct gathering *in, const struct event *ev, struct slice *frame, struct error *why)
{
	msgpack_sbuffer out;
	bool good;

	msgpack_sbuffer_init(&out);
	good = frame_pack(&event_schema, ev, &out) || error_set(why, "out of memory");
	good = good && copy(in, out.data, out.size, frame, why);
	msgpack_sbuffer_destroy(&out);
	return good;
}

bool
gathering_add(struct gathering *in, struct slice frame, bool raw, struct error *why)
{
	struct event *ev = &in->events[in->n];
	struct slice bytes;

	if (!copy(in, frame.p, frame.n, &bytes, why) ||
		!frame_unpack(&event_schema, bytes.p, bytes.n, &in->zone, ev, why))
		return false;
	if (!raw && leave_out_raw(ev) && !pack_anew(in, ev, &bytes, why))
		return false;
	in->rows[in->n++] = (struct history_event){.event = ev, .frame = bytes};
	in->bytes += frame.n;
	return true;
}

size_t
gathering_seqs(const struct gathering *in, size_t first, uint64_t *seqs)
{
	const struct slice journal = in->events[first].journal;
	size_t n = 0;

	for (size_t i = 0; i < first; i++)
		if (slice_eq(in->events[i].journal, journal))
			return 0;
	for (size_t i = first; i < in->n; i++)
		if (slice_eq(in->events[i].journal, journal))
			seqs[n++] = in->events[i].seq;
	return n;
}

void
gathering_clear(struct gathering *in)
{
	msgpack_zone_clear(&in->zone);
	in->n = 0;
	in->bytes = 0;
}
