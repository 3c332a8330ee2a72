/* page - see page.h. */
#include "page.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/json.h"
#include "proto/limits.h"

enum { ZONE_BYTES = 8192 };

void
page_send(struct listener_request *rq, struct answer_page page)
{
	char more[256] = "Cache-Control: no-store\nX-Content-Type-Options: nosniff\n";
	const size_t n = strlen(more);

	if (page.node)
		snprintf(more + n, sizeof more - n, "X-Trotline-Node: %u\n", page.node);
	else if (page.allow)
		snprintf(more + n, sizeof more - n, "Allow: %s\n", page.allow);
	else if (page.status == 401)
		snprintf(more + n, sizeof more - n, "WWW-Authenticate: Bearer\n");
	else if (page.status == 503 || page.wait_s)
		snprintf(more + n, sizeof more - n, "Retry-After: %u\n",
			page.wait_s ? page.wait_s : RETRY_AFTER_S);
	listener_answer(rq, &(struct listener_answer){
				    .status = page.status,
				    .body = page.text,
				    .n = page.text ? strlen(page.text) : 0,
				    .type = page.type ? page.type : "application/json",
				    .headers = slice_of(more),
			    });
}

unsigned
page_other_node(const struct admin *a, struct slice batch)
{
	const unsigned node = journal_batch_node(batch);

	return node == a->st->cfg->node.number ? 0 : node;
}

struct answer_page
page_error(unsigned status, const char *text)
{
	struct answer_page page = {.status = status};
	msgpack_sbuffer quoted;

	msgpack_sbuffer_init(&quoted);
	if (!json_quote(slice_of(text), &quoted) ||
		asprintf(&page.text, "{\"error\":%.*s}", (int)quoted.size, quoted.data) < 0)
		page.text = NULL;
	msgpack_sbuffer_destroy(&quoted);
	return page;
}

struct answer_page
page_object(unsigned status, const msgpack_object *object)
{
	char *text = json_write(object, false);

	return text ? (struct answer_page){.status = status, .text = text}
		    : page_error(503, "Out of memory");
}

struct answer_page
page_unfound(enum ops_found found, const char *missing, const struct error *why)
{
	if (found == OPS_NOT_FOUND)
		return page_error(404, missing ? missing : why->text);
	if (found == OPS_WRONG)
		return page_error(400, why->text);
	return page_error(503, why->text);
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
