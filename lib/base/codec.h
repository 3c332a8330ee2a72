/* codec - bytes as hex and as base64, and back. Pure. */
#ifndef TROTLINE_BASE_CODEC_H
#define TROTLINE_BASE_CODEC_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "slice.h"

/* n bytes as 2 * n lower-case hex digits and a NUL, into the caller's room or the zone (absent when
 * memory is short). */
void encode_hex_to(const void *bytes, size_t n, char *out);
struct slice encode_hex(const void *bytes, size_t n, msgpack_zone *zone);

/* The same as base64, padded; returns its length. The room for n bytes, the NUL included. */
size_t encode_base64_to(const void *bytes, size_t n, char *out);
struct slice encode_base64(const void *bytes, size_t n, msgpack_zone *zone);

static inline size_t
base64_room(size_t n)
{
	return (n + 2) / 3 * 4 + 1;
}

/* Exactly 2 * n hex digits of either case to n bytes. */
bool decode_hex(struct slice text, unsigned char *out, size_t n);

enum base64_rule {
	BASE64_STRICT,  /* RFC 4648 section 4: padded, no unused bits set, nothing else in it */
	BASE64_LENIENT, /* padding may lack and unused bits be set: for secrets only */
};

/* Base64 text to bytes in the zone; absent when it breaks the rule or memory is short. Empty text
 * gives an empty slice. No spaces or line ends are allowed in either rule. */
struct slice decode_base64(struct slice text, enum base64_rule rule, msgpack_zone *zone);

/* The same into the caller's room; *n: how many bytes. False also when they do not fit. */
bool decode_base64_to(
	struct slice text, enum base64_rule rule, unsigned char *out, size_t room, size_t *n);

#endif
