/* fields - see fields.h. Texts, tags, metadata and types; SMTP codes have a file of their own. */
#include "fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

static const struct slice NONE = {NULL, 0};
static const msgpack_object NIL = {.type = MSGPACK_OBJECT_NIL};

const msgpack_object *
fields_at(const msgpack_object *map, const char *const path[])
{
	for (; map && *path; path++)
		map = field_get(map, *path);
	return map;
}

struct slice
fields_text_at(const msgpack_object *map, const char *const path[])
{
	const msgpack_object *value = fields_at(map, path);

	if (!value || value->type != MSGPACK_OBJECT_STR || !value->via.str.size)
		return NONE;
	return object_str(value);
}

/* A printed number of at most 31 characters. */
static struct slice
keep(const char *text, int n, msgpack_zone *zone)
{
	char *copy = n > 0 ? msgpack_zone_malloc_no_align(zone, (size_t)n) : NULL;

	if (!copy)
		return NONE;
	memcpy(copy, text, (size_t)n);
	return (struct slice){copy, (size_t)n};
}

struct slice
fields_number(int64_t value, msgpack_zone *zone)
{
	char text[32];

	const int n = snprintf(text, sizeof text, "%" PRId64, value);

	return keep(text, n, zone);
}

struct slice
fields_id(const msgpack_object *map, const char *key, msgpack_zone *zone)
{
	const msgpack_object *value = field_get(map, key);
	char text[32];

	if (!value)
		return NONE;
	if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return fields_number(value->via.i64, zone);
	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return keep(text, snprintf(text, sizeof text, "%" PRIu64, value->via.u64), zone);
	return fields_text_at(map, (const char *const[]){key, NULL});
}

int64_t
fields_time(const msgpack_object *map, const char *key)
{
	return timestamp_of(field_get(map, key));
}

bool
fields_yes(const msgpack_object *map, const char *key)
{
	const struct slice text = field_str(map, key);
	int64_t number;

	return field_bool(map, key, false) || slice_is(text, "true") ||
	       (field_int(map, key, &number) && number == 1);
}

struct slice
fields_or(struct slice a, struct slice b)
{
	if (a.n)
		return a;
	return b.n ? b : NONE;
}

static struct slice
join(struct slice a, const char *between, struct slice b, msgpack_zone *zone)
{
	const size_t gap = strlen(between);
	char *text;

	if (!a.n || !b.n)
		return fields_or(a, b);
	text = msgpack_zone_malloc_no_align(zone, a.n + gap + b.n);
	if (!text)
		return a;
	memcpy(text, a.p, a.n);
	memcpy(text + a.n, between, gap);
	memcpy(text + a.n + gap, b.p, b.n);
	return (struct slice){text, a.n + gap + b.n};
}

struct slice
fields_join(struct slice a, struct slice b, msgpack_zone *zone)
{
	return join(a, ": ", b, zone);
}

msgpack_object
fields_pair(const char *key, msgpack_object value, msgpack_zone *zone)
{
	msgpack_object_kv *pair = msgpack_zone_malloc(zone, sizeof *pair);

	if (!pair)
		return NIL;
	*pair = (msgpack_object_kv){object_of_text(slice_of(key)), value};
	return (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, pair}};
}

static bool
is_full_text(const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_STR && value->via.str.size > 0;
}

msgpack_object
fields_tags(const msgpack_object *value, msgpack_zone *zone)
{
	const bool list = value && value->type == MSGPACK_OBJECT_ARRAY;
	const msgpack_object *from = list ? value->via.array.ptr : value;
	const uint32_t n = list ? value->via.array.size : value != NULL;
	msgpack_object out = {.type = MSGPACK_OBJECT_ARRAY};

	if (!n)
		return NIL;
	out.via.array.ptr = msgpack_zone_malloc(zone, n * sizeof *from);
	if (!out.via.array.ptr)
		return NIL;
	for (uint32_t i = 0; i < n; i++)
		if (is_full_text(&from[i]))
			out.via.array.ptr[out.via.array.size++] = from[i];
	return out.via.array.size ? out : NIL;
}

/* A text that starts like a JSON value of that kind and is one. */
static bool
read_text(const msgpack_object *value, char first, struct json_reader *json, msgpack_zone *zone,
	msgpack_object *out)
{
	const struct slice text = value ? slice_trim(object_str(value), " \t\r\n") : NONE;

	return text.n && text.p[0] == first && json_read(json, text, zone, out, NULL);
}

msgpack_object
fields_tags_json(const msgpack_object *value, struct json_reader *json, msgpack_zone *zone)
{
	msgpack_object list;

	if (read_text(value, '[', json, zone, &list))
		value = &list;
	return fields_tags(value, zone);
}

msgpack_object
fields_metadata(const msgpack_object *value)
{
	if (!value || value->type != MSGPACK_OBJECT_MAP || !value->via.map.size)
		return NIL;
	return *value;
}

msgpack_object
fields_metadata_json(const msgpack_object *value, struct json_reader *json, msgpack_zone *zone)
{
	msgpack_object map;

	if (read_text(value, '{', json, zone, &map))
		value = &map;
	return fields_metadata(value);
}

void
fields_smtp(struct normal *ev, struct slice text)
{
	if (!ev->smtp_code)
		ev->smtp_code = smtp_code(text);
	if (!ev->smtp_enhanced.n)
		ev->smtp_enhanced = smtp_enhanced(text);
}

void
fields_type(struct normal *ev, const char *type, const char *bounce_class)
{
	ev->type = slice_of(type);
	ev->bounce_class = slice_of(bounce_class);
}

/* "contact.*" */
static bool
is_family(const struct event_name *row)
{
	const size_t n = strlen(row->theirs);

	return n && row->theirs[n - 1] == '*';
}

static bool
is_row_of(const struct event_name *row, struct slice theirs)
{
	const size_t n = strlen(row->theirs);

	if (!is_family(row))
		return slice_is(theirs, row->theirs);
	return theirs.n >= n && memcmp(theirs.p, row->theirs, n - 1) == 0;
}

static const struct event_name *
row_of(const struct event_name table[], struct slice theirs)
{
	for (; theirs.p && table->theirs; table++)
		if (is_row_of(table, theirs))
			return table;
	return NULL;
}

const struct event_name *
fields_name(struct normal *ev, const struct event_name table[], struct slice theirs)
{
	const struct event_name *row = row_of(table, theirs);

	ev->provider_event = theirs;
	ev->unknown_kind = row && !is_family(row) ? NONE : theirs;
	fields_type(ev, row ? row->type : "unknown", row ? row->bounce_class : NULL);
	return row;
}

void
fields_unknown(struct normal *ev, struct slice word, msgpack_zone *zone)
{
	ev->unknown_kind = join(ev->provider_event, "/", word, zone);
}

/* Parts of the names by which machines call themselves. */
static const char *const machine_names[] = {
	"GoogleImageProxy",
	"ggpht.com",
	"YahooMailProxy",
	"YahooCacheSystem",
	"Barracuda",
	"Proofpoint",
	"Mimecast",
	"SafeLinks",
	"HeadlessChrome",
	"PhantomJS",
	"python-requests",
	"Go-http-client",
	"curl/",
	"Wget/",
	"bot/",
	"bot-",
	"crawler",
	"spider",
	"Slackbot",
	"facebookexternalhit",
	"LinkPreview",
	"+http",
};

static bool
holds(struct slice text, const char *name)
{
	const size_t n = strlen(name);
	const char first = (char)(*name | ' '); /* most places differ there already */

	for (size_t at = 0; at + n <= text.n; at++)
		if ((text.p[at] | ' ') == first && strncasecmp(text.p + at, name, n) == 0)
			return true;
	return false;
}

bool
fields_machine_agent(struct slice user_agent)
{
	if (slice_is(user_agent, "Mozilla/5.0"))
		return true;
	for (size_t i = 0; i < sizeof machine_names / sizeof *machine_names; i++)
		if (holds(user_agent, machine_names[i]))
			return true;
	return false;
}
