/* form_list - the fields of an HTML form, in the order of its body. Pure and bounded. */
#ifndef TROTLINE_PROVIDERS_FORM_LIST_H
#define TROTLINE_PROVIDERS_FORM_LIST_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

enum { FORM_FIELDS_MAX = 512 };

struct form_field {
	struct slice name, value; /* decoded */
	struct slice filename;    /* multipart: of an uploaded file, else absent */
};

/* Fields in the order of the body; a name may stand more than once. */
struct form {
	struct form_field *list;
	size_t count;
};

/* The next place in the list; NULL with why when it is full. */
struct form_field *form_add(struct form *form, msgpack_zone *zone, struct error *why);

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
