/* field - reading an event's own fields: typed look-ups in a msgpack map that never fail hard. */
#ifndef TROTLINE_FIELD_H
#define TROTLINE_FIELD_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

/* The value of a key, or NULL when map is no map or has no such key. */
const msgpack_object *field_get(const msgpack_object *map, const char *key);

/* Text of a key; absent (p == NULL) when missing or no text. */
struct slice field_str(const msgpack_object *map, const char *key);

/* The first of the keys (a NULL ends them) that holds a non-empty text. */
struct slice field_str_of(const msgpack_object *map, const char *const keys[]);

/* Integer of a key, also when given as a decimal text; false when there is none. */
bool field_int(const msgpack_object *map, const char *key, int64_t *value);

/* Boolean of a key; otherwise the fallback. */
bool field_bool(const msgpack_object *map, const char *key, bool fallback);

/* The object's text when it is one (str or bin), else absent. */
struct slice object_str(const msgpack_object *obj);

/* A number, whole or not; 0 where there is none. */
double field_number(const msgpack_object *map, const char *key);

#endif
