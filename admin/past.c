/* past - see past.h. */
#include "past.h"

#include <string.h>

#include "asked.h"
#include "lib/base/clock.h"
#include "lib/ops/history_words.h"
#include "lib/ops/person.h"
#include "lib/ops/stats.h"
#include "lookup.h"
#include "page.h"

enum {
	LOOK_US = 200000,
	SCAN_MS = 100,
	STATS_USUAL = 1000,
	STATS_MOST = 10000,
	ZONE_BYTES = 65536
};

/* What a page needs while it is made. */
struct past {
	struct admin *a;
	struct asked asked;
	struct history_words words;
	struct history_ask ask;
	struct history_view *history; /* NULL: there is none, `none` says why */
	struct error none;
	struct state *state;
	msgpack_zone zone;
	msgpack_object out;
	struct error why;
};

static const char *const events_names[] = {"message", "id", "type", "source", "campaign", "machine",
	"since", "until", "cursor", "limit", "data", NULL};
static const char *const asked_names[] = {"email", "message", "id", "type", "source", "campaign",
	"machine", "since", "until", "cursor", "limit", "data", NULL};
static const char *const person_names[] = {"email", "type", "source", "campaign", "machine",
	"since", "until", "cursor", "limit", NULL};
static const char *const message_names[] = {
	"type", "source", "campaign", "machine", "since", "until", "cursor", "limit", NULL};
static const char *const stats_names[] = {
	"by", "type", "source", "campaign", "machine", "since", "until", "limit", NULL};
static const char *const email_names[] = {"email", NULL};

/* ---- asked ---- */

static void
take_words(struct past *p)
{
	const struct {
		const char *name, **to;
	} rows[] = {{"email", &p->words.email}, {"message", &p->words.message},
		{"id", &p->words.id}, {"type", &p->words.type}, {"source", &p->words.source},
		{"campaign", &p->words.campaign}, {"machine", &p->words.machine},
		{"since", &p->words.since}, {"until", &p->words.until},
		{"cursor", &p->words.cursor}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		*rows[i].to = asked_text(&p->asked, rows[i].name);
}

static bool
take(struct past *p)
{
	uint64_t limit = HISTORY_PAGE;
	const char *data = asked_text(&p->asked, "data");

	if (!asked_number(&p->asked, "limit", HISTORY_PAGE_MOST, &limit, &p->why) ||
		!history_words_take(&p->words, "", clock_wall_ms(), &p->ask, &p->why))
		return false;
	p->ask.limit = limit;
	p->ask.budget_us = LOOK_US;
	p->ask.whole = data && strcmp(data, "0") != 0 && strcmp(data, "false") != 0;
	return true;
}

/* ---- opened and closed ---- */

static void
begin(struct past *p, struct admin *a)
{
	*p = (struct past){.a = a};
	msgpack_zone_init(&p->zone, ZONE_BYTES);
}

static struct answer_page
end(struct past *p, enum ops_found found)
{
	struct answer_page page;

	if (p->asked.short_of_memory) {
		error_set(&p->why, "out of memory");
		found = OPS_TROUBLE;
	}
	page = found == OPS_FOUND ? page_object(200, &p->out) : page_unfound(found, NULL, &p->why);

	history_view_close(&p->history);
	state_close(&p->state);
	asked_close(&p->asked);
	msgpack_zone_destroy(&p->zone);
	return page;
}

static bool
open_history(struct past *p)
{
	p->history = history_look_open(p->a->st->cfg, &p->none);
	return p->history != NULL;
}

/* A history that is off is not there: 404 with how to turn it on. */
static enum ops_found
no_history(struct past *p)
{
	p->why = p->none;
	return OPS_NOT_FOUND;
}

/* ---- events ---- */

struct answer_page
past_events(struct admin *a, struct listener_request *rq)
{
	const bool post = strcmp(rq->method, "POST") == 0;
	enum ops_found found = OPS_WRONG;
	struct past p;

	begin(&p, a);
	if (asked_open(&p.asked, rq, post, post ? asked_names : events_names, &p.why)) {
		take_words(&p);
		if (take(&p))
			found = open_history(&p) ? history_look_answer(p.history, &p.ask, &p.zone,
							   &p.out, &p.why)
						 : no_history(&p);
	}
	return end(&p, found);
}

/* ---- a person, a message ---- */

typedef enum ops_found past_question(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why);

static enum ops_found
ask_stores(struct past *p, past_question *ask)
{
	struct admin *a = p->a;
	struct person_query q = {.ask = p->ask, .scan_ms = SCAN_MS};
	bool exists = true;

	if (!admin_stores(a, &p->why))
		return OPS_TROUBLE;
	p->state = state_watch(a->st->cfg, &exists, &p->why);
	if (!p->state && exists)
		return OPS_TROUBLE;
	open_history(p);
	q.journal = a->journal;
	q.letters = a->letters;
	q.state = p->state;
	q.history = p->history;
	q.no_history = p->history ? NULL : p->none.text;
	return ask(&q, &p->zone, &p->out, &p->why);
}

struct answer_page
past_person(struct admin *a, struct listener_request *rq)
{
	enum ops_found found = OPS_WRONG;
	struct past p;

	begin(&p, a);
	if (asked_open(&p.asked, rq, true, person_names, &p.why)) {
		take_words(&p);
		if (!p.words.email)
			error_set(&p.why, "email: an address is needed");
		else if (take(&p))
			found = ask_stores(&p, person_page);
	}
	return end(&p, found);
}

struct answer_page
past_message(struct admin *a, struct listener_request *rq, const char *id)
{
	enum ops_found found = OPS_WRONG;
	struct past p;

	begin(&p, a);
	if (asked_open(&p.asked, rq, false, message_names, &p.why)) {
		take_words(&p);
		p.words.message = id;
		if (take(&p))
			found = ask_stores(&p, message_page);
	}
	return end(&p, found);
}

/* ---- counts ---- */

static enum ops_found
ask_stats(struct past *p)
{
	const struct stats_words words = {.by = asked_text(&p->asked, "by"),
		.type = asked_text(&p->asked, "type"),
		.source = asked_text(&p->asked, "source"),
		.campaign = asked_text(&p->asked, "campaign"),
		.machine = asked_text(&p->asked, "machine"),
		.since = asked_text(&p->asked, "since"),
		.until = asked_text(&p->asked, "until")};
	struct stats_ask ask = {.limit = 0};
	uint64_t limit = STATS_USUAL;

	if (!asked_number(&p->asked, "limit", STATS_MOST, &limit, &p->why) ||
		!stats_take(&words, "", clock_wall_ms(), &ask, &p->why))
		return OPS_WRONG;
	ask.limit = limit;
	ask.what.budget_us = LOOK_US;
	return open_history(p) ? stats_answer(p->history, &ask, &p->zone, &p->out, &p->why)
			       : no_history(p);
}

struct answer_page
past_stats(struct admin *a, struct listener_request *rq)
{
	enum ops_found found = OPS_WRONG;
	struct past p;

	begin(&p, a);
	if (asked_open(&p.asked, rq, false, stats_names, &p.why))
		found = ask_stats(&p);
	return end(&p, found);
}

/* ---- a suppression ---- */

struct answer_page
past_suppression(struct admin *a, struct listener_request *rq)
{
	struct answer_page page;
	struct error why = {""};
	struct asked asked;
	const char *email = NULL;

	if (asked_open(&asked, rq, true, email_names, &why)) {
		email = asked_text(&asked, "email");
		error_set(&why, "email: an address is needed");
	}
	page = email ? lookup_suppression(a, email) : page_error(400, why.text);
	asked_close(&asked);
	return page;
}
