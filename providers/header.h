/* header - look-ups in a request's headers, an array of [name, value] as received. Pure. */
#ifndef TROTLINE_PROVIDERS_HEADER_H
#define TROTLINE_PROVIDERS_HEADER_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

/* How often a header of that name (case-insensitive) stands in headers, an array of [name, value];
 * the first one's value, without the spaces and tabs around it, goes to *value (absent when none).
 */
size_t header_find(const msgpack_object *headers, const char *name, struct slice *value);

/* The value of the one header of that name; absent with why when it is missing, or stands twice,
 * for then two readers of the request could see different ones. An empty value is not absent. */
struct slice header_only(const msgpack_object *headers, const char *name, struct error *why);

/* The value if it stands once, else absent: for headers that are no proof. */
struct slice header_value(const msgpack_object *headers, const char *name);

/* A signed time: whole seconds since 1970, an optional '-', then 1 to 15 digits, nothing else. */
bool header_seconds(struct slice text, int64_t *seconds);

#endif
