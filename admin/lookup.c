/* lookup - see lookup.h. */
#include "lookup.h"

#include <string.h>

#include "asked.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/ops/batch_status.h"
#include "lib/ops/event_status.h"
#include "lib/ops/roster.h"
#include "page.h"

static const char *const event_parameters[] = {"source", NULL};

enum { LOOK_MS = 500 };

struct event_page {
	const char *id, *source;
	bool thorough; /* within LOOK_MS */
};

static enum ops_found
ask_event(struct admin *a, const void *what, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	const struct event_page *asked = what;
	const struct event_query q = {
		.cfg = a->st->cfg,
		.journal = a->journal,
		.letters = a->letters,
		.source = asked->source,
		.thorough = asked->thorough,
		.look_ms = LOOK_MS,
	};

	return event_status(&q, slice_of(asked->id), zone, out, why);
}

struct answer_page
lookup_event(struct admin *a, struct listener_request *rq, const char *id)
{
	const struct event_page asked = {id, listener_query(rq, "source"), false};

	if (listener_stranger(rq, event_parameters))
		return page_error(400, "Unknown parameter; known: source");
	return page_ask(a, ask_event, &asked, NULL);
}

struct answer_page
lookup_event_asked(struct admin *a, struct listener_request *rq)
{
	static const char *const known[] = {"id", "source", NULL};
	struct event_page event = {.thorough = true};
	struct error why = {""};
	struct answer_page page;
	struct asked asked;

	if (asked_open(&asked, rq, true, known, &why)) {
		event.id = asked_text(&asked, "id");
		event.source = asked_text(&asked, "source");
		error_set(&why, "id: an id of an event is needed");
	}
	page = event.id ? page_ask(a, ask_event, &event, NULL) : page_error(400, why.text);
	asked_close(&asked);
	return page;
}

static enum ops_found
ask_batch(
	struct admin *a, const void *id, msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	const struct slice any = {NULL, 0};

	return batch_status(a->journal, a->letters, slice_of(id), any, zone, out, why);
}

struct answer_page
lookup_batch(struct admin *a, const char *id)
{
	struct answer_page page = page_ask(
		a, ask_batch, id, "Not remembered: a batch is for the longest dedup_window");

	page.node = page.status == 404 ? page_other_node(a, slice_of(id)) : 0;
	return page;
}

static struct answer_page
page_address(const char *email, const struct roster_row *row, bool active)
{
	struct answer_page page;
	msgpack_object all;
	msgpack_zone zone;

	msgpack_zone_init(&zone, 1024);
	all = roster_object(row, email, active, &zone);
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
	char lower[ADDRESS_MAX];
	struct slice address;
	bool exists = true, active = false;
	enum ops_found found;
	struct state *db;

	if (!address_read(slice_of(email), lower, &address, &why))
		return page_error(400, why.text);
	db = state_watch(a->st->cfg, &exists, &why);
	found = exists ? OPS_TROUBLE : OPS_NOT_FOUND;
	if (db)
		found = roster_find(
			db, slice_of(email), (int64_t)clock_wall_ms(), &entry, &active, &why);
	state_close(&db);
	if (found == OPS_TROUBLE)
		return page_error(503, why.text);
	return page_address(email, &entry.row, active);
}
