/* frame - see frame.h.
 *
 * In: a struct and its table, or bytes from a socket or a disk. Out: bytes, or the struct and a
 * zone. No state. The unpacker reads the outer map itself, because the sender writes the keys in
 * the table's order and that is what it looks for first. A nested value is walked once without
 * memory, for its end and its depth, before msgpack-c may build it: so a length that promises more
 * than there is costs nothing, and neither stack nor memory depend on what a sender claims. */
#include "frame.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/map.h"

/* Containers within each other, the frame's own map included; msgpack-c has room for 32. */
enum { DEPTH_MAX = 30 };

#define ROW(struct_, kind, name, max, doc)                                                         \
	{#name, sizeof #name - 1, FIELD_##kind, offsetof(struct struct_, name), max, doc},
#define EVENT_ROW(...) ROW(event, __VA_ARGS__)
#define VERDICT_ROW(...) ROW(verdict, __VA_ARGS__)
#define ADVICE_ROW(...) ROW(advice, __VA_ARGS__)
#define REQUEST_ROW(...) ROW(request, __VA_ARGS__)
#define QUESTION_ROW(...) ROW(question, __VA_ARGS__)
#define ANSWER_ROW(...) ROW(answer, __VA_ARGS__)
#define DEAD_ROW(...) ROW(dead, __VA_ARGS__)
#define STATS_ROW(...) ROW(stats, __VA_ARGS__)
#define REFUSED_ROW(...) ROW(refused, __VA_ARGS__)
#define BEAT_ROW(...) ROW(beat, __VA_ARGS__)

#define SCHEMA(name_, version_, rows)                                                              \
	static const struct frame_field name_##_fields[] = {rows};                                 \
	_Static_assert(sizeof name_##_fields / sizeof *name_##_fields < 31, "the seen mask");      \
	const struct frame_schema name_##_schema = {                                               \
		#name_, name_##_fields, sizeof name_##_fields / sizeof *name_##_fields, version_}

SCHEMA(event, EVENT_VERSION, EVENT_FIELDS(EVENT_ROW));
SCHEMA(verdict, FRAME_VERSION, VERDICT_FIELDS(VERDICT_ROW));
SCHEMA(advice, FRAME_VERSION, ADVICE_FIELDS(ADVICE_ROW));
SCHEMA(request, FRAME_VERSION, REQUEST_FIELDS(REQUEST_ROW));
SCHEMA(question, FRAME_VERSION, QUESTION_FIELDS(QUESTION_ROW));
SCHEMA(answer, FRAME_VERSION, ANSWER_FIELDS(ANSWER_ROW));
SCHEMA(dead, FRAME_VERSION, DEAD_FIELDS(DEAD_ROW));
SCHEMA(stats, FRAME_VERSION, STATS_FIELDS(STATS_ROW));
SCHEMA(refused, FRAME_VERSION, REFUSED_FIELDS(REFUSED_ROW));
SCHEMA(beat, FRAME_VERSION, BEAT_FIELDS(BEAT_ROW));

#define LISTED(name, fields) &name##_schema,
const struct frame_schema *const frame_schemas[] = {FRAMES(LISTED)};
const size_t frame_schemas_count = sizeof frame_schemas / sizeof *frame_schemas;

const char *
death_word(uint64_t death)
{
#define WORD(name, number, word, what) [number] = (word),
	static const char *const words[] = {DEATHS(WORD)};

	return death != DEATH_NOT && death < sizeof words / sizeof *words ? words[death]
									  : words[DEATH_UNREADABLE];
}

static int
pack_text(msgpack_packer *pk, const char *p, size_t n)
{
	return msgpack_pack_str(pk, n) ? -1 : msgpack_pack_str_body(pk, p ? p : "", n);
}

static int
pack_bytes(msgpack_packer *pk, struct slice s)
{
	return msgpack_pack_bin(pk, s.n) ? -1 : msgpack_pack_bin_body(pk, s.p ? s.p : "", s.n);
}

static int
pack_seqs(msgpack_packer *pk, const struct seqs *seqs)
{
	int bad = msgpack_pack_array(pk, seqs->n);

	for (size_t i = 0; !bad && i < seqs->n; i++)
		bad = msgpack_pack_uint64(pk, seqs->list[i]);
	return bad;
}

static int
pack_value(msgpack_packer *pk, enum field_kind kind, const void *value)
{
	const struct slice *s = value;

	switch (kind) {
	case FIELD_UINT:
		return msgpack_pack_uint64(pk, *(const uint64_t *)value);
	case FIELD_NSTR:
	case FIELD_NEW2:
	case FIELD_NEW3:
		return s->p ? pack_text(pk, s->p, s->n) : msgpack_pack_nil(pk);
	case FIELD_STR:
		return pack_text(pk, s->p, s->n);
	case FIELD_BIN:
		return pack_bytes(pk, *s);
	case FIELD_OBJ:
		return msgpack_pack_object(pk, *(const msgpack_object *)value);
	case FIELD_SEQS:
		return pack_seqs(pk, value);
	}
	return -1;
}

bool
frame_pack(const struct frame_schema *schema, const void *frame, msgpack_sbuffer *out)
{
	msgpack_packer pk;
	int bad;

	msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
	bad = msgpack_pack_map(&pk, schema->count + 1) || pack_text(&pk, "v", 1) ||
	      msgpack_pack_uint64(&pk, schema->version);
	for (size_t i = 0; !bad && i < schema->count; i++) {
		const struct frame_field *f = &schema->fields[i];

		bad = pack_text(&pk, f->name, f->name_len) ||
		      pack_value(&pk, f->kind, (const char *)frame + f->offset);
	}
	return !bad;
}

enum type { NONE, NIL, BOOL, UINT, NEGATIVE, FLOAT, STR, BIN, EXT, ARRAY, MAP, INT };

static const char *const type_names[] = {[NONE] = "what msgpack never uses",
	[NIL] = "nil",
	[BOOL] = "a boolean",
	[UINT] = "an unsigned integer",
	[NEGATIVE] = "a negative integer",
	[FLOAT] = "a float",
	[STR] = "a text",
	[BIN] = "bytes",
	[EXT] = "an extension",
	[ARRAY] = "an array",
	[MAP] = "a map",
	[INT] = "an integer"};

/* The first bytes 0xc0 to 0xdf: how many bytes of length or number follow (width), and how many of
 * payload after those (extra). */
static const struct {
	uint8_t type, width, extra;
} heads[32] = {{NIL, 0, 0}, {NONE, 0, 0}, {BOOL, 0, 0}, {BOOL, 0, 0}, {BIN, 1, 0}, {BIN, 2, 0},
	{BIN, 4, 0}, {EXT, 1, 1}, {EXT, 2, 1}, {EXT, 4, 1}, {FLOAT, 0, 4}, {FLOAT, 0, 8},
	{UINT, 1, 0}, {UINT, 2, 0}, {UINT, 4, 0}, {UINT, 8, 0}, {INT, 1, 0}, {INT, 2, 0},
	{INT, 4, 0}, {INT, 8, 0}, {EXT, 0, 2}, {EXT, 0, 3}, {EXT, 0, 5}, {EXT, 0, 9}, {EXT, 0, 17},
	{STR, 1, 0}, {STR, 2, 0}, {STR, 4, 0}, {ARRAY, 2, 0}, {ARRAY, 4, 0}, {MAP, 2, 0},
	{MAP, 4, 0}};

struct bytes {
	const uint8_t *p, *end;
};

/* One value's head. n: the number of an UINT, the bytes that follow of a STR, BIN, EXT or FLOAT,
 * the values that follow of an ARRAY, the pairs of a MAP. */
struct head {
	enum type type;
	uint64_t n;
};

static uint64_t
big_endian(const uint8_t *p, size_t width)
{
	uint64_t n = 0;

	for (size_t i = 0; i < width; i++)
		n = n << 8 | p[i];
	return n;
}

static struct head
signed_head(uint64_t n, size_t width)
{
	const bool negative = n >> (width * 8 - 1);

	return (struct head){negative ? NEGATIVE : UINT, n};
}

/* A head whose first byte carries its number or length itself. */
static struct head
short_head(uint8_t byte)
{
	if (byte < 0x80)
		return (struct head){UINT, byte};
	if (byte < 0x90)
		return (struct head){MAP, byte & 15};
	if (byte < 0xa0)
		return (struct head){ARRAY, byte & 15};
	if (byte < 0xc0)
		return (struct head){STR, byte & 31};
	return (struct head){NEGATIVE, byte};
}

static struct head
long_head(struct bytes *c, uint8_t byte)
{
	const size_t width = heads[byte - 0xc0].width;
	const enum type type = heads[byte - 0xc0].type;
	struct head h = {type, heads[byte - 0xc0].extra};

	if ((size_t)(c->end - c->p) < width)
		return (struct head){NONE, 0};
	if (width)
		h.n += big_endian(c->p, width);
	c->p += width;
	return type == INT ? signed_head(h.n, width) : h;
}

/* False when the bytes end before the head does, or before the payload that it announces. */
static bool
read_head(struct bytes *c, struct head *h)
{
	uint8_t byte;

	if (c->p == c->end)
		return false;
	byte = *c->p++;
	*h = byte >= 0xc0 && byte < 0xe0 ? long_head(c, byte) : short_head(byte);
	if (h->type >= FLOAT && h->type <= EXT)
		return h->n <= (uint64_t)(c->end - c->p);
	return h->type != NONE;
}

enum walk { WALK_OK, WALK_CUT, WALK_DEEP };

/* Moves behind one value and all that is in it. */
static enum walk
walk_value(struct bytes *c, size_t depth_max)
{
	uint64_t left[DEPTH_MAX + 1]; /* as far as depth */
	size_t depth = 0;
	struct head h = {NONE, 0};

	left[0] = 1;
	for (;;) {
		while (left[depth] == 0)
			if (depth-- == 0)
				return WALK_OK;
		left[depth]--;
		if (!read_head(c, &h))
			return WALK_CUT;
		if (h.type >= FLOAT && h.type <= EXT) {
			c->p += h.n;
		} else if (h.type == ARRAY || h.type == MAP) {
			if (depth == depth_max)
				return WALK_DEEP;
			left[++depth] = h.type == MAP ? 2 * h.n : h.n;
		}
	}
}

/* What one frame_unpack works on. */
struct unpacker {
	const struct frame_schema *schema;
	struct bytes in;
	msgpack_zone *zone;
	char *frame;
	struct error *why;
	unsigned version; /* of the frame, once `v` has been read */
};

static bool
refuse(const struct unpacker *u, const char *field, const char *what)
{
	return error_set(u->why, "%s frame: %s: %s", u->schema->name, field, what);
}

static bool
refuse_type(const struct unpacker *u, const struct frame_field *f, enum type wanted,
	const struct head *h)
{
	return error_set(u->why, "%s frame: %s: %s expected, %s found", u->schema->name, f->name,
		type_names[wanted], type_names[h->type]);
}

static bool
may_be_nil(enum field_kind kind)
{
	return kind == FIELD_NSTR || kind == FIELD_NEW2 || kind == FIELD_NEW3;
}

/* Since which there is such a field. */
static unsigned
version_of(enum field_kind kind)
{
	return kind == FIELD_NEW2 ? 2 : kind == FIELD_NEW3 ? 3 : 1;
}

static bool
read_text(struct unpacker *u, const struct frame_field *f, enum type wanted, const struct head *h)
{
	struct slice *s = (struct slice *)(u->frame + f->offset);

	*s = (struct slice){NULL, 0};
	if (may_be_nil(f->kind) && h->type == NIL)
		return true;
	if (h->type != wanted)
		return refuse_type(u, f, wanted, h);
	if (f->max && h->n > f->max)
		return error_set(u->why, "%s frame: %s: %" PRIu64 " bytes, at most %zu allowed",
			u->schema->name, f->name, h->n, f->max);
	*s = (struct slice){(const char *)u->in.p, h->n};
	u->in.p += h->n;
	return true;
}

/* Is it a list, and no longer than its field allows? */
static bool
check_list(const struct unpacker *u, const struct frame_field *f, const struct head *h)
{
	if (h->type != ARRAY)
		return refuse_type(u, f, ARRAY, h);
	return h->n <= f->max ||
	       error_set(u->why, "%s frame: %s: %" PRIu64 " entries, at most %zu allowed",
		       u->schema->name, f->name, h->n, f->max);
}

static bool
read_seqs(struct unpacker *u, const struct frame_field *f, const struct head *h)
{
	struct head item = {NONE, 0};
	uint64_t *list;

	if (!check_list(u, f, h))
		return false;
	if (h->n > (uint64_t)(u->in.end - u->in.p))
		return refuse(u, f->name, "the frame ends within it");
	list = msgpack_zone_malloc(u->zone, (h->n + 1) * sizeof *list);
	if (!list)
		return refuse(u, f->name, "out of memory");
	for (uint64_t i = 0; i < h->n; i++) {
		if (!read_head(&u->in, &item))
			return refuse(u, f->name, "the frame ends within it");
		if (item.type != UINT)
			return refuse_type(u, f, UINT, &item);
		list[i] = item.n;
	}
	*(struct seqs *)(u->frame + f->offset) = (struct seqs){list, h->n};
	return true;
}

static bool
read_object(struct unpacker *u, const struct frame_field *f)
{
	const char *const start = (const char *)u->in.p;
	struct bytes peek = u->in;
	struct head h = {NONE, 0};
	size_t off = 0;

	if (f->max && read_head(&peek, &h) && !check_list(u, f, &h))
		return false;
	switch (walk_value(&u->in, DEPTH_MAX - 1)) {
	case WALK_CUT:
		return refuse(u, f->name, "the frame ends within it, or it is no msgpack");
	case WALK_DEEP:
		return refuse(u, f->name, "nested too deeply");
	case WALK_OK:
		break;
	}
	if (msgpack_unpack(start, (size_t)((const char *)u->in.p - start), &off, u->zone,
		    (msgpack_object *)(u->frame + f->offset)) != MSGPACK_UNPACK_SUCCESS)
		return refuse(u, f->name, "no msgpack, or out of memory");
	return true;
}

static bool
read_value(struct unpacker *u, const struct frame_field *f)
{
	struct head h = {NONE, 0};

	if (f->kind == FIELD_OBJ)
		return read_object(u, f);
	if (!read_head(&u->in, &h))
		return refuse(u, f->name, "the frame ends within it, or it is no msgpack");
	if (f->kind == FIELD_SEQS)
		return read_seqs(u, f, &h);
	if (f->kind != FIELD_UINT)
		return read_text(u, f, f->kind == FIELD_BIN ? BIN : STR, &h);
	if (h.type != UINT)
		return refuse_type(u, f, UINT, &h);
	*(uint64_t *)(u->frame + f->offset) = h.n;
	return true;
}

static bool
read_key(struct unpacker *u, struct slice *key)
{
	struct head h = {NONE, 0};

	if (!read_head(&u->in, &h))
		return refuse(u, "a key", "the frame ends within it, or it is no msgpack");
	if (h.type != STR)
		return refuse(u, "a key", "a text expected");
	*key = (struct slice){(const char *)u->in.p, h.n};
	u->in.p += h.n;
	return true;
}

static bool
is_key(const struct frame_field *f, struct slice key)
{
	return f->name_len == key.n && memcmp(f->name, key.p, key.n) == 0;
}

/* The key's place in the table, expected first; count when it stands nowhere. */
static size_t
find_field(const struct frame_schema *schema, struct slice key, size_t expected)
{
	size_t i = 0;

	if (expected < schema->count && is_key(&schema->fields[expected], key))
		return expected;
	while (i < schema->count && !is_key(&schema->fields[i], key))
		i++;
	return i;
}

static bool
refuse_key(const struct unpacker *u, struct slice key, const char *what)
{
	if (key.n > 64)
		key.n = 64;
	return error_set(u->why, "%s frame: %s %.*s", u->schema->name, what, SLICE_ARG(key));
}

static bool
check_version(struct unpacker *u)
{
	struct head h = {NONE, 0};

	if (!read_head(&u->in, &h) || h.type != UINT)
		return refuse(u, "v", "an unsigned integer expected");
	if (h.n == 0 || h.n > u->schema->version)
		return error_set(u->why, "%s frame: v: version %" PRIu64 ", this is version %u",
			u->schema->name, h.n, u->schema->version);
	u->version = (unsigned)h.n;
	return true;
}

/* The version's place among what has been seen; the fields' are those of the table. */
static const uint32_t VERSION_SEEN = UINT32_C(1) << 31;

/* A key that came with version 2 is missing in a frame of version 1, and must be. */
static bool
check_field(const struct unpacker *u, const struct frame_field *f, bool seen)
{
	const bool none = u->version < version_of(f->kind);

	if (seen)
		return !none || refuse(u, f->name, "not in this version");
	if (none)
		*(struct slice *)(u->frame + f->offset) = (struct slice){NULL, 0};
	return none || refuse(u, f->name, "missing");
}

static bool
check_complete(const struct unpacker *u, uint32_t seen)
{
	if (!(seen & VERSION_SEEN))
		return refuse(u, "v", "missing");
	for (size_t i = 0; i < u->schema->count; i++)
		if (!check_field(u, &u->schema->fields[i], seen & UINT32_C(1) << i))
			return false;
	if (u->in.p != u->in.end)
		return error_set(u->why, "%s frame: %zu bytes follow its end", u->schema->name,
			(size_t)(u->in.end - u->in.p));
	return true;
}

/* One key and its value. Those that pack by the table have `v` first, then the fields in its order.
 */
static bool
read_pair(struct unpacker *u, uint64_t i, uint32_t *seen)
{
	struct slice key = {"", 0};
	uint32_t bit;
	size_t at;

	if (!read_key(u, &key))
		return false;
	if (slice_is(key, "v")) {
		at = u->schema->count;
		bit = VERSION_SEEN;
	} else {
		at = find_field(u->schema, key, i - 1);
		if (at == u->schema->count)
			return refuse_key(u, key, "unknown key");
		bit = UINT32_C(1) << at;
	}
	if (*seen & bit)
		return refuse_key(u, key, "repeated key");
	*seen |= bit;
	return bit == VERSION_SEEN ? check_version(u) : read_value(u, &u->schema->fields[at]);
}

bool
frame_unpack(const struct frame_schema *schema, const void *bytes, size_t n, msgpack_zone *zone,
	void *frame, struct error *why)
{
	const uint8_t *start = bytes;
	struct unpacker u = {schema, {start, start + n}, zone, frame, why, 0};
	struct head map = {NONE, 0};
	uint32_t seen = 0;

	if (n == 0 || !read_head(&u.in, &map) || map.type != MAP)
		return error_set(why, "%s frame: no msgpack map", schema->name);
	for (uint64_t i = 0; i < map.n; i++)
		if (!read_pair(&u, i, &seen))
			return false;
	return check_complete(&u, seen);
}

static bool
next_text(struct bytes *in, struct slice *text)
{
	struct head h = {NONE, 0};

	if (!read_head(in, &h) || h.type != STR)
		return false;
	*text = (struct slice){(const char *)in->p, h.n};
	in->p += h.n;
	return true;
}

/* Up to the value of that name. */
static bool
find_value(struct bytes *in, const char *name)
{
	struct head map = {NONE, 0};
	struct slice key;

	if (in->p == in->end || !read_head(in, &map) || map.type != MAP)
		return false;
	for (uint64_t i = 0; i < map.n && next_text(in, &key); i++) {
		if (slice_is(key, name))
			return true;
		if (walk_value(in, DEPTH_MAX) != WALK_OK)
			return false;
	}
	return false;
}

bool
frame_text(const void *bytes, size_t n, const char *name, struct slice *text)
{
	struct bytes in = {bytes, (const uint8_t *)bytes + n};

	return find_value(&in, name) && next_text(&in, text);
}

bool
frame_uint(const void *bytes, size_t n, const char *name, uint64_t *number)
{
	struct bytes in = {bytes, (const uint8_t *)bytes + n};
	struct head h = {NONE, 0};

	if (!find_value(&in, name) || !read_head(&in, &h) || h.type != UINT)
		return false;
	*number = h.n;
	return true;
}

static bool
seqs_object(const struct seqs *seqs, msgpack_zone *zone, msgpack_object *out)
{
	msgpack_object *list = msgpack_zone_malloc(zone, (seqs->n + 1) * sizeof *list);

	if (!list)
		return false;
	for (size_t i = 0; i < seqs->n; i++)
		list[i] = object_of_uint(seqs->list[i]);
	*out = (msgpack_object){
		.type = MSGPACK_OBJECT_ARRAY, .via.array = {(uint32_t)seqs->n, list}};
	return true;
}

static bool
value_object(enum field_kind kind, const void *value, msgpack_zone *zone, msgpack_object *out)
{
	const struct slice *s = value;

	switch (kind) {
	case FIELD_UINT:
		*out = object_of_uint(*(const uint64_t *)value);
		return true;
	case FIELD_STR:
	case FIELD_NSTR:
	case FIELD_NEW2:
	case FIELD_NEW3:
		*out = object_of_text(*s);
		return true;
	case FIELD_BIN:
		*out = (msgpack_object){
			.type = MSGPACK_OBJECT_BIN, .via.bin = {(uint32_t)s->n, s->p}};
		return true;
	case FIELD_OBJ:
		*out = *(const msgpack_object *)value;
		return true;
	case FIELD_SEQS:
		return seqs_object(value, zone, out);
	}
	return false;
}

bool
frame_object(const struct frame_schema *schema, const void *frame, msgpack_zone *zone,
	msgpack_object *out)
{
	const uint32_t n = (uint32_t)schema->count + 1;
	msgpack_object_kv *pairs = msgpack_zone_malloc(zone, n * sizeof *pairs);

	if (!pairs)
		return false;
	pairs[0] =
		(msgpack_object_kv){object_of_text(slice_of("v")), object_of_uint(schema->version)};
	for (uint32_t i = 1; i < n; i++) {
		const struct frame_field *f = &schema->fields[i - 1];

		pairs[i].key = object_of_text((struct slice){f->name, f->name_len});
		if (!value_object(f->kind, (const char *)frame + f->offset, zone, &pairs[i].val))
			return false;
	}
	*out = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {n, pairs}};
	return true;
}
