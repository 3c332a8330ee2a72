/* person - see person.h. */
#include "person.h"

#include "event_status.h"
#include "letters_look.h"
#include "lib/base/address.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "mail_paths.h"
#include "roster.h"

enum { COUNT_COLUMNS = 5, CONSENT_COLUMNS = 5, ASK_CLOCK = 1024 };

/* A page under way. */
struct page {
	const struct person_query *q;
	struct map m;
	char lower[ADDRESS_MAX];
	struct slice email; /* in lower case */
	bool known;         /* somebody knows it */
	struct error *why;
};

/* ---- the state database ---- */

static bool
put_suppression(struct page *p)
{
	struct roster_entry entry = {.row = {.email = {NULL, 0}}};
	bool active = false;

	if (!p->q->state) {
		map_nil(&p->m, "suppression");
		return true;
	}
	switch (roster_find(
		p->q->state, p->email, (int64_t)clock_wall_ms(), &entry, &active, p->why)) {
	case OPS_FOUND:
		p->known = true;
		break;
	case OPS_NOT_FOUND:
		entry.row.email = p->email;
		break;
	default:
		return false;
	}
	map_put(&p->m, "suppression", roster_object(&entry.row, NULL, active, p->m.zone));
	return true;
}

static bool
add_consent(void *arg, const struct state_value *row)
{
	struct list *list = arg;
	struct map m = map_in(list->zone);

	map_text(&m, "list", row[0].text);
	map_bool(&m, "wanted", row[1].number != 0);
	map_time(&m, "at", (uint64_t)row[2].number);
	map_text(&m, "source", row[3].text);
	map_text(&m, "event_id", row[4].text);
	list_add(list, map_object(&m));
	return true;
}

static bool
put_consents(struct page *p)
{
	struct list consents = list_in(p->m.zone);

	if (p->q->state && !state_each(p->q->state, SQL_CONSENTS_OF,
				   STATE_VALUES(SV_TEXT(p->email), SV_INT(PERSON_ROWS)),
				   CONSENT_COLUMNS, add_consent, &consents, p->why))
		return false;
	p->known |= consents.n > 0;
	map_put(&p->m, "consents", list_object(&consents));
	return true;
}

struct counters {
	struct page *page;
	struct map m;
	uint64_t score;
};

/* The first row tells how the address was written, too. */
static bool
add_counter(void *arg, const struct state_value *row)
{
	struct counters *c = arg;
	struct map m = map_in(c->m.zone);
	const char *name = slice_in(c->m.zone, row[0].text).p;

	if (!name)
		return false;
	if (c->m.n == 0)
		map_text(&c->page->m, "address", row[3].text);
	map_uint(&m, "count", (uint64_t)row[1].number);
	map_time(&m, "last_at", row[2].kind == STATE_INT ? (uint64_t)row[2].number : 0);
	map_put(&c->m, name, map_object(&m));
	c->score = (uint64_t)row[4].number;
	return true;
}

static bool
put_counters(struct page *p)
{
	struct counters c = {.page = p, .m = map_in(p->m.zone)};

	if (p->q->state &&
		!state_each(p->q->state, SQL_RECIPIENT_COUNTS, STATE_VALUES(SV_TEXT(p->email)),
			COUNT_COLUMNS, add_counter, &c, p->why))
		return false;
	if (c.m.n == 0)
		map_nil(&p->m, "address");
	p->known |= c.m.n > 0;
	map_uint(&p->m, "score", c.score);
	map_put(&p->m, "counters", map_object(&c.m));
	return true;
}

/* ---- the history ---- */

static bool
is_narrowed(const struct history_filter *f)
{
	return f->type.p || f->source.p || f->campaign.p || f->since_ms || f->until_ms ||
	       f->machine;
}

/* A message of which there is no event at all: who it went to is told by the state database alone. */
static bool
put_recipients(struct page *p, const struct mail_group *group, struct list *paths)
{
	if (!mail_recipients(group, PERSON_ROWS + 1, paths, p->why))
		return false;
	map_bool(&p->m, "recipients_complete", paths->n <= PERSON_ROWS);
	paths->n = paths->n < PERSON_ROWS ? paths->n : PERSON_ROWS;
	return true;
}

static enum ops_found
put_events(struct page *p, struct slice message, const char *paths_key)
{
	const struct person_query *q = p->q;
	const struct mail_group group = {.message = message, .email = p->email, .state = q->state};
	struct list events = list_in(p->m.zone), paths = list_in(p->m.zone);
	struct history_told told = {.complete = true};
	struct history_ask ask = q->ask;
	enum ops_found found = OPS_FOUND;

	ask.marks = true;
	if (q->history)
		found = history_look_page(q->history, &ask, &events, &told, p->why);
	if (found != OPS_FOUND)
		return found;
	if (!mail_statuses(&events, q->journal, q->letters, p->why))
		return OPS_TROUBLE;
	mail_sort(&events);
	if (!mail_paths(&events, &group, &paths, p->why))
		return OPS_TROUBLE;
	if (message.p && !events.n && told.complete && !ask.cursor && !is_narrowed(&ask.filter) &&
		!put_recipients(p, &group, &paths))
		return OPS_TROUBLE;
	p->known |= events.n > 0 || paths.n > 0;
	map_put(&p->m, paths_key, list_object(&paths));
	map_put(&p->m, "events", list_object(&events));
	history_told_put(&told, &p->m);
	map_text(&p->m, "no_history", slice_of(q->no_history));
	return OPS_FOUND;
}

/* ---- what waits ---- */

static uint64_t
scan_ms(const struct page *p)
{
	return p->q->scan_ms ? p->q->scan_ms : PERSON_SCAN_MS;
}

static bool
is_about(const struct page *p, struct slice frame)
{
	struct slice written, bare;
	char lower[ADDRESS_MAX];

	return frame_text(frame.p, frame.n, "email", &written) && written.n >= p->email.n &&
	       address_read(written, lower, &bare, &(struct error){""}) &&
	       slice_eq((struct slice){lower, bare.n}, p->email);
}

static struct slice
text_of(const struct journal_event *ev, const char *name)
{
	struct slice text = {NULL, 0};

	frame_text(ev->frame.p, ev->frame.n, name, &text);
	return text;
}

static msgpack_object
waiting_object(const struct page *p, const struct journal_event *ev)
{
	struct map m = map_in(p->m.zone);

	map_text(&m, "event_id", text_of(ev, "id"));
	map_text(&m, "event_type", text_of(ev, "type"));
	map_text(&m, "source", text_of(ev, "source"));
	map_uint(&m, "seq", ev->seq);
	map_text(&m, "status",
		slice_of(event_status_word(
			p->q->journal, NULL, journal_id(p->q->journal), ev->seq)));
	map_time(&m, "received_at", ev->received_ms);
	map_uint(&m, "retry_count", ev->tried ? ev->last.attempts : 0);
	map_time(&m, "next_retry_at", ev->tried ? ev->last.due : 0);
	map_text(&m, "error",
		ev->tried && ev->last.reason.n ? ev->last.reason : (struct slice){NULL, 0});
	return map_object(&m);
}

static bool
put_waiting(struct page *p)
{
	const uint64_t end_ms = clock_mono_ms() + scan_ms(p);
	struct list waiting = list_in(p->m.zone);
	struct journal_event ev = {.seq = 0};
	bool complete = true;
	size_t looked = 0;

	if (!journal_read_begin(p->q->journal, p->why))
		return false;
	while (complete && journal_event_from(p->q->journal, ev.seq + 1, &ev)) {
		if (!ev.settled && is_about(p, ev.frame))
			list_add(&waiting, waiting_object(p, &ev));
		complete = waiting.n < PERSON_ROWS &&
			   (++looked % ASK_CLOCK || clock_mono_ms() < end_ms);
	}
	journal_read_end(p->q->journal);
	p->known |= waiting.n > 0;
	map_put(&p->m, "waiting", list_object(&waiting));
	map_bool(&p->m, "waiting_complete", complete);
	return !waiting.short_of_memory || error_set(p->why, "out of memory");
}

/* ---- what has failed ---- */

static bool
put_letters(struct page *p)
{
	const struct selection s = {.filter = {.email = p->email},
		.newest_first = true,
		.until_ms = clock_mono_ms() + scan_ms(p)};
	msgpack_object found;
	const msgpack_object *letters;
	int64_t matching = 0;

	if (!letters_page(p->q->letters, &s, PERSON_ROWS, p->m.zone, &found, p->why))
		return false;
	letters = field_get(&found, "dead_letters");
	field_int(&found, "matching", &matching);
	p->known |= matching > 0;
	map_put(&p->m, "dead_letters", *letters);
	map_bool(&p->m, "dead_letters_complete",
		field_bool(&found, "complete", false) && matching <= PERSON_ROWS);
	return true;
}

/* ---- all of it ---- */

static enum ops_found
end(struct page *p, const char *what, struct slice asked, msgpack_object *out)
{
	*out = map_object(&p->m);
	if (p->m.short_of_memory) {
		error_set(p->why, "out of memory");
		return OPS_TROUBLE;
	}
	if (p->known)
		return OPS_FOUND;
	error_set(p->why, "%.*s: nothing is known here of %s%s%s%s", SLICE_ARG(asked), what,
		is_narrowed(&p->q->ask.filter) ? ", and no event that fits the filter" : "",
		p->q->no_history ? "; " : "", p->q->no_history ? p->q->no_history : "");
	return OPS_NOT_FOUND;
}

enum ops_found
person_page(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	struct page p = {.q = q, .m = map_in(zone), .why = why};
	const struct slice asked = q->ask.filter.email;
	struct error cause;
	enum ops_found found;

	if (!address_read(asked, p.lower, &p.email, &cause)) {
		error_set(why, "\"%.*s\" %s", (int)slice_cut(asked, 80).n, asked.p, cause.text);
		return OPS_WRONG;
	}
	p.email.p = p.lower;
	map_text(&p.m, "email", p.email);
	if (!put_suppression(&p) || !put_consents(&p) || !put_counters(&p))
		return OPS_TROUBLE;
	found = put_events(&p, (struct slice){NULL, 0}, "messages");
	if (found != OPS_FOUND)
		return found;
	if (!put_waiting(&p) || !put_letters(&p))
		return OPS_TROUBLE;
	return end(&p, "this address", p.email, out);
}

/* ---- a message ---- */

enum ops_found
message_page(
	const struct person_query *q, msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	struct page p = {.q = q, .m = map_in(zone), .why = why};
	const struct slice message = address_unbracket(q->ask.filter.message);
	enum ops_found found;

	if (!message.p) {
		error_set(why, "the message id is empty");
		return OPS_WRONG;
	}
	map_text(&p.m, "message_id", message);
	found = put_events(&p, message, "recipients");
	return found == OPS_FOUND ? end(&p, "this message", message, out) : found;
}
