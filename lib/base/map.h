/* map - a msgpack map or list under way: what the command line prints and the admin listener
 * answers, before json.h makes text of it.
 *
 * Everything lives in the zone that is given, texts as copies of their own, so the result outlives
 * any snapshot; only map_put's value stays its owner's. */
#ifndef TROTLINE_MAP_H
#define TROTLINE_MAP_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

struct map {
	msgpack_zone *zone;
	msgpack_object_kv *rows;
	uint32_t n, room;
	bool short_of_memory; /* something is missing */
};

/* An empty one. */
struct map map_in(msgpack_zone *zone);

/* Adds a key, which must be a literal or live as long as the zone. A key twice is there twice. */
void map_put(struct map *m, const char *key, msgpack_object value);
void map_text(struct map *m, const char *key, struct slice text); /* absent: nil */
void map_uint(struct map *m, const char *key, uint64_t number);
void map_bool(struct map *m, const char *key, bool value);
void map_nil(struct map *m, const char *key);
/* `body`, or `body_b64` where it is no UTF-8; shares the bytes. */
void map_body(struct map *m, struct slice body);
void map_time(struct map *m, const char *key, uint64_t ms); /* RFC 3339; 0: nil */

/* The map as it stands now, which is good until the next addition. */
msgpack_object map_object(const struct map *m);

/* The same for an array. */
struct list {
	msgpack_zone *zone;
	msgpack_object *items;
	uint32_t n, room;
	bool short_of_memory;
};

struct list list_in(msgpack_zone *zone);
void list_add(struct list *l, msgpack_object item);
msgpack_object list_object(const struct list *l);

/* A copy of a text in the zone, with a 0 behind it: absent when it is, or memory is short. */
struct slice slice_in(msgpack_zone *zone, struct slice text);

/* A text as an object, absent as nil; shares the bytes. */
static inline msgpack_object
object_of_text(struct slice text)
{
	if (!text.p)
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)text.n, text.p}};
}

static inline msgpack_object
object_of_uint(uint64_t number)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = number};
}

static inline msgpack_object
object_of_bool(bool value)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = value};
}

/* Bytes that it takes when it is packed. */
size_t object_bytes(const msgpack_object *object);

#endif
