/* codec - see codec.h.
 *
 * Base64 is libresolv's, which every process has in memory beside libzmq; OpenSSL's would cost each
 * of those that need nothing else of it 400 kB. Its decoder passes over white space and wants a
 * NUL behind the text, so it is given whole quanta of nothing but digits, piece by piece. */
#include "codec.h"

#include <resolv.h>

enum { QUANTUM = 4, BYTES = 3, PIECE = 64 * QUANTUM, TEXT_MAX = 1 << 20 };

void
encode_hex_to(const void *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = '\0';
}

struct slice
encode_hex(const void *bytes, size_t n, msgpack_zone *zone)
{
	char *text = msgpack_zone_malloc_no_align(zone, 2 * n + 1);

	if (text)
		encode_hex_to(bytes, n, text);
	return (struct slice){text, text ? 2 * n : 0};
}

size_t
encode_base64_to(const void *bytes, size_t n, char *out)
{
	const int length = b64_ntop(bytes, n, out, base64_room(n));

	return length < 0 ? 0 : (size_t)length;
}

struct slice
encode_base64(const void *bytes, size_t n, msgpack_zone *zone)
{
	char *text = msgpack_zone_malloc_no_align(zone, base64_room(n));

	return (struct slice){text, text ? encode_base64_to(bytes, n, text) : 0};
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

bool
decode_hex(struct slice text, unsigned char *out, size_t n)
{
	if (text.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const int high = hex_digit(text.p[2 * i]), low = hex_digit(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static bool
all_base64(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char c = p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			    c == '+' || c == '/'))
			return false;
	}
	return true;
}

/* n digits, whole quanta, to n / 4 * 3 bytes. */
static bool
decode_quanta(const char *digits, size_t n, unsigned char *out)
{
	char piece[PIECE + 1];

	while (n > 0) {
		const size_t part = n < PIECE ? n : PIECE, bytes = part / QUANTUM * BYTES;

		memcpy(piece, digits, part);
		piece[part] = '\0';
		if (b64_pton(piece, out, bytes) != (int)bytes)
			return false;
		digits += part;
		out += bytes;
		n -= part;
	}
	return true;
}

/* The last 2 or 3 digits, to 1 or 2 bytes. Strict: they must be those that the bytes encode to. */
static bool
decode_tail(const char *digits, size_t n, enum base64_rule rule, unsigned char *out)
{
	char in[QUANTUM + 1] = "AAAA", again[QUANTUM + 1];
	unsigned char bytes[BYTES];

	memcpy(in, digits, n);
	if (!decode_quanta(in, QUANTUM, bytes))
		return false;
	memcpy(out, bytes, n - 1);
	encode_base64_to(bytes, n - 1, again);
	return rule == BASE64_LENIENT || memcmp(again, digits, n) == 0;
}

bool
decode_base64_to(
	struct slice text, enum base64_rule rule, unsigned char *out, size_t room, size_t *n)
{
	size_t digits = text.n, tail, full;

	while (digits && text.p[digits - 1] == '=')
		digits--;
	tail = digits % QUANTUM;
	full = digits - tail;
	if (tail == 1 || text.n - digits > 2 || text.n > TEXT_MAX || !all_base64(text.p, digits))
		return false;
	if (rule == BASE64_STRICT && text.n % QUANTUM)
		return false;
	*n = full / QUANTUM * BYTES + (tail ? tail - 1 : 0);
	if (*n > room)
		return false;
	if (!decode_quanta(text.p, full, out))
		return false;
	return !tail || decode_tail(text.p + full, tail, rule, out + full / QUANTUM * BYTES);
}

struct slice
decode_base64(struct slice text, enum base64_rule rule, msgpack_zone *zone)
{
	const size_t room = text.n / QUANTUM * BYTES + BYTES;
	char *out = msgpack_zone_malloc_no_align(zone, room);
	size_t n;

	if (!out || !decode_base64_to(text, rule, (unsigned char *)out, room, &n))
		return (struct slice){NULL, 0};
	return (struct slice){out, n};
}
