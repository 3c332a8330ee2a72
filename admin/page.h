/* page - an answer to an operator, and how what lib/ops says becomes one. Every error is
 * {"error": text}. */
#ifndef TROTLINE_ADMIN_PAGE_H
#define TROTLINE_ADMIN_PAGE_H

#include <msgpack.h>

#include "admin.h"
#include "lib/ops/found.h"
#include "lib/stage/listener.h"

struct answer_page {
	unsigned status;
	char *text;        /* malloc'd; NULL: an empty body */
	const char *type;  /* NULL: application/json */
	const char *allow; /* 405: the methods; texts live for ever */
	unsigned wait_s;   /* 429: when to come again */
	unsigned node;     /* 404: who may know; 0: nobody */
};

enum { PAGE_LATER = 1 }; /* as a status: the answer comes by page_send */

/* Answers a request; the page's text is gone then. */
void page_send(struct listener_request *rq, struct answer_page page);

/* A page that says what is wrong. */
struct answer_page page_error(unsigned status, const char *text);

/* Text of an object; 503 when memory is short. */
struct answer_page page_object(unsigned status, const msgpack_object *object);

/* What is not there: 404 with the text; what means nothing: 400, and trouble: 503, with the cause. */
struct answer_page page_unfound(enum ops_found found, const char *missing, const struct error *why);

/* The number of the node that gave a batch its id, where that is another; else 0. */
unsigned page_other_node(const struct admin *a, struct slice batch);

/* A question to the stores, which are open: its object in the zone. */
typedef enum ops_found page_question(struct admin *a, const void *what, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* Asks it: 200 with the object, or as page_unfound. */
struct answer_page page_ask(
	struct admin *a, page_question *ask, const void *what, const char *missing);

#endif
