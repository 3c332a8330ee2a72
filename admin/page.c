/* page - see page.h. */
#include "page.h"

#include "lib/base/json.h"

struct answer_page
page_object(unsigned status, const msgpack_object *object)
{
	char *text = json_write(object, false);

	return text ? (struct answer_page){status, text, NULL, NULL}
		    : page_error(503, "Out of memory");
}

struct answer_page
page_found(enum ops_found found, const msgpack_object *object, const char *missing,
	const struct error *why)
{
	switch (found) {
	case OPS_FOUND:
		return page_object(200, object);
	case OPS_NOT_FOUND:
		return page_error(404, missing);
	default:
		return page_error(503, why->text);
	}
}
