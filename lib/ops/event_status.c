/* event_status - see event_status.h. */
#include "event_status.h"

#include "letter_view.h"
#include "lib/base/map.h"

/* What is told. Texts are in the zone, or in a snapshot until `tell` has copied them. */
struct event_report {
	struct slice source, id, type, email, reason, handler, journal;
	const char *status;
	uint64_t seq, received, event_time, attempts, lost, next_retry, tried, failed;
	bool letter; /* is in the store */
};

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

/* The event in a frame; false leaves all as it is. */
static void
fill_frame(struct event_report *r, struct slice frame, msgpack_zone *zone)
{
	struct event ev;

	if (!frame_unpack(&event_schema, frame.p, frame.n, zone, &ev, NULL))
		return;
	r->type = ev.type;
	r->email = ev.email;
	r->event_time = ev.ts;
}

static void
fill_waiting(struct event_report *r, const struct journal_event *ev, msgpack_zone *zone)
{
	r->status = waiting_status(ev);
	fill_frame(r, ev->frame, zone);
	if (!ev->tried)
		return;
	r->attempts = ev->last.attempts;
	r->lost = ev->last.lost;
	r->reason = ev->last.reason;
	r->handler = ev->last.handler;
	r->next_retry = ev->last.due;
	r->tried = ev->last.at;
	r->failed = ev->last.dead ? ev->last.at : 0;
}

static void
fill_letter(struct event_report *r, const struct dead *letter, msgpack_zone *zone)
{
	r->status = "failed";
	fill_frame(r, letter->event, zone);
	r->attempts = letter->attempts;
	r->reason = letter->reason;
	r->handler = letter->handler;
	r->tried = letter->failed_at;
	r->failed = letter->failed_at;
}

static bool
tell(const struct event_report *r, msgpack_zone *zone, msgpack_object *out, struct error *why)
{
	struct map m = map_in(zone);
	char name[LETTER_NAME_BYTES];

	map_text(&m, "event_id", r->id);
	map_text(&m, "status", slice_of(r->status));
	map_text(&m, "source", r->source);
	map_text(&m, "event_type", r->type);
	map_text(&m, "email", r->email);
	map_uint(&m, "seq", r->seq);
	map_text(&m, "journal", r->journal);
	map_time(&m, "event_time", r->event_time);
	map_time(&m, "received_at", r->received);
	map_uint(&m, "retry_count", r->attempts);
	map_time(&m, "next_retry_at", r->next_retry);
	map_time(&m, "last_tried_at", r->tried);
	map_uint(&m, "handlers_lost", r->lost);
	map_text(&m, "error", r->reason.n ? r->reason : (struct slice){NULL, 0});
	map_text(&m, "handler", r->handler.n ? r->handler : (struct slice){NULL, 0});
	map_time(&m, "failed_at", r->failed);
	if (r->letter)
		map_text(&m, "letter", slice_of(letter_name(r->journal, r->seq, name)));
	else
		map_nil(&m, "letter");
	*out = map_object(&m);
	return !m.short_of_memory || error_set(why, "out of memory");
}

/* An event that has ended in the journal: is it among the letters? */
static bool
tell_ended(const struct event_query *q, struct event_report *r, bool *is_letter, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct dead letter;
	bool told;

	*is_letter = false;
	r->status = "success";
	if (!q->letters)
		return tell(r, zone, out, why);
	if (!letters_read_begin(q->letters, why))
		return false;
	r->letter = letters_find(q->letters, r->journal, r->seq, &letter);
	*is_letter = r->letter || letters_find_dropped(q->letters, r->journal, r->seq, &letter);
	if (*is_letter)
		fill_letter(r, &letter, zone);
	told = tell(r, zone, out, why);
	letters_read_end(q->letters);
	return told;
}

/* Looks in the source, or in all of them in turn; inside the journal's snapshot. */
static bool
find_accepted(const struct event_query *q, struct event_report *r, struct journal_found *found)
{
	for (size_t i = 0; i < q->cfg->sources_count; i++) {
		r->source = slice_of(q->cfg->sources[i].name);
		if (q->source && !slice_is(r->source, q->source))
			continue;
		if (journal_find(q->journal, r->source, r->id, found) && found->state != FOUND_NOT)
			return true;
	}
	return false;
}

static enum ops_found
search_journal(const struct event_query *q, struct event_report *r, bool *waits, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	struct journal_found found;
	enum ops_found answer = OPS_NOT_FOUND;

	*waits = false;
	if (!journal_read_begin(q->journal, why))
		return OPS_TROUBLE;
	r->journal = journal_id(q->journal);
	if (find_accepted(q, r, &found)) {
		r->seq = found.seq;
		r->received = found.seen_ms;
		*waits = found.state == FOUND_WAITING;
		answer = OPS_FOUND;
	}
	if (*waits) {
		fill_waiting(r, &found.event, zone);
		if (!tell(r, zone, out, why))
			answer = OPS_TROUBLE;
	}
	journal_read_end(q->journal);
	return answer;
}

/* The newest letter about the id, whatever its journal. */
static bool
find_old_letter(const struct event_query *q, struct event_report *r, msgpack_zone *zone)
{
	struct letters_place place = {.started = false};
	struct letter letter;
	struct dead dead;

	while (letters_previous(q->letters, &place, &dead)) {
		msgpack_zone_clear(zone);
		letter_open(&dead, zone, &letter);
		if (!letter.readable || !slice_eq(letter.event.id, r->id) ||
			(q->source && !slice_is(letter.event.source, q->source)))
			continue;
		r->journal = dead.journal;
		r->seq = dead.seq;
		r->source = letter.event.source;
		r->received = letter.event.received;
		return true;
	}
	return false;
}

static enum ops_found
search_letters(const struct event_query *q, struct event_report *r, msgpack_zone *zone,
	msgpack_object *out, struct error *why)
{
	enum ops_found answer = OPS_NOT_FOUND;
	struct dead letter;
	msgpack_zone look;

	if (!letters_read_begin(q->letters, why))
		return OPS_TROUBLE;
	msgpack_zone_init(&look, 8192);
	if (find_old_letter(q, r, &look) && letters_find(q->letters, r->journal, r->seq, &letter)) {
		r->letter = true;
		fill_letter(r, &letter, zone);
		answer = tell(r, zone, out, why) ? OPS_FOUND : OPS_TROUBLE;
	}
	msgpack_zone_destroy(&look);
	letters_read_end(q->letters);
	return answer;
}

/* The journal before the letters: an event on its way to them is in one of the two. One that a
 * replay takes the other way between the looks is in neither, so the journal is asked again. */
enum ops_found
event_status(const struct event_query *q, struct slice id, msgpack_zone *zone, msgpack_object *out,
	struct error *why)
{
	struct event_report r = {.id = id};
	bool waits, is_letter;
	enum ops_found found = search_journal(q, &r, &waits, zone, out, why);

	if (found == OPS_NOT_FOUND && q->letters && q->thorough)
		return search_letters(q, &r, zone, out, why);
	if (found != OPS_FOUND || waits)
		return found;
	if (!tell_ended(q, &r, &is_letter, zone, out, why))
		return OPS_TROUBLE;
	if (!is_letter && q->letters) {
		r = (struct event_report){.id = id};
		found = search_journal(q, &r, &waits, zone, out, why);
	}
	return found;
}
