/* form - see form.h. The fields, and the urlencoded kind; multipart has a file of its own. */
#include "form.h"

#include <strings.h>

#include "form_private.h"
#include "lib/base/field.h"

static const struct slice NONE = {NULL, 0};

struct form_field *
form_add(struct form *form, msgpack_zone *zone, struct error *why)
{
	if (form->count == FORM_FIELDS_MAX) {
		error_set(why, "a form of more than %d fields", FORM_FIELDS_MAX);
		return NULL;
	}
	if (!form->list)
		form->list = msgpack_zone_malloc(zone, FORM_FIELDS_MAX * sizeof *form->list);
	if (!form->list) {
		error_set(why, "out of memory for a form");
		return NULL;
	}
	return &form->list[form->count++];
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "%41" at i; -1 when two hex digits do not follow. */
static int
percent_byte(struct slice text, size_t i)
{
	int high, low;

	if (text.p[i] != '%' || text.n - i < 3)
		return -1;
	high = hex_digit(text.p[i + 1]);
	low = hex_digit(text.p[i + 2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Text without '%' and '+' stays where it is. */
static bool
decode(struct slice text, msgpack_zone *zone, struct slice *out)
{
	char *to;

	*out = text;
	if (!text.n || (!memchr(text.p, '%', text.n) && !memchr(text.p, '+', text.n)))
		return true;
	to = msgpack_zone_malloc_no_align(zone, text.n);
	if (!to)
		return false;
	*out = (struct slice){to, 0};
	for (size_t i = 0; i < text.n; i++) {
		const int byte = percent_byte(text, i);

		if (byte >= 0)
			i += 2;
		to[out->n++] = (char)(byte >= 0 ? byte : text.p[i] == '+' ? ' ' : text.p[i]);
	}
	return true;
}

static bool
read_pair(struct slice pair, msgpack_zone *zone, struct form *form, struct error *why)
{
	const char *equals = memchr(pair.p, '=', pair.n);
	const size_t n = equals ? (size_t)(equals - pair.p) : pair.n;
	const size_t skip = equals ? n + 1 : n;
	struct form_field *field = form_add(form, zone, why);

	if (!field)
		return false;
	field->filename = NONE;
	return (decode((struct slice){pair.p, n}, zone, &field->name) &&
		       decode((struct slice){pair.p + skip, pair.n - skip}, zone, &field->value)) ||
	       error_set(why, "out of memory for a form");
}

bool
form_read_urlencoded(struct slice body, msgpack_zone *zone, struct form *form, struct error *why)
{
	*form = (struct form){NULL, 0};
	while (body.n) {
		const char *end = memchr(body.p, '&', body.n);
		const size_t n = end ? (size_t)(end - body.p) : body.n;

		if (n && !read_pair((struct slice){body.p, n}, zone, form, why))
			return false;
		body.p += n + (end != NULL);
		body.n -= n + (end != NULL);
	}
	return true;
}

/* Behind the type may come parameters, and spaces before them. */
static bool
ends_type(char c)
{
	return c == ';' || c == ' ' || c == '\t';
}

static bool
is_type(struct slice content_type, const char *type)
{
	const size_t n = strlen(type);

	return content_type.n >= n && strncasecmp(content_type.p, type, n) == 0 &&
	       (content_type.n == n || ends_type(content_type.p[n]));
}

static const char URLENCODED[] = "application/x-www-form-urlencoded";
static const char MULTIPART[] = "multipart/form-data";

bool
form_is(struct slice content_type)
{
	return is_type(content_type, URLENCODED) || is_type(content_type, MULTIPART);
}

bool
form_read(struct slice content_type, struct slice body, msgpack_zone *zone, struct form *form,
	struct error *why)
{
	struct slice boundary;

	*form = (struct form){NULL, 0};
	if (is_type(content_type, URLENCODED))
		return form_read_urlencoded(body, zone, form, why);
	if (!is_type(content_type, MULTIPART))
		return error_set(
			why, "the content type is neither %s nor %s", URLENCODED, MULTIPART);
	boundary = form_parameter(content_type, "boundary");
	if (!boundary.n)
		return error_set(why, "%s without a boundary", MULTIPART);
	return form_read_multipart(boundary, body, zone, form, why);
}

size_t
form_find(const struct form *form, const char *name, struct slice *value)
{
	size_t count = 0;

	*value = NONE;
	for (size_t i = 0; i < form->count; i++)
		if (slice_is(form->list[i].name, name) && !count++)
			*value = form->list[i].value;
	return count;
}

struct slice
form_get(const struct form *form, const char *name)
{
	struct slice value;

	return form_find(form, name, &value) == 1 ? value : NONE;
}

struct slice
form_last(const struct form *form, const char *name)
{
	for (size_t i = form->count; i-- > 0;)
		if (slice_is(form->list[i].name, name))
			return form->list[i].value;
	return NONE;
}

static msgpack_object
text_object(struct slice s)
{
	return (msgpack_object){
		.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)s.n, s.n ? s.p : ""}};
}

msgpack_object
form_all(const struct form *form, const char *name, msgpack_zone *zone)
{
	msgpack_object list = {.type = MSGPACK_OBJECT_ARRAY};
	struct slice first;
	const size_t count = form_find(form, name, &first);

	list.via.array.ptr = count ? msgpack_zone_malloc(zone, count * sizeof list) : NULL;
	if (!list.via.array.ptr)
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (size_t i = 0; i < form->count; i++)
		if (slice_is(form->list[i].name, name))
			list.via.array.ptr[list.via.array.size++] =
				text_object(form->list[i].value);
	return list;
}

static bool
has_key(const msgpack_object *map, struct slice key)
{
	for (uint32_t i = 0; i < map->via.map.size; i++)
		if (slice_eq(object_str(&map->via.map.ptr[i].key), key))
			return true;
	return false;
}

msgpack_object
form_map(const struct form *form, msgpack_zone *zone)
{
	msgpack_object map = {.type = MSGPACK_OBJECT_MAP};

	map.via.map.ptr = msgpack_zone_malloc(zone, (form->count + 1) * sizeof *map.via.map.ptr);
	if (!map.via.map.ptr)
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (size_t i = 0; i < form->count; i++) {
		const struct form_field *field = &form->list[i];

		if (field->filename.p || has_key(&map, field->name))
			continue;
		map.via.map.ptr[map.via.map.size++] =
			(msgpack_object_kv){text_object(field->name), text_object(field->value)};
	}
	return map;
}
