/* lookup - the pages about one thing: an event, a batch, an address. */
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/ops/batch_status.h"
#include "lib/ops/event_status.h"
#include "lib/ops/roster.h"

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

static struct answer_page
page_address(const char *email, const struct roster_row *row, bool active)
{
	struct answer_page page;
	msgpack_object all;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_text(&m, "email", row->email.p ? row->email : slice_of(email));
	map_bool(&m, "suppressed", active);
	map_text(&m, "reason", row->reason);
	map_time(&m, "since", (uint64_t)row->span.since);
	map_time(&m, "until",
		row->span.until == SUPPRESSED_FOR_GOOD ? 0 : (uint64_t)row->span.until);
	map_text(&m, "event_id", row->event_id);
	all = map_object(&m);
	page = page_object(200, &all);
	msgpack_zone_destroy(&zone);
	return page;
}

/* The database is opened for each look: a handler may bring it to another version, or an operator
 * replace it, at any time. */
struct answer_page
lookup_suppression(struct admin *a, const char *email)
{
	struct roster_entry entry = {.row = {.email = {NULL, 0}}};
	struct error why = {""};
	bool exists = true, active = false;
	struct state *db = state_watch(a->st->cfg->data_dir, &exists, &why);
	enum roster_found found = exists ? ROSTER_TROUBLE : ROSTER_NOT_FOUND;

	if (db)
		found = roster_find(
			db, slice_of(email), (int64_t)clock_wall_ms(), &entry, &active, &why);
	state_close(&db);
	if (found == ROSTER_TROUBLE)
		return strchr(email, '@') ? page_error(503, why.text) : page_error(400, why.text);
	return page_address(email, &entry.row, active);
}
