/* form_private - what form.c and form_multipart.c share. */
#ifndef TROTLINE_PROVIDERS_FORM_PRIVATE_H
#define TROTLINE_PROVIDERS_FORM_PRIVATE_H

#include "form.h"

/* The next place in the list; NULL with why when it is full. */
struct form_field *form_add(struct form *form, msgpack_zone *zone, struct error *why);

/* A parameter of a header's value (RFC 9110 section 5.6.6): "form-data; name=\"a\"". Quoted or not;
 * the backslash stays, as browsers write it (they escape a quote as %22). Absent when it is
 * missing. */
struct slice form_parameter(struct slice value, const char *name);

#endif
