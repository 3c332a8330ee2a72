/* object - JSON objects, under way and whole, for what the verbs print and post. */
#ifndef TROTLINE_BASE_OBJECT_H
#define TROTLINE_BASE_OBJECT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>

#include "slice.h"

/* Start with {0}; keys and texts stay their owners' and must outlive it. */
struct object {
	msgpack_object_kv *rows;
	uint32_t n, room;
	bool short_of_memory; /* a key is missing */
};

/* Sets a key, over an earlier value of it. */
void object_set(struct object *o, struct slice key, msgpack_object value);
void object_text(struct object *o, const char *key, struct slice text); /* absent: null */
void object_uint(struct object *o, const char *key, uint64_t number);

/* The object as it stands now; points into o. */
msgpack_object object_of(const struct object *o);

/* The object as JSON text on one line, which the caller frees; NULL when memory is short. */
char *object_line(const struct object *o);

/* Prints a whole object as one line of JSON, {} when memory is short. False then, and when stdout
 * (to) takes no more. */
bool object_print(const msgpack_object *object);
bool object_print_to(FILE *to, const msgpack_object *object);

/* Frees the rows. */
void object_clear(struct object *o);

#endif
