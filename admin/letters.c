/* letters - the pages about dead letters: list, show, drop, replay.
 *
 * Every look is bounded in time, so that a store of a million letters never stops the other pages;
 * what was not looked at is told as "complete": false. */
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "lib/ops/letter_view.h"

enum { LIST_MOST = 1000, LIST_USUAL = 100, REPLAY_MOST = 1000000, LOOK_MS = 500 };

/* ---- which letters ---- */

struct selection {
	struct letter_filter filter;
	size_t limit;
	bool dry_run;
};

static const char *const list_parameters[] = {
	"type", "source", "reason", "since", "until", "limit", NULL};
static const char *const replay_parameters[] = {
	"type", "source", "reason", "since", "until", "limit", "dry_run", NULL};

static bool
take_time(struct listener_request *rq, const char *name, uint64_t *ms, struct error *why)
{
	const char *text = request_query(rq, name);

	return !text || timestamp_read(text, clock_wall_ms(), ms, why) ||
	       error_wrap(why, "%s", name);
}

static bool
take_limit(struct listener_request *rq, size_t most, size_t *limit, struct error *why)
{
	const char *text = request_query(rq, "limit");
	char *end;
	unsigned long n;

	if (!text)
		return true;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || n == 0 || n > most)
		return error_set(why, "limit: a number from 1 to %zu is needed", most);
	*limit = n;
	return true;
}

static bool
select_letters(struct listener_request *rq, const char *const known[], struct selection *s,
	size_t most, struct error *why)
{
	const char *stranger = request_stranger(rq, known), *dry = request_query(rq, "dry_run");

	s->filter.type = request_query(rq, "type");
	s->filter.source = request_query(rq, "source");
	s->filter.reason = request_query(rq, "reason");
	s->dry_run = dry && strcmp(dry, "0") != 0 && strcmp(dry, "false") != 0;
	if (stranger)
		return error_set(why, "unknown parameter %.64s", stranger);
	if (request_has_body(rq))
		return error_set(why, "parameters go into the query, not into a body");
	return take_time(rq, "since", &s->filter.since_ms, why) &&
	       take_time(rq, "until", &s->filter.until_ms, why) &&
	       take_limit(rq, most, &s->limit, why);
}

/* A look through all letters, newest numbers first. */
typedef bool look_fn(void *arg, const struct letter *letter);

/* Calls fn for each letter that is meant until it returns false or time is up. False with the
 * cause; *complete: all have been looked at. */
static bool
look(struct admin *a, const struct letter_filter *filter, look_fn *fn, void *arg, bool *complete,
	struct error *why)
{
	const uint64_t until_ms = clock_mono_ms() + LOOK_MS;
	struct letters_place place = {.started = false};
	struct letter letter;
	struct dead dead;
	msgpack_zone zone;
	bool more = true;

	if (!letters_read_begin(a->letters, why))
		return false;
	msgpack_zone_init(&zone, 8192);
	*complete = false;
	while (more && clock_mono_ms() < until_ms) {
		if (!letters_previous(a->letters, &place, &dead)) {
			*complete = true;
			break;
		}
		msgpack_zone_clear(&zone);
		letter_open(&dead, &zone, &letter);
		more = !letter_matches(&letter, filter) || fn(arg, &letter);
	}
	msgpack_zone_destroy(&zone);
	letters_read_end(a->letters);
	return true;
}

/* ---- list ---- */

struct listing {
	msgpack_sbuffer text; /* JSON */
	size_t matching, listed, limit;
};

static bool
add_letter(void *arg, const struct letter *letter)
{
	struct listing *l = arg;
	msgpack_object object;
	msgpack_zone zone;
	char *text = NULL;

	l->matching++;
	if (l->listed == l->limit)
		return true;
	msgpack_zone_init(&zone, 4096);
	if (letter_object(letter, false, &zone, &object))
		text = json_write(&object, false);
	if (text) {
		if (l->listed > 0)
			msgpack_sbuffer_write(&l->text, ",", 1);
		msgpack_sbuffer_write(&l->text, text, strlen(text));
		l->listed++;
	}
	free(text);
	msgpack_zone_destroy(&zone);
	return true;
}

struct answer_page
letters_list(struct admin *a, struct listener_request *rq)
{
	struct selection s = {.limit = LIST_USUAL};
	struct listing l = {.limit = 0};
	struct answer_page page = {.status = 200};
	struct error why = {""};
	bool complete;

	if (!select_letters(rq, list_parameters, &s, LIST_MOST, &why))
		return page_error(400, why.text);
	l.limit = s.limit;
	msgpack_sbuffer_init(&l.text);
	if (!admin_stores(a, &why) || !look(a, &s.filter, add_letter, &l, &complete, &why))
		page = page_error(503, why.text);
	else if (asprintf(&page.text, "{\"matching\":%zu,\"complete\":%s,\"dead_letters\":[%.*s]}",
			 l.matching, complete ? "true" : "false", (int)l.text.size,
			 l.text.size ? l.text.data : "") < 0)
		page = page_error(503, "Out of memory");
	msgpack_sbuffer_destroy(&l.text);
	return page;
}

/* ---- one letter ---- */

struct hit {
	uint64_t seq;
	char journal[17];
};

static bool
take_first(void *arg, const struct letter *letter)
{
	struct hit *hit = arg;

	hit->seq = letter->dead->seq;
	snprintf(hit->journal, sizeof hit->journal, "%.*s", SLICE_ARG(letter->dead->journal));
	return false;
}

/* A letter by its own name, or the newest one of a sender's event id. 200, or what is wrong. */
static unsigned
find_letter(struct admin *a, const char *id, struct hit *hit, struct error *why)
{
	const char *ids[] = {id};
	const struct letter_filter filter = {.ids = ids, .ids_count = 1};
	struct slice journal;
	bool complete;

	*hit = (struct hit){.seq = 0};
	if (!admin_stores(a, why))
		return 503;
	if (letter_name_read(slice_of(id), &journal, &hit->seq)) {
		snprintf(hit->journal, sizeof hit->journal, "%.*s", SLICE_ARG(journal));
		return 200;
	}
	if (!look(a, &filter, take_first, hit, &complete, why))
		return 503;
	if (!hit->seq)
		error_set(why, "%s",
			complete ? "No such dead letter"
				 : "Too many letters to look through: use the letter's own id");
	return hit->seq ? 200 : complete ? 404 : 503;
}

struct answer_page
letters_show(struct admin *a, const char *id)
{
	struct answer_page page = page_error(404, "No such dead letter");
	struct error why = {""};
	struct letter letter;
	struct dead dead;
	struct hit hit;
	msgpack_object object;
	msgpack_zone zone;
	const unsigned status = find_letter(a, id, &hit, &why);

	if (status == 200 && letters_read_begin(a->letters, &why)) {
		msgpack_zone_init(&zone, 8192);
		if (letters_find(a->letters, slice_of(hit.journal), hit.seq, &dead)) {
			letter_open(&dead, &zone, &letter);
			free(page.text);
			page = letter_object(&letter, true, &zone, &object)
				       ? page_object(200, &object)
				       : page_error(503, "Out of memory");
		}
		msgpack_zone_destroy(&zone);
		letters_read_end(a->letters);
		return page;
	}
	free(page.text);
	return page_error(status == 200 ? 503 : status, why.text);
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

static bool
is_there(struct admin *a, const struct hit *hit)
{
	struct dead dead;

	return letters_find(a->letters, slice_of(hit->journal), hit->seq, &dead);
}

struct answer_page
letters_drop_one(struct admin *a, const char *id)
{
	struct error why = {""};
	struct hit hit;
	const unsigned status = find_letter(a, id, &hit, &why);

	if (status != 200)
		return page_error(status, why.text);
	if (!letters_begin(a->letters, &why))
		return page_error(503, why.text);
	if (!is_there(a, &hit)) {
		letters_abort(a->letters);
		return page_error(404, "No such dead letter");
	}
	if (!letters_drop(a->letters, slice_of(hit.journal), hit.seq, clock_wall_ms(), &why) ||
		!letters_commit(a->letters, &why))
		return page_error(503, why.text);
	log_warn("dead letter dropped", LF_UINT("seq", hit.seq), LF_TEXT("journal", hit.journal));
	return page_done("dropped");
}

/* ---- replay ---- */

/* One group; those that went back are told to the retrier. */
static bool
put_back(struct admin *a, struct replay *r, uint64_t *seqs, size_t n, struct error *why)
{
	size_t back;
	const bool good = replay_group(r, seqs, n, &back, why);

	replay_tell(a->advice, journal_id(a->journal), seqs, back);
	for (size_t i = 0; i < back; i++)
		log_warn("dead letter replayed", LF_UINT("seq", seqs[i]));
	return good;
}

struct answer_page
letters_replay_one(struct admin *a, const char *path)
{
	char *id = strndup(path, strlen(path) - strlen("/replay"));
	struct error why = {"Out of memory"};
	struct hit hit;
	const unsigned status = id ? find_letter(a, id, &hit, &why) : 503;
	struct replay r = {.letters = a->letters, .journal = a->journal};

	free(id);
	if (status != 200)
		return page_error(status, why.text);
	if (!slice_is(journal_id(a->journal), hit.journal))
		return page_error(409,
			"The letter is of an earlier journal: export it and send it again as a new "
			"event");
	if (!put_back(a, &r, &hit.seq, 1, &why))
		return page_error(503, why.text);
	if (r.unreadable)
		return page_error(409, "The event cannot be read by any handler");
	return r.done ? page_done("replayed") : page_error(404, "No such dead letter");
}

struct gathering {
	struct admin *a;
	size_t limit, room, foreign;
};

static bool
gather(void *arg, const struct letter *letter)
{
	struct gathering *g = arg;
	struct admin_replay *r = &g->a->replay;
	uint64_t *more;

	if (!slice_eq(letter->dead->journal, journal_id(g->a->journal)))
		return true;
	if (r->n == g->room) {
		g->room = g->room ? 2 * g->room : 1024;
		more = reallocarray(r->seqs, g->room, sizeof *more);
		if (!more)
			return false;
		r->seqs = more;
	}
	r->seqs[r->n++] = letter->dead->seq;
	return r->n < g->limit;
}

static struct answer_page
page_counts(const struct admin_replay *r, const char *error)
{
	struct answer_page page = {.status = error ? 503 : 200};
	msgpack_object all;
	msgpack_zone zone;
	struct map m;

	msgpack_zone_init(&zone, 1024);
	m = map_in(&zone);
	map_uint(&m, "matching", r->n);
	map_bool(&m, "complete", r->complete);
	map_uint(&m, "replayed", r->counts.done);
	map_uint(&m, "gone", r->counts.gone);
	map_uint(&m, "unreadable", r->counts.unreadable);
	if (error)
		map_text(&m, "error", slice_of(error));
	all = map_object(&m);
	page = page_object(page.status, &all);
	msgpack_zone_destroy(&zone);
	return page;
}

static void
replay_clear(struct admin *a)
{
	free(a->replay.seqs);
	a->replay = (struct admin_replay){.rq = NULL};
}

struct answer_page
letters_replay(struct admin *a, struct listener_request *rq)
{
	struct selection s = {.limit = REPLAY_MOST};
	struct admin_replay *r = &a->replay;
	struct gathering g = {.a = a};
	struct error why = {""};
	struct answer_page page;

	if (!select_letters(rq, replay_parameters, &s, REPLAY_MOST, &why))
		return page_error(400, why.text);
	if (r->rq)
		return page_error(409, "A replay is under way");
	if (!admin_stores(a, &why))
		return page_error(503, why.text);
	g.limit = s.limit;
	r->counts = (struct replay){.letters = a->letters, .journal = a->journal};
	if (!look(a, &s.filter, gather, &g, &r->complete, &why)) {
		replay_clear(a);
		return page_error(503, why.text);
	}
	if (!s.dry_run && r->n > 0) {
		r->rq = rq;
		return (struct answer_page){.status = LISTENER_LATER};
	}
	page = page_counts(r, NULL);
	replay_clear(a);
	return page;
}

static void
finish(struct admin *a, const char *error)
{
	listener_answer(a->listener, a->replay.rq, page_counts(&a->replay, error));
	replay_clear(a);
}

void
letters_replay_tick(struct admin *a)
{
	struct admin_replay *r = &a->replay;
	const size_t left = r->n - r->at, n = left < REPLAY_GROUP ? left : REPLAY_GROUP;
	struct error why = {""};

	if (!r->rq)
		return;
	if (!put_back(a, &r->counts, r->seqs + r->at, n, &why)) {
		finish(a, why.text);
		return;
	}
	r->at += n;
	if (r->at == r->n)
		finish(a, NULL);
}

void
letters_replay_end(struct admin *a)
{
	if (a->replay.rq)
		finish(a, "Stopping");
}
