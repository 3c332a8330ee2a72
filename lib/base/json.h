/* json - the only place where JSON text is met: JSON <-> msgpack objects.
 *
 * Reading is strict (RFC 8259, UTF-8 checked, one value, no trailing bytes) and refuses what would
 * be read differently elsewhere: repeated keys, a NUL in a key, nesting over JSON_DEPTH_MAX. 64-bit
 * integers and NUL in strings survive. What only some readers cannot hold costs no event: half a
 * surrogate pair reads as U+FFFD, a number beyond 64 bits (or beyond a double) as the text of its
 * digits, and one byte order mark before the text is passed over. */
#ifndef TROTLINE_JSON_H
#define TROTLINE_JSON_H

#include <msgpack.h>
#include <stdbool.h>

#include "error.h"
#include "slice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { JSON_DEPTH_MAX = 24 };

/* A parser with its buffers, kept from call to call. Not for two threads at once. */
struct json_reader;

struct json_reader *json_reader_new(void);
void json_reader_destroy(struct json_reader **reader);

/* Parses text; the tree is copied into the zone and shares nothing with text or the reader. */
bool json_read(struct json_reader *reader, struct slice text, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* The same for a batch, so that one bad event sinks none of the others: of an array that is refused
 * only for what stands in some of its objects (repeated keys, bytes that are no UTF-8), these become
 * nil. Then its other items that are no objects do too. False when none of its objects can be
 * read. */
bool json_read_batch(struct json_reader *reader, struct slice text, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* The texts of the items of an array that json_read_batch has read, in its order: *items in the zone,
 * each a part of text without the blanks around it. n is 0 where they cannot be told apart. False
 * when memory is short. */
bool json_items(struct slice text, msgpack_zone *zone, struct slice **items, size_t *n);

/* The object as JSON text on one line (pretty: indented). The caller frees it; NULL when memory is
 * short. Binary values are written as base64 texts. */
char *json_write(const msgpack_object *obj, bool pretty);

/* Is it UTF-8 throughout? Else json_write makes base64 of it. */
bool json_is_text(struct slice text);

/* Appends text to out as a JSON string with its quotes. */
bool json_quote(struct slice text, msgpack_sbuffer *out);

#ifdef __cplusplus
}
#endif

#endif
