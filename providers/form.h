/* form - bodies that are HTML forms: application/x-www-form-urlencoded and multipart/form-data.
 *
 * Pure and bounded; values are bytes and may hold NUL. */
#ifndef TROTLINE_PROVIDERS_FORM_H
#define TROTLINE_PROVIDERS_FORM_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

enum { FORM_FIELDS_MAX = 512, FORM_PART_HEADERS_MAX = 8192 /* bytes of one part's headers */ };

struct form_field {
	struct slice name, value; /* decoded */
	struct slice filename;    /* multipart: of an uploaded file, else absent */
};

/* Fields in the order of the body; a name may stand more than once. */
struct form {
	struct form_field *list;
	size_t count;
};

/* Is the content type a form's (either kind)? Parameters and case do not matter. */
bool form_is(struct slice content_type);

/* Reads the body by its content type. Names and values are made in the zone or point into the body.
 * False with why: no form, too many fields, a multipart body that is cut or has no boundary. */
bool form_read(struct slice content_type, struct slice body, msgpack_zone *zone, struct form *form,
	struct error *why);

/* The two kinds alone. urlencoded: '+' is a space; a '%' without two hex digits stands for itself
 * (WHATWG URL, application/x-www-form-urlencoded parsing). */
bool form_read_urlencoded(
	struct slice body, msgpack_zone *zone, struct form *form, struct error *why);
bool form_read_multipart(struct slice boundary, struct slice body, msgpack_zone *zone,
	struct form *form, struct error *why);

/* How many fields are of that name; the first one's value goes to *value (absent when none). */
size_t form_find(const struct form *form, const char *name, struct slice *value);

/* The value when the name stands exactly once, else absent. */
struct slice form_get(const struct form *form, const char *name);

/* The last one's value; absent when there is none. */
struct slice form_last(const struct form *form, const char *name);

/* All values of the name, as an array of texts; nil when there is none or memory is short. */
msgpack_object form_all(const struct form *form, const char *name, msgpack_zone *zone);

/* The form as a msgpack map of texts, in order; of repeated names the first stays. Files are left
 * out. Nil when memory is short. */
msgpack_object form_map(const struct form *form, msgpack_zone *zone);

#endif
