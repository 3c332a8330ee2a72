/* json_write - msgpack objects to JSON text, through json-c.
 *
 * In: objects from frames, whose texts may hold any byte. Out: always valid JSON: what is no UTF-8
 * becomes U+FFFD, what JSON has no word for (not a number, infinity) becomes null, and what would
 * steer a terminal (steering.h) stands as \uXXXX. No state. */
#include "json.h"

#include <json-c/json.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "codec.h"
#include "steering.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Bytes of the UTF-8 sequence that starts at p; 0 when there is none. */
static size_t
sequence(const unsigned char *p, size_t left)
{
	/* Indexed by the first byte's upper half, from 0xC0: length and least code point. */
	static const struct {
		size_t n;
		uint32_t least;
	} forms[] = {{2, 0x80}, {2, 0x80}, {3, 0x800}, {4, 0x10000}};
	uint32_t code;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC0 || p[0] > 0xF4 || forms[(p[0] >> 4) - 12].n > left)
		return 0;
	n = forms[(p[0] >> 4) - 12].n;
	code = p[0] & (0x7FU >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		code = code << 6 | (p[i] & 0x3F);
	}
	if (code < forms[(p[0] >> 4) - 12].least || code > 0x10FFFF || code >> 11 == 0x1B)
		return 0;
	return n;
}

bool
json_is_text(struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.p;

	for (size_t i = 0, n; i < text.n; i += n) {
		n = sequence(p + i, text.n - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* A copy, ended by a NUL, in which every byte that is no UTF-8, and also a NUL if told so, is
 * U+FFFD. The caller frees it; NULL when memory is short. */
static char *
repair(struct slice text, bool also_nul, size_t *length)
{
	char *copy = malloc(3 * text.n + 1), *to = copy;

	for (size_t i = 0, n; copy && i < text.n; i += n) {
		n = sequence((const unsigned char *)text.p + i, text.n - i);
		if (n == 0 || (also_nul && text.p[i] == '\0')) {
			n = 1;
			memcpy(to, replacement, 3);
			to += 3;
		} else {
			memcpy(to, text.p + i, n);
			to += n;
		}
	}
	if (copy)
		*to = '\0';
	*length = (size_t)(to - copy);
	return copy;
}

/* The functions below return a new json-c object, which is the caller's; what cannot be made for
 * want of memory sets *failed, since json-c's null is NULL too. */

static struct json_object *
checked(struct json_object *made, bool *failed)
{
	if (!made)
		*failed = true;
	return made;
}

static struct json_object *
write_text(struct slice text, bool *failed)
{
	struct json_object *made = NULL;
	char *copy;
	size_t n;

	if (text.n <= INT_MAX && json_is_text(text))
		return checked(
			json_object_new_string_len(text.p ? text.p : "", (int)text.n), failed);
	copy = text.n <= INT_MAX / 3 ? repair(text, false, &n) : NULL;
	if (copy)
		made = json_object_new_string_len(copy, (int)n);
	free(copy);
	return checked(made, failed);
}

static struct json_object *
write_base64(const void *bytes, size_t n, bool *failed)
{
	char *text = n <= INT_MAX / 2 ? malloc(base64_room(n)) : NULL;
	struct json_object *made = NULL;

	if (text)
		made = json_object_new_string_len(text, (int)encode_base64_to(bytes, n, text));
	free(text);
	return checked(made, failed);
}

/* The shortest text that reads back as the same double, and as a double. */
static struct json_object *
write_double(double value, bool *failed)
{
	char text[40];

	if (!isfinite(value))
		return NULL;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	if (!strpbrk(text, ".e"))
		strcat(text, ".0");
	return checked(json_object_new_double_s(value, text), failed);
}

static struct json_object *write_value(const msgpack_object *obj, bool *failed);

static struct json_object *
write_array(const msgpack_object_array *from, bool *failed)
{
	struct json_object *to = checked(json_object_new_array(), failed);

	for (uint32_t i = 0; !*failed && i < from->size; i++) {
		struct json_object *item = write_value(&from->ptr[i], failed);

		if (*failed || json_object_array_add(to, item) != 0) {
			json_object_put(item);
			*failed = true;
		}
	}
	return to;
}

/* A key as C text: itself when it is a text, else the JSON that it is. The caller frees it. */
static char *
key_text(const msgpack_object *key)
{
	size_t n;

	if (key->type != MSGPACK_OBJECT_STR)
		return json_write(key, false);
	return repair((struct slice){key->via.str.ptr, key->via.str.size}, true, &n);
}

static struct json_object *
write_map(const msgpack_object_map *from, bool *failed)
{
	struct json_object *to = checked(json_object_new_object(), failed);

	for (uint32_t i = 0; !*failed && i < from->size; i++) {
		char *key = key_text(&from->ptr[i].key);
		struct json_object *value = write_value(&from->ptr[i].val, failed);

		if (*failed || !key || json_object_object_add(to, key, value) != 0) {
			json_object_put(value);
			*failed = true;
		}
		free(key);
	}
	return to;
}

static struct json_object *
write_value(const msgpack_object *obj, bool *failed)
{
	switch (obj->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		return checked(json_object_new_boolean(obj->via.boolean), failed);
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return checked(json_object_new_uint64(obj->via.u64), failed);
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return checked(json_object_new_int64(obj->via.i64), failed);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return write_double(obj->via.f64, failed);
	case MSGPACK_OBJECT_STR:
		return write_text((struct slice){obj->via.str.ptr, obj->via.str.size}, failed);
	case MSGPACK_OBJECT_BIN:
		return write_base64(obj->via.bin.ptr, obj->via.bin.size, failed);
	case MSGPACK_OBJECT_EXT:
		return write_base64(obj->via.ext.ptr, obj->via.ext.size, failed);
	case MSGPACK_OBJECT_ARRAY:
		return write_array(&obj->via.array, failed);
	case MSGPACK_OBJECT_MAP:
		return write_map(&obj->via.map, failed);
	case MSGPACK_OBJECT_NIL:
		break;
	}
	return NULL;
}

static bool
append(msgpack_sbuffer *out, const char *p, size_t n)
{
	return msgpack_sbuffer_write(out, p, n) == 0;
}

/* JSON's own line ends and what json-c has escaped are behind us: in what it has printed only texts
 * hold such characters, so they may be escaped without reading it. */
static size_t
steering_in_json(const char *text, size_t n, uint32_t *code)
{
	return (unsigned char)text[0] < 0x7F ? 0 : steering_at(text, n, code);
}

/* Adds printed JSON with \uXXXX for what would steer a terminal. */
static bool
append_json(msgpack_sbuffer *out, const char *text, size_t n)
{
	size_t from = 0, i = 0;
	bool good = true;

	while (good && i < n) {
		uint32_t code;
		const size_t bytes = steering_in_json(text + i, n - i, &code);
		char escape[7];

		if (bytes == 0) {
			i++;
			continue;
		}
		snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(code & 0xFFFF));
		good = append(out, text + from, i - from) && append(out, escape, 6);
		from = i += bytes;
	}
	return good && append(out, text + from, n - from);
}

/* A copy of printed JSON, the caller's; NULL when memory is short. */
static char *
copy_json(const char *text, size_t n)
{
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	if (append_json(&out, text, n) && append(&out, "", 1))
		return msgpack_sbuffer_release(&out);
	msgpack_sbuffer_destroy(&out);
	return NULL;
}

char *
json_write(const msgpack_object *obj, bool pretty)
{
	const int style = JSON_C_TO_STRING_NOSLASHESCAPE |
			  (pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
				  : JSON_C_TO_STRING_PLAIN);
	bool failed = false;
	struct json_object *tree = write_value(obj, &failed);
	size_t n = 0;
	const char *text = failed ? NULL : json_object_to_json_string_length(tree, style, &n);
	char *copy = text ? copy_json(text, n) : NULL;

	json_object_put(tree);
	return copy;
}

/* Printable ASCII with nothing to escape. */
static bool
is_plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		const unsigned char c = (unsigned char)text.p[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			return false;
	}
	return true;
}

bool
json_quote(struct slice text, msgpack_sbuffer *out)
{
	struct json_object *made;
	bool failed = false;
	const char *quoted;
	size_t n;

	if (is_plain(text))
		return append(out, "\"", 1) && append(out, text.p ? text.p : "", text.n) &&
		       append(out, "\"", 1);
	made = write_text(text, &failed);
	quoted = json_object_to_json_string_length(made, JSON_C_TO_STRING_NOSLASHESCAPE, &n);
	failed = failed || !quoted || !append_json(out, quoted, n);
	json_object_put(made);
	return !failed;
}
