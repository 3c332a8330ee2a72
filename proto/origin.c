/* origin - see origin.h. Pure. */
#include "origin.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/codec.h"
#include "lib/base/field.h"
#include "taker.h"

/* Its digits are read as they are written: no sign, no zero in front. */
static bool
read_place(struct slice digits, uint64_t *seq)
{
	*seq = 0;
	if (digits.n == 0 || digits.p[0] == '0')
		return false;
	for (size_t i = 0; i < digits.n; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9' ||
			__builtin_mul_overflow(*seq, 10, seq) ||
			__builtin_add_overflow(*seq, digits.p[i] - '0', seq))
			return false;
	}
	return delivery_seq(*seq) == *seq;
}

bool
origin_read(struct slice text, struct origin *origin)
{
	unsigned char id[WIDTH_JOURNAL / 2];

	if (text.n <= WIDTH_JOURNAL || text.p[WIDTH_JOURNAL] != '-')
		return false;
	origin->journal = (struct slice){text.p, WIDTH_JOURNAL};
	return decode_hex(origin->journal, id, sizeof id) &&
	       read_place((struct slice){text.p + WIDTH_JOURNAL + 1, text.n - WIDTH_JOURNAL - 1},
		       &origin->seq);
}

struct slice
origin_write(const struct origin *origin, char out[ORIGIN_ROOM])
{
	snprintf(out, ORIGIN_ROOM, "%.*s-%" PRIu64, WIDTH_JOURNAL, origin->journal.p, origin->seq);
	return slice_of(out);
}

struct origin
origin_of(const struct event *ev)
{
	struct origin origin;

	if (ev->origin.p && origin_read(ev->origin, &origin))
		return origin;
	return (struct origin){ev->journal, ev->seq};
}

bool
origin_of_frame(struct slice frame, struct origin *origin)
{
	struct slice text;

	return (frame_text(frame.p, frame.n, "origin", &text) && origin_read(text, origin)) ||
	       (frame_text(frame.p, frame.n, "journal", &origin->journal) &&
		       frame_uint(frame.p, frame.n, "seq", &origin->seq));
}

bool
origin_is_elsewhere(const struct event *ev)
{
	struct origin origin;

	return ev->origin.p && origin_read(ev->origin, &origin);
}

bool
origin_is_for(const struct event *ev, const char *destination)
{
	const msgpack_object *names =
		origin_is_elsewhere(ev) ? field_get(&ev->data, FOR_FIELD) : NULL;

	if (!names || names->type != MSGPACK_OBJECT_ARRAY)
		return true;
	for (uint32_t i = 0; i < names->via.array.size; i++)
		if (slice_is(object_str(&names->via.array.ptr[i]), destination))
			return true;
	return false;
}
