/* page - what lib/ops says, as an answer. */
#ifndef TROTLINE_ADMIN_PAGE_H
#define TROTLINE_ADMIN_PAGE_H

#include <msgpack.h>

#include "lib/ops/found.h"
#include "listener.h"

/* Text of an object; 503 when memory is short. */
struct answer_page page_object(unsigned status, const msgpack_object *object);

/* What was found with 200; 404 with the text; or 503 with the cause. */
struct answer_page page_found(enum ops_found found, const msgpack_object *object,
	const char *missing, const struct error *why);

#endif
