/* field - see field.h. No state; nothing is copied. */
#include "field.h"

#include <string.h>

struct slice
object_str(const msgpack_object *obj)
{
	if (obj && obj->type == MSGPACK_OBJECT_STR)
		return (struct slice){obj->via.str.size ? obj->via.str.ptr : "", obj->via.str.size};
	if (obj && obj->type == MSGPACK_OBJECT_BIN)
		return (struct slice){obj->via.bin.size ? obj->via.bin.ptr : "", obj->via.bin.size};
	return (struct slice){NULL, 0};
}

const msgpack_object *
field_get(const msgpack_object *map, const char *key)
{
	const size_t n = strlen(key);

	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object *k = &map->via.map.ptr[i].key;

		if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == n &&
			memcmp(k->via.str.ptr, key, n) == 0)
			return &map->via.map.ptr[i].val;
	}
	return NULL;
}

struct slice
field_str(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = field_get(map, key);

	if (value && value->type == MSGPACK_OBJECT_STR)
		return object_str(value);
	return (struct slice){NULL, 0};
}

struct slice
field_str_of(const msgpack_object *map, const char *const keys[])
{
	for (; *keys; keys++) {
		struct slice s = field_str(map, *keys);

		if (s.n)
			return s;
	}
	return (struct slice){NULL, 0};
}

/* -?[0-9]+ within 64 bits; counts downwards, where INT64_MIN has its place. */
static bool
parse_int(struct slice s, int64_t *value)
{
	const bool negative = s.n && s.p[0] == '-';
	int64_t n = 0;

	if (s.n == (size_t)negative)
		return false;
	for (size_t i = negative; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
			__builtin_sub_overflow(n, s.p[i] - '0', &n))
			return false;
	}
	if (!negative && n == INT64_MIN)
		return false;
	*value = negative ? n : -n;
	return true;
}

bool
field_int(const msgpack_object *map, const char *key, int64_t *value)
{
	const msgpack_object *obj = field_get(map, key);

	if (!obj)
		return false;
	switch (obj->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (obj->via.u64 > INT64_MAX)
			return false;
		*value = (int64_t)obj->via.u64;
		return true;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		*value = obj->via.i64;
		return true;
	case MSGPACK_OBJECT_STR:
		return parse_int(object_str(obj), value);
	default:
		return false;
	}
}

bool
field_bool(const msgpack_object *map, const char *key, bool fallback)
{
	const msgpack_object *obj = field_get(map, key);

	return obj && obj->type == MSGPACK_OBJECT_BOOLEAN ? obj->via.boolean : fallback;
}

double
field_number(const msgpack_object *map, const char *key)
{
	const msgpack_object *value = field_get(map, key);

	if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return (double)value->via.u64;
	if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return (double)value->via.i64;
	return value && (value->type == MSGPACK_OBJECT_FLOAT64 ||
				value->type == MSGPACK_OBJECT_FLOAT32)
		       ? value->via.f64
		       : 0;
}
