/* letters - see letters.h. */
#include "letters.h"

#include <stdlib.h>
#include <string.h>

#include "asked.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "lib/ops/letters_look.h"
#include "page.h"

enum { LIST_MOST = 1000, LIST_USUAL = 100, REPLAY_MOST = 1000000, LOOK_MS = 500 };

static const char NO_LETTER[] = "No such dead letter";

/* ---- which letters ---- */

/* What a query asks for. */
struct wanted {
	struct selection meant;
	uint64_t most;
	bool dry_run;
};

static const char *const list_parameters[] = {
	"type", "source", "reason", "since", "until", "limit", NULL};
static const char *const replay_parameters[] = {
	"type", "source", "reason", "since", "until", "limit", "dry_run", NULL};

static bool
take_time(struct asked *asked, const char *name, uint64_t *ms, struct error *why)
{
	const char *text = asked_text(asked, name);

	return !text || timestamp_read(text, clock_wall_ms(), ms, why) ||
	       error_wrap(why, "%s", name);
}

/* The parameters, until asked_close. False with the cause; then too. */
static bool
read_query(struct asked *asked, struct listener_request *rq, const char *const known[],
	struct wanted *w, size_t most, struct error *why)
{
	const bool in_body = strcmp(rq->method, "POST") == 0 && strcmp(rq->path, "/dlq") == 0;
	struct letter_filter *f = &w->meant.filter;
	const char *dry;

	w->meant.newest_first = true;
	w->meant.until_ms = clock_mono_ms() + LOOK_MS;
	if (!asked_open(asked, rq, in_body, known, why))
		return false;
	f->type = asked_text(asked, "type");
	f->source = asked_text(asked, "source");
	f->reason = asked_text(asked, "reason");
	dry = asked_text(asked, "dry_run");
	w->dry_run = dry && strcmp(dry, "0") != 0 && strcmp(dry, "false") != 0;
	return take_time(asked, "since", &f->since_ms, why) &&
	       take_time(asked, "until", &f->until_ms, why) &&
	       asked_number(asked, "limit", most, &w->most, why);
}

/* ---- looking ---- */

static enum ops_found
ask_list(struct admin *a, const void *what, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	const struct wanted *w = what;

	return letters_page(a->letters, &w->meant, w->most, zone, out, why) ? OPS_FOUND
									    : OPS_TROUBLE;
}

/* All that are meant are counted; the limit is the list's. */
struct answer_page
letters_answer_list(struct admin *a, struct listener_request *rq)
{
	struct wanted w = {.most = LIST_USUAL};
	struct error why = {""};
	struct answer_page page;
	struct asked asked;

	page = read_query(&asked, rq, list_parameters, &w, LIST_MOST, &why)
		       ? page_ask(a, ask_list, &w, NULL)
		       : page_error(400, why.text);
	asked_close(&asked);
	return page;
}

static enum ops_found
ask_one(struct admin *a, const void *id, msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	return letters_show(a->letters, id, clock_mono_ms() + LOOK_MS, zone, out, why);
}

struct answer_page
letters_answer_one(struct admin *a, const char *id)
{
	return page_ask(a, ask_one, id, NO_LETTER);
}

/* ---- one that moves ---- */

/* Finds one that is to move, in *place. 200, or the page that says why not. */
static struct answer_page
locate(struct admin *a, const char *id, struct moving *m, struct letter_place *place)
{
	struct error why = {""};
	enum ops_found found = OPS_TROUBLE;

	if (admin_stores(a, &why))
		found = letters_locate(a->letters, id, clock_mono_ms() + LOOK_MS, place, &why);
	*m = (struct moving){
		.letters = a->letters,
		.journal = a->journal,
		.advice = a->advice,
		.places = place,
		.n = 1,
	};
	if (found != OPS_FOUND)
		return page_unfound(found, NO_LETTER, &why);
	return (struct answer_page){.status = 200};
}

static struct answer_page
page_done(const char *key)
{
	struct answer_page page;
	msgpack_object all;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 256);
	m = map_in(&zone);
	map_uint(&m, key, 1);
	all = map_object(&m);
	page = page_object(200, &all);
	msgpack_zone_destroy(&zone);
	return page;
}

struct answer_page
letters_drop_one(struct admin *a, const struct listener_request *rq, const char *id)
{
	struct letter_place place;
	struct moving m;
	struct answer_page page = locate(a, id, &m, &place);
	struct error why = {""};

	if (page.status != 200)
		return page;
	if (!moving_drop(&m, 1, &why))
		return page_error(503, why.text);
	if (!m.done)
		return page_error(404, NO_LETTER);
	log_warn("dead letter dropped", LF_UINT("seq", place.seq),
		LF_SLICE("journal", letter_place_journal(&place)));
	trace_changed(rq, "drop", 1);
	return page_done("dropped");
}

/* ---- replay ---- */

/* One group, told in the log. */
static bool
put_back(struct moving *m, struct error *why)
{
	const bool good = moving_replay(m, MOVING_GROUP, why);

	for (size_t i = 0; i < m->group_n; i++)
		log_warn("dead letter replayed", LF_UINT("seq", m->group[i]));
	return good;
}

static struct answer_page
replay_located(struct admin *a, const struct listener_request *rq, struct moving *m)
{
	struct error why = {""};

	if (!slice_eq(letter_place_journal(m->places), journal_id(a->journal)))
		return page_error(409,
			"The letter is of an earlier journal: export it and send it again as a new event");
	if (!put_back(m, &why))
		return page_error(503, why.text);
	if (m->unreadable)
		return page_error(409, "The event cannot be read by any handler");
	if (!m->done)
		return page_error(404, NO_LETTER);
	trace_changed(rq, "replay", 1);
	return page_done("replayed");
}

struct answer_page
letters_replay_one(struct admin *a, const struct listener_request *rq, const char *path)
{
	char *id = strndup(path, strlen(path) - strlen("/replay"));
	struct letter_place place;
	struct answer_page page;
	struct moving m;

	if (!id)
		return page_error(503, "Out of memory");
	page = locate(a, id, &m, &place);
	free(id);
	return page.status == 200 ? replay_located(a, rq, &m) : page;
}

static struct answer_page
page_counts(const struct admin_replay *r, const char *error)
{
	struct answer_page page;
	msgpack_object all;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_uint(&m, "matching", r->moving.n);
	map_bool(&m, "complete", r->complete);
	map_uint(&m, "replayed", r->moving.done);
	map_uint(&m, "gone", r->moving.gone);
	map_uint(&m, "unreadable", r->moving.unreadable);
	if (error)
		map_text(&m, "error", slice_of(error));
	all = map_object(&m);
	page = page_object(error ? 503 : 200, &all);
	msgpack_zone_destroy(&zone);
	return page;
}

static void
replay_clear(struct admin_replay *r)
{
	moving_clear(&r->moving);
	*r = (struct admin_replay){.rq = NULL};
}

static struct answer_page
replay_wanted(struct admin *a, struct listener_request *rq, struct wanted *w)
{
	struct admin_replay *r = &a->replay;
	struct error why = {""};
	struct answer_page page;

	if (r->rq)
		return page_error(409, "A replay is under way");
	if (!admin_stores(a, &why))
		return page_error(503, why.text);
	w->meant.limit = w->most;
	w->meant.filter.journal = journal_id(a->journal);
	r->moving =
		(struct moving){.letters = a->letters, .journal = a->journal, .advice = a->advice};
	if (!moving_find(&r->moving, &w->meant, &r->complete, &why)) {
		page = page_error(503, why.text);
	} else if (!w->dry_run && r->moving.n > 0) {
		r->rq = rq;
		trace_changed(rq, "replay of so many begins", r->moving.n);
		return (struct answer_page){.status = PAGE_LATER};
	} else {
		page = page_counts(r, NULL);
	}
	replay_clear(r);
	return page;
}

struct answer_page
letters_replay(struct admin *a, struct listener_request *rq)
{
	struct wanted w = {.most = REPLAY_MOST};
	struct error why = {""};
	struct answer_page page;
	struct asked asked;

	page = read_query(&asked, rq, replay_parameters, &w, REPLAY_MOST, &why)
		       ? replay_wanted(a, rq, &w)
		       : page_error(400, why.text);
	asked_close(&asked);
	return page;
}

static void
finish(struct admin *a, const char *error)
{
	trace_changed(a->replay.rq, "replay of many", a->replay.moving.done);
	page_send(a->replay.rq, page_counts(&a->replay, error));
	replay_clear(&a->replay);
}

void
letters_replay_tick(struct admin *a)
{
	struct moving *m = &a->replay.moving;
	struct error why = {""};

	if (!a->replay.rq)
		return;
	if (!put_back(m, &why))
		finish(a, why.text);
	else if (m->at == m->n)
		finish(a, NULL);
}

void
letters_replay_end(struct admin *a)
{
	if (a->replay.rq)
		finish(a, "Stopping");
}
