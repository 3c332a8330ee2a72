/* form_multipart - the multipart/form-data kind of a form. */
#ifndef TROTLINE_PROVIDERS_FORM_MULTIPART_H
#define TROTLINE_PROVIDERS_FORM_MULTIPART_H

#include "form_list.h"

enum { FORM_PART_HEADERS_MAX = 8192 /* bytes of one part's headers */ };

/* Names and values point into the body. False with why: too many fields, a body that is cut or does
 * not hold its boundary. */
bool form_read_multipart(struct slice boundary, struct slice body, msgpack_zone *zone,
	struct form *form, struct error *why);

/* A parameter of a header's value (RFC 9110 section 5.6.6): "form-data; name=\"a\"". Quoted or not;
 * the backslash stays, as browsers write it (they escape a quote as %22). Absent when it is
 * missing. */
struct slice form_parameter(struct slice value, const char *name);

#endif
