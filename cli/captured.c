/* captured - see captured.h. */
#include "captured.h"

#include <stdlib.h>

#include "lib/base/codec.h"
#include "lib/base/field.h"
#include "lib/base/file.h"

struct slice
captured_file(const char *path, msgpack_zone *zone, struct error *why)
{
	size_t n;
	char *text = file_read(path, CAPTURED_MAX, &n, why);
	char *copy = text ? msgpack_zone_malloc_no_align(zone, n + 1) : NULL;

	if (copy)
		memcpy(copy, text, n + 1);
	else if (text)
		error_set(why, "memory is short");
	free(text);
	return (struct slice){copy, copy ? n : 0};
}

static bool
add_header(msgpack_object *list, msgpack_object name, msgpack_object value, msgpack_zone *zone,
	struct error *why)
{
	msgpack_object *pair = msgpack_zone_malloc(zone, 2 * sizeof *pair);

	if (!pair || name.type != MSGPACK_OBJECT_STR || value.type != MSGPACK_OBJECT_STR)
		return error_set(why, "headers: a name or value is no text");
	pair[0] = name;
	pair[1] = value;
	list->via.array.ptr[list->via.array.size++] =
		(msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}};
	return true;
}

static bool
is_list(const msgpack_object *value)
{
	return value->type == MSGPACK_OBJECT_ARRAY;
}

static size_t
count_values(const msgpack_object_map *map)
{
	size_t n = 0;

	for (uint32_t i = 0; i < map->size; i++)
		n += is_list(&map->ptr[i].val) ? map->ptr[i].val.via.array.size : 1;
	return n;
}

/* {name: value or [values]} to [[name, value], ...]. */
static bool
pair_headers(
	const msgpack_object_map *map, msgpack_object *list, msgpack_zone *zone, struct error *why)
{
	list->via.array.ptr =
		msgpack_zone_malloc(zone, (count_values(map) + 1) * sizeof(msgpack_object));
	if (!list->via.array.ptr)
		return error_set(why, "out of memory");
	for (uint32_t i = 0; i < map->size; i++) {
		const msgpack_object *value = &map->ptr[i].val;
		const msgpack_object *at = is_list(value) ? value->via.array.ptr : value;
		const uint32_t n = is_list(value) ? value->via.array.size : 1;

		for (uint32_t k = 0; k < n; k++)
			if (!add_header(list, map->ptr[i].key, at[k], zone, why))
				return false;
	}
	return true;
}

static bool
read_headers(const msgpack_object *root, struct inbound *in, struct error *why)
{
	const msgpack_object *headers = field_get(root, "headers");
	msgpack_object *list = msgpack_zone_malloc(in->zone, sizeof *list);

	if (!list)
		return error_set(why, "out of memory");
	*list = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
	in->headers = headers && is_list(headers) ? headers : list;
	if (!headers || is_list(headers))
		return true;
	if (headers->type != MSGPACK_OBJECT_MAP)
		return error_set(why, "headers is neither an object nor an array");
	return pair_headers(&headers->via.map, list, in->zone, why);
}

static bool
read_body(const msgpack_object *root, struct inbound *in, struct error *why)
{
	const struct slice encoded = field_str(root, "body_b64");

	in->body = encoded.p ? decode_base64(encoded, BASE64_STRICT, in->zone)
			     : field_str(root, "body");
	if (in->body.p)
		return true;
	return error_set(
		why, encoded.p ? "body_b64 is not base64" : "neither body nor body_b64 is a text");
}

bool
captured_read(const char *path, struct inbound *in, struct error *why)
{
	const struct slice text = captured_file(path, in->zone, why);
	msgpack_object root;

	if (!text.p)
		return false;
	if (!json_read(in->json, text, in->zone, &root, why))
		return error_wrap(why, "%s", path);
	if (root.type != MSGPACK_OBJECT_MAP)
		return error_set(why, "%s: no JSON object", path);
	in->url = field_str(&root, "url");
	if (read_headers(&root, in, why) && read_body(&root, in, why))
		return true;
	return error_wrap(why, "%s", path);
}
