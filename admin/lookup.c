/* lookup - the pages about one thing: an event, a batch, an address. */
#include <stdio.h>
#include <stdlib.h>

#include "../proto/batch_status.h"
#include "../proto/event_status.h"
#include "admin.h"

static const char *const event_parameters[] = {"source", NULL};

struct answer_page
lookup_event(struct admin *a, struct listener_request *rq, const char *id)
{
	struct event_query q = {
		.cfg = a->st->cfg, .source = request_query(rq, "source"), .thorough = false};
	struct error why = {""};
	struct answer_page page;
	msgpack_object found;
	msgpack_zone zone;

	if (request_stranger(rq, event_parameters))
		return page_error(400, "Unknown parameter; known: source");
	if (!admin_stores(a, &why))
		return page_error(503, why.text);
	q.journal = a->journal;
	q.letters = a->letters;
	msgpack_zone_init(&zone, 4096);
	switch (event_status(&q, slice_of(id), &zone, &found, &why)) {
	case EVENT_FOUND:
		page = page_object(200, &found);
		break;
	case EVENT_NOT_FOUND:
		page = page_error(404,
			"Never accepted, or older than its source's dedup_window and not a dead "
			"letter");
		break;
	default:
		page = page_error(503, why.text);
	}
	msgpack_zone_destroy(&zone);
	return page;
}

struct answer_page
lookup_batch(struct admin *a, const char *id)
{
	const struct slice any = {NULL, 0};
	struct error why = {""};
	struct answer_page page;
	msgpack_object found;
	msgpack_zone zone;

	if (!admin_stores(a, &why))
		return page_error(503, why.text);
	msgpack_zone_init(&zone, 4096);
	switch (batch_status(a->journal, a->letters, slice_of(id), any, &zone, &found, &why)) {
	case BATCH_FOUND:
		page = page_object(200, &found);
		break;
	case BATCH_NOT_FOUND:
		page = page_error(404, "Never accepted, or older than the longest dedup_window");
		break;
	default:
		page = page_error(503, why.text);
	}
	msgpack_zone_destroy(&zone);
	return page;
}

struct answer_page
lookup_suppression(struct admin *a, const char *email)
{
	(void)a;
	(void)email;
	return page_error(404, "Not found");
}
