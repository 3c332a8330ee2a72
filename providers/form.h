/* form - bodies that are HTML forms: application/x-www-form-urlencoded and multipart/form-data.
 *
 * Pure and bounded; values are bytes and may hold NUL. */
#ifndef TROTLINE_PROVIDERS_FORM_H
#define TROTLINE_PROVIDERS_FORM_H

#include "form_list.h"

/* Is the content type a form's (either kind)? Parameters and case do not matter. */
bool form_is(struct slice content_type);

/* Reads the body by its content type. Names and values are made in the zone or point into the body.
 * False with why: no form, too many fields, a multipart body that is cut or has no boundary. */
bool form_read(struct slice content_type, struct slice body, msgpack_zone *zone, struct form *form,
	struct error *why);

/* The urlencoded kind alone: '+' is a space; a '%' without two hex digits stands for itself (WHATWG
 * URL, application/x-www-form-urlencoded parsing). */
bool form_read_urlencoded(
	struct slice body, msgpack_zone *zone, struct form *form, struct error *why);

#endif
