/* event_places - see event_places.h. */
#include "event_places.h"

#include <ctype.h>
#include <stdlib.h>

#include "lib/base/clock.h"

/* How long a thorough look takes at most, and how many of the newest events another one asks. */
enum { THOROUGH_MS = 10000, NEWEST = 10000, ASK_CLOCK = 1024 };

struct search {
	const struct event_query *q;
	struct slice id;
	struct event_places *places;
	uint64_t end_ms;
	const char *source; /* whose mark is looked for */
	char origin
		[LETTER_NAME_BYTES]; /* the name of one that another journal had accepted; else "" */
};

/* ---- the list ---- */

static bool
is_before(const struct search *s, const struct letter_place *a, const struct letter_place *b)
{
	const struct slice own = journal_id(s->q->journal);
	const bool first = slice_eq(letter_place_journal(a), own);
	const bool second = slice_eq(letter_place_journal(b), own);

	return first != second ? first : a->seq > b->seq;
}

static bool
is_same(const struct letter_place *a, const struct letter_place *b)
{
	return a->seq == b->seq && slice_eq(letter_place_journal(a), letter_place_journal(b));
}

static void
add(struct search *s, struct slice journal, uint64_t seq, const char *source)
{
	const struct event_place place = {letter_place_of(journal, seq), source};
	struct event_places *all = s->places;
	size_t at = 0;

	while (at < all->n && is_before(s, &all->list[at].at, &place.at))
		at++;
	if (at == EVENT_PLACES_MAX || (at < all->n && is_same(&all->list[at].at, &place.at)))
		return;
	all->n += all->n < EVENT_PLACES_MAX;
	memmove(&all->list[at + 1], &all->list[at], (all->n - at - 1) * sizeof place);
	all->list[at] = place;
}

static bool
is_asked(const struct search *s, struct slice source)
{
	return !s->q->source || slice_is(source, s->q->source);
}

static bool
is_it(const struct search *s, struct slice frame)
{
	struct slice text;

	if (s->origin[0])
		return frame_text(frame.p, frame.n, "origin", &text) && slice_is(text, s->origin);
	return frame_text(frame.p, frame.n, "id", &text) && slice_eq(text, s->id);
}

/* An event frame, or its beginning, with that id in it. */
static void
add_if_it_is(struct search *s, struct slice journal, uint64_t seq, struct slice frame)
{
	struct slice source;

	if (is_it(s, frame) && frame_text(frame.p, frame.n, "source", &source) &&
		is_asked(s, source))
		add(s, journal, seq, NULL);
}

/* ---- who says where it stands ---- */

static bool
read_number(struct slice text, uint64_t *number)
{
	char digits[24], *end;

	if (text.n == 0 || text.n >= 20)
		return false;
	memcpy(digits, text.p, text.n);
	digits[text.n] = 0;
	*number = strtoull(digits, &end, 10);
	return isdigit((unsigned char)*digits) && !*end && *number > 0;
}

static void
find_name(struct search *s)
{
	static const char PREFIX[] = "evt_";
	char name[LETTER_NAME_BYTES];
	struct slice text = s->id, journal;
	uint64_t seq;

	if (slice_starts(text, PREFIX) && text.n < sizeof name) {
		text = (struct slice){text.p + sizeof PREFIX - 1, text.n - sizeof PREFIX + 1};
		memcpy(name, text.p, text.n);
		if (text.n > WIDTH_JOURNAL && name[WIDTH_JOURNAL] == '_')
			name[WIDTH_JOURNAL] = '-';
		text.p = name;
	}
	if (!letter_name_read(text, &journal, &seq))
		return;
	add(s, journal, seq, NULL);
	if (!slice_eq(journal, journal_id(s->q->journal)))
		letter_name(journal, seq, s->origin);
}

static void
find_key(struct search *s)
{
	const struct config *cfg = s->q->cfg;
	struct journal_found found;

	for (size_t i = 0; i < cfg->sources_count; i++) {
		const struct slice source = slice_of(cfg->sources[i].name);

		if (is_asked(s, source) && journal_find(s->q->journal, source, s->id, &found) &&
			found.state != FOUND_NOT)
			add(s, journal_id(s->q->journal), found.seq, cfg->sources[i].name);
	}
}

static bool
is_over(struct search *s, size_t looked)
{
	if (looked % ASK_CLOCK != 0 || clock_mono_ms() < s->end_ms)
		return false;
	s->places->whole = false;
	return true;
}

static void
find_waiting(struct search *s)
{
	struct journal *j = s->q->journal;
	struct journal_event ev = {.seq = 0};
	struct journal_stat st;
	size_t looked = 0;

	if (!s->q->thorough && journal_stat(j, &st) && st.last_seq > NEWEST)
		ev.seq = st.last_seq - NEWEST;
	while (journal_event_from(j, ev.seq + 1, &ev) && !is_over(s, ++looked))
		add_if_it_is(s, journal_id(j), ev.seq, ev.frame);
}

typedef bool next_letter(struct letters *l, struct letters_place *place, struct dead *letter);

static void
find_letters(struct search *s, next_letter *next)
{
	struct letters_place place = {.started = false};
	struct dead letter;
	size_t looked = 0;

	while (next(s->q->letters, &place, &letter) && !is_over(s, ++looked))
		add_if_it_is(s, letter.journal, letter.seq, letter.event);
}

static bool
is_ended(void *arg, const struct ended_row *row)
{
	struct slice journal;
	uint64_t seq;

	if (frame_text(row->head.p, row->head.n, "journal", &journal) &&
		frame_uint(row->head.p, row->head.n, "seq", &seq))
		add_if_it_is(arg, journal, seq, row->head);
	return true;
}

static void
find_number(struct search *s)
{
	struct journal_stat st;
	uint64_t seq;

	if (read_number(s->id, &seq) && journal_stat(s->q->journal, &st) && seq <= st.last_seq)
		add(s, journal_id(s->q->journal), seq, NULL);
}

static bool
is_marked(void *arg, const struct state_value *row)
{
	struct search *s = arg;

	add(s, row[0].text, (uint64_t)row[1].number, s->source);
	return true;
}

static void
find_applied(struct search *s)
{
	const struct config *cfg = s->q->cfg;

	for (size_t i = 0; i < cfg->sources_count; i++) {
		const struct slice source = slice_of(cfg->sources[i].name);

		s->source = cfg->sources[i].name;
		if (is_asked(s, source) && !state_each_marked(s->q->state,
						   state_mark(source, s->id), is_marked, s, NULL))
			s->places->whole = false;
	}
}

/* ---- one after the other ---- */

/* What is known at once; false with the cause. */
static bool
find_surely(struct search *s, struct error *why)
{
	find_name(s);
	if (s->places->n > 0 && !s->origin[0])
		return true;
	if (!journal_read_begin(s->q->journal, why))
		return false;
	if (!s->origin[0])
		find_key(s);
	if (s->places->n == 0 || s->origin[0])
		find_waiting(s);
	journal_read_end(s->q->journal);
	return true;
}

/* The journal before the letters: an event on its way to them is in one of the two. */
static bool
find_by_id(struct search *s, struct error *why)
{
	if (s->q->letters && s->q->thorough) {
		if (!letters_read_begin(s->q->letters, why))
			return false;
		find_letters(s, letters_next);
		find_letters(s, letters_next_dropped);
		letters_read_end(s->q->letters);
	}
	journal_each_ended(s->q->journal, is_ended, s);
	return true;
}

bool
event_places_find(const struct event_query *q, struct slice id, struct event_places *places,
	struct error *why)
{
	const uint64_t look_ms = q->look_ms ? q->look_ms : THOROUGH_MS;
	struct search s = {q, id, places, clock_mono_ms() + look_ms, NULL, ""};

	*places = (struct event_places){.whole = q->thorough};
	if (!find_surely(&s, why))
		return false;
	if (places->n > 0 && places->list[0].source)
		return true;
	if (!find_by_id(&s, why))
		return false;
	if (places->n > 0)
		return true;
	if (!journal_read_begin(q->journal, why))
		return false;
	find_number(&s);
	journal_read_end(q->journal);
	if (places->n == 0 && q->state && q->thorough) {
		state_look_until(q->state, s.end_ms);
		find_applied(&s);
	}
	return true;
}
