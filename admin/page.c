/* page - see page.h. */
#include "page.h"

#include "lib/base/json.h"

enum { ZONE_BYTES = 8192 };

struct answer_page
page_object(unsigned status, const msgpack_object *object)
{
	char *text = json_write(object, false);

	return text ? (struct answer_page){status, text, NULL, NULL}
		    : page_error(503, "Out of memory");
}

struct answer_page
page_unfound(enum ops_found found, const char *missing, const struct error *why)
{
	return found == OPS_NOT_FOUND ? page_error(404, missing) : page_error(503, why->text);
}

struct answer_page
page_ask(struct admin *a, page_question *ask, const void *what, const char *missing)
{
	enum ops_found found = OPS_TROUBLE;
	struct error why = {""};
	struct answer_page page;
	msgpack_object object;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	if (admin_stores(a, &why))
		found = ask(a, what, &zone, &object, &why);
	page = found == OPS_FOUND ? page_object(200, &object) : page_unfound(found, missing, &why);
	msgpack_zone_destroy(&zone);
	return page;
}
