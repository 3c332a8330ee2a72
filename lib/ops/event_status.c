/* event_status - see event_status.h. */
#include "event_status.h"

#include "event_destinations.h"
#include "event_effects.h"
#include "event_history.h"
#include "event_places.h"
#include "lib/base/map.h"
#include "lib/base/units.h"
#include "proto/origin.h"

/* What is told. Texts are in the zone. */
struct event_report {
	struct slice asked, source, id, type, email, reason, handler, journal, batch, origin;
	const char *status; /* NULL: nothing is known of it */
	uint64_t seq, received, event_time, attempts, lost, next_retry, tried, failed, applied;
	bool letter; /* is in the store */
	struct event_effects effects;
};

/* How long state.db knows which events are in: see handlers/group.c. */
#define APPLIED_KEPT "30d"

/* What stands in state.db in place of an event's id where it was no event. */
static const char OPERATOR[] = "operator";

static const char *
waiting_status(const struct journal_event *ev)
{
	if (!ev->tried)
		return "pending";
	if (ev->last.dead)
		return "failed";
	if (ev->last.due)
		return "retry";
	return ev->last.attempts || ev->last.reason.n ? "processing" : "pending";
}

const char *
event_status_word(struct journal *journal, struct letters *letters, struct slice id, uint64_t seq)
{
	struct journal_event ev;
	struct dead letter;

	if (slice_eq(id, journal_id(journal)) && journal_event_at(journal, seq, &ev))
		return waiting_status(&ev);
	if (letters && (letters_find(letters, id, seq, &letter) ||
			       letters_find_dropped(letters, id, seq, &letter)))
		return "failed";
	return "success";
}

/* What an event's frame says, or its beginning; what cannot be read stays as it is. */
static void
fill_frame(struct event_report *r, struct slice frame, msgpack_zone *zone)
{
	const struct {
		const char *name;
		struct slice *to;
	} texts[] = {{"source", &r->source}, {"id", &r->id}, {"type", &r->type},
		{"email", &r->email}, {"batch", &r->batch}, {"origin", &r->origin}};
	struct slice text;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (frame_text(frame.p, frame.n, texts[i].name, &text))
			*texts[i].to = slice_in(zone, text);
	frame_uint(frame.p, frame.n, "ts", &r->event_time);
	if (!r->received)
		frame_uint(frame.p, frame.n, "received", &r->received);
}

/* ---- what each store knows of one event ---- */

/* Inside the journal's snapshot. */
static void
ask_journal(struct journal *j, struct event_report *r, msgpack_zone *zone)
{
	struct journal_event ev;

	r->status = NULL;
	if (!slice_eq(r->journal, journal_id(j)))
		return;
	if (journal_remembers(j, r->seq, &r->received))
		r->status = "success";
	if (!journal_event_at(j, r->seq, &ev))
		return;
	r->status = waiting_status(&ev);
	r->received = ev.received_ms;
	fill_frame(r, ev.frame, zone);
	if (!ev.tried)
		return;
	r->attempts = ev.last.attempts;
	r->lost = ev.last.lost;
	r->reason = slice_in(zone, ev.last.reason);
	r->handler = slice_in(zone, ev.last.handler);
	r->next_retry = ev.last.due;
	r->tried = ev.last.at;
	r->failed = ev.last.dead ? ev.last.at : 0;
}

/* Inside the letters' snapshot: false when it is no letter and was none. */
static bool
ask_letters(struct letters *l, struct event_report *r, msgpack_zone *zone)
{
	struct dead letter;

	r->letter = letters_find(l, r->journal, r->seq, &letter);
	if (!r->letter && !letters_find_dropped(l, r->journal, r->seq, &letter))
		return false;
	r->status = "failed";
	fill_frame(r, letter.event, zone);
	r->attempts = letter.attempts;
	r->reason = slice_in(zone, letter.reason);
	r->handler = slice_in(zone, letter.handler);
	r->tried = r->letter ? letter.failed_at : 0; /* of a dropped one: when it was dropped */
	r->failed = letter.failed_at;
	return true;
}

struct ended_search {
	struct event_report *r;
	msgpack_zone *zone;
};

static bool
take_ended(void *arg, const struct ended_row *row)
{
	struct ended_search *s = arg;
	struct slice journal;
	uint64_t seq;

	if (!frame_uint(row->head.p, row->head.n, "seq", &seq) || seq != s->r->seq ||
		!frame_text(row->head.p, row->head.n, "journal", &journal) ||
		!slice_eq(journal, s->r->journal))
		return true;
	s->r->status = "success";
	s->r->received = row->received_ms;
	s->r->applied = row->ended_ms;
	s->r->attempts = row->attempts;
	s->r->lost = row->lost;
	s->r->handler = slice_in(s->zone, row->handler);
	fill_frame(s->r, row->head, s->zone);
	return true;
}

static void
ask_state(const struct event_query *q, struct event_report *r, msgpack_zone *zone)
{
	const struct slice id = r->id.p ? r->id : r->asked;
	struct origin who = {r->journal, r->seq};
	uint64_t at;

	if (r->origin.p && !origin_read(r->origin, &who))
		who = (struct origin){r->journal, r->seq};
	if (state_applied_at(q->state, who.journal, who.seq, &at)) {
		r->status = "success";
		r->applied = at;
	}
	if (!q->thorough || slice_is(id, OPERATOR))
		return;
	event_effects_find(q->state, r->source, id, zone, &r->effects, NULL);
	if (r->effects.list.n > 0 && !r->status)
		r->status = "success";
	r->type = r->type.p ? r->type : r->effects.type;
	r->email = r->email.p ? r->email : r->effects.email;
	r->source = r->source.p ? r->source : r->effects.source;
}

/* ---- told ---- */

static void
put_others(struct map *m, const struct event_places *places)
{
	struct list others = list_in(m->zone);
	char name[LETTER_NAME_BYTES];

	for (size_t i = 1; i < places->n; i++) {
		const struct letter_place *at = &places->list[i].at;

		letter_name(letter_place_journal(at), at->seq, name);
		list_add(&others, object_of_text(slice_in(m->zone, slice_of(name))));
	}
	map_put(m, "others", list_object(&others));
}

static struct slice
nil_if_empty(struct slice text)
{
	return text.n ? text : (struct slice){NULL, 0};
}

/* What waits or has failed has another handler's name at most; else it is that of its type. */
static struct slice
handler_of(const struct event_query *q, const struct event_report *r)
{
	if (r->handler.n || !r->type.n || strcmp(r->status, "success") != 0)
		return nil_if_empty(r->handler);
	return slice_of(q->cfg->handlers[config_route(q->cfg, r->type)].name);
}

static bool
tell(const struct event_query *q, const struct event_report *r, const struct event_places *places,
	msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	struct map m = map_in(zone);
	char name[LETTER_NAME_BYTES];

	map_text(&m, "event_id", r->id.p ? r->id : r->asked);
	map_text(&m, "status", slice_of(r->status));
	map_text(&m, "source", r->source);
	map_text(&m, "event_type", r->type);
	map_text(&m, "email", r->email);
	map_uint(&m, "seq", r->seq);
	map_text(&m, "journal", nil_if_empty(r->journal));
	map_text(&m, "name",
		r->seq ? slice_of(letter_name(r->journal, r->seq, name)) : (struct slice){NULL, 0});
	map_text(&m, "origin", r->origin);
	map_time(&m, "event_time", r->event_time);
	map_time(&m, "received_at", r->received);
	map_text(&m, "batch_id", r->batch);
	map_uint(&m, "retry_count", r->attempts);
	map_time(&m, "next_retry_at", r->next_retry);
	map_time(&m, "last_tried_at", r->tried);
	map_uint(&m, "handlers_lost", r->lost);
	map_text(&m, "error", nil_if_empty(r->reason));
	map_text(&m, "handler", handler_of(q, r));
	map_time(&m, "failed_at", r->failed);
	map_time(&m, "applied_at", r->applied);
	map_text(&m, "history", slice_of(r->seq ? event_history(q, r->journal, r->seq) : NULL));
	map_put(&m, "effects", list_object(&r->effects.list));
	if (r->letter)
		map_text(&m, "letter", slice_of(letter_name(r->journal, r->seq, name)));
	else
		map_nil(&m, "letter");
	event_destinations(q, r->journal, r->seq, &m);
	put_others(&m, places);
	*out = map_object(&m);
	return !m.short_of_memory || error_set(why, "out of memory");
}

/* ---- asked one after the other ---- */

static bool
look_in_journal(
	const struct event_query *q, struct event_report *r, msgpack_zone *zone, struct error *why)
{
	if (!journal_read_begin(q->journal, why))
		return false;
	ask_journal(q->journal, r, zone);
	journal_read_end(q->journal);
	return true;
}

static bool
look_in_letters(const struct event_query *q, struct event_report *r, bool *is_letter,
	msgpack_zone *zone, struct error *why)
{
	*is_letter = false;
	if (!q->letters)
		return true;
	if (!letters_read_begin(q->letters, why))
		return false;
	*is_letter = ask_letters(q->letters, r, zone);
	letters_read_end(q->letters);
	return true;
}

static bool
waits(const struct event_report *r)
{
	return r->status && strcmp(r->status, "success") != 0;
}

/* The journal before the letters: an event on its way to them is in one of the two. One that a replay
 * takes the other way between the looks is in neither, so the journal is asked again. */
static bool
ask_all(const struct event_query *q, struct event_report *r, msgpack_zone *zone, struct error *why)
{
	bool is_letter;

	if (!look_in_journal(q, r, zone, why))
		return false;
	if (waits(r))
		return true;
	if (!look_in_letters(q, r, &is_letter, zone, why))
		return false;
	if (is_letter)
		return true;
	if (q->letters && !look_in_journal(q, r, zone, why))
		return false;
	if (waits(r))
		return true;
	journal_each_ended(q->journal, take_ended, &(struct ended_search){r, zone});
	if (q->state)
		ask_state(q, r, zone);
	return true;
}

/* ---- when nothing is known ---- */

static bool
count_applied(void *arg, const struct state_value *row)
{
	(void)row;
	++*(uint64_t *)arg;
	return true;
}

/* Is all that was ever accepted still known by its id? Then what is not found never was. */
static bool
knows_all(const struct event_query *q)
{
	struct letters_stat letters = {.count = 0};
	struct journal_stat st;
	uint64_t applied = 0;
	bool good;

	if (!journal_read_begin(q->journal, NULL))
		return false;
	good = journal_stat(q->journal, &st);
	journal_read_end(q->journal);
	if (!good || st.remembered != st.last_seq)
		return false;
	if (q->letters)
		good = letters_stat(q->letters, &letters);
	if (q->state)
		good &= state_each_applied(
			q->state, journal_id(q->journal), count_applied, &applied, NULL);
	return good &&
	       st.last_seq == st.owed[TAKER_HANDLER] + letters.count + letters.dropped + applied;
}

static uint64_t
longest_window(const struct event_query *q)
{
	uint64_t most = 0;

	for (size_t i = 0; i < q->cfg->sources_count; i++) {
		const struct config_source *source = &q->cfg->sources[i];

		if ((!q->source || strcmp(source->name, q->source) == 0) &&
			source->dedup_window_ms > most)
			most = source->dedup_window_ms;
	}
	return most;
}

static enum ops_found
not_found(const struct event_query *q, bool whole, struct error *why)
{
	char window[UNITS_TEXT];

	if (whole && knows_all(q))
		error_set(why, "it was never accepted by %s%s",
			q->source ? "source " : "any source of ",
			q->source ? q->source : q->cfg->path);
	else
		error_set(why,
			"not known here: an id is remembered for %s (dedup_window), what was applied for " APPLIED_KEPT
			", a dead letter until it is replayed or dropped%s",
			units_duration_text(longest_window(q), window),
			whole || !q->thorough ? "" : "; not all of it could be looked through");
	return OPS_NOT_FOUND;
}

enum ops_found
event_status(const struct event_query *q, struct slice id, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	struct event_report r = {.asked = id, .effects.list = list_in(zone)};
	struct event_places places;

	if (!event_places_find(q, id, &places, why))
		return OPS_TROUBLE;
	if (places.n > 0) {
		r.seq = places.list[0].at.seq;
		r.journal = letter_place_journal(&places.list[0].at);
		r.source = slice_of(places.list[0].source);
		if (!ask_all(q, &r, zone, why))
			return OPS_TROUBLE;
	} else if (q->state && q->thorough)
		ask_state(q, &r, zone);
	if (!r.status || (q->source && r.source.p && !slice_is(r.source, q->source)))
		return not_found(q, places.whole, why);
	return tell(q, &r, &places, zone, out, why) ? OPS_FOUND : OPS_TROUBLE;
}
