/* header - see header.h. */
#include "header.h"

#include <strings.h>

#include "lib/base/field.h"

enum { SECONDS_DIGITS_MAX = 15 };

static const struct slice NONE = {NULL, 0};

static bool
is_named(const msgpack_object *pair, const char *name, size_t n)
{
	struct slice key;

	if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2)
		return false;
	key = object_str(&pair->via.array.ptr[0]);
	return key.p && key.n == n && strncasecmp(key.p, name, n) == 0;
}

size_t
header_find(const msgpack_object *headers, const char *name, struct slice *value)
{
	const size_t n = strlen(name);
	size_t count = 0;

	*value = NONE;
	if (!headers || headers->type != MSGPACK_OBJECT_ARRAY)
		return 0;
	for (uint32_t i = 0; i < headers->via.array.size; i++) {
		const msgpack_object *pair = &headers->via.array.ptr[i];

		/* RFC 9110 section 5.5: spaces and tabs around a value are no part of it. */
		if (is_named(pair, name, n) && !count++)
			*value = slice_trim(object_str(&pair->via.array.ptr[1]), " \t");
	}
	return count;
}

struct slice
header_only(const msgpack_object *headers, const char *name, struct error *why)
{
	struct slice value;
	const size_t count = header_find(headers, name, &value);

	if (count == 1 && value.p)
		return value;
	if (count > 1)
		error_set(why, "header %s stands %zu times: only one can be meant", name, count);
	else
		error_set(why, "header %s is missing", name);
	return NONE;
}

struct slice
header_value(const msgpack_object *headers, const char *name)
{
	struct slice value;

	return header_find(headers, name, &value) == 1 ? value : NONE;
}

bool
header_seconds(struct slice text, int64_t *seconds)
{
	const bool negative = text.n && *text.p == '-';
	int64_t value = 0;

	if (text.n == (size_t)negative || text.n > (size_t)negative + SECONDS_DIGITS_MAX)
		return false;
	for (size_t i = negative; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		value = value * 10 + (text.p[i] - '0');
	}
	*seconds = negative ? -value : value;
	return true;
}
