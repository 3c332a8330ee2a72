/* adopt_events - events without an end, and dead letters. See adopt.h. */
#include <string.h>

#include "adopt_private.h"
#include "lib/base/clock.h"

enum { LOOK_MOST = 4 * ADOPT_GROUP };

/* An event as it stands in the journal of the folder. */
struct standing {
	struct journal_event of[TAKERS];
	struct event event;
	unsigned owed;
};

/* ---- under which hash it is remembered ---- */

static void
remember(struct adopt *a, const struct event *ev, uint64_t seq, struct journal_incoming *in)
{
	in->at_ms = ev->received;
	if (!seq || !journal_hash_at(a->there, seq, &in->hash, &in->at_ms))
		in->hash = journal_hash(a->here, ev->source, ev->id);
}

static bool
is_own(struct adopt *a, const struct event *ev, const struct journal_incoming *in)
{
	const struct config_source *source = config_source_find(a->cfg, ev->source);

	return !a->look && source &&
	       journal_has_own(a->here, in->hash, in->at_ms, source->dedup_window_ms);
}

/* ---- events ---- */

/* What its history holds it had confirmed, though the journal had not heard of it. */
static unsigned
owed_of(const struct adopt *a, const struct standing *s)
{
	unsigned owed = 0;

	if (!s->of[TAKER_HANDLER].settled)
		owed |= OWED_HANDLER;
	if (!s->of[TAKER_HISTORY].settled && !adopt_is_kept(a, s->of[TAKER_HISTORY].seq))
		owed |= OWED_HISTORY;
	return owed;
}

static bool
bury_unreadable(struct adopt *a, const struct journal_event *ev, struct error *why)
{
	const struct dead letter = {
		.journal = journal_id(a->there),
		.seq = ev->seq,
		.reason = slice_of("cannot be read: adopted as it is"),
		.handler = slice_of("adopt"),
		.death = DEATH_UNREADABLE,
		.failed_at = clock_wall_ms(),
		.event = ev->frame,
	};

	a->sum->unreadable++;
	return adopt_letter_as_it_is(a, &letter, why);
}

static bool
take_event(struct adopt *a, struct standing *s, struct error *why)
{
	struct journal_incoming in = {.owed = 0};

	s->owed = owed_of(a, s);
	in.owed = s->owed & config_owed(a->cfg);
	if (!in.owed) {
		a->sum->nobody += s->owed != 0;
		return true;
	}
	remember(a, &s->event, s->of[0].seq, &in);
	if (is_own(a, &s->event, &in)) {
		a->sum->known++;
		a->at.known++;
		return true;
	}
	for (unsigned t = 0; t < TAKERS; t++)
		in.tries[t] = s->of[t].tried ? &s->of[t].last : NULL;
	a->sum->open++;
	a->sum->scheduled += s->of[0].tried && s->of[0].last.due && !s->of[0].last.dead;
	a->at.events++;
	return adopt_put(a, s->event, &in, why);
}

/* The next one from there on; false at the end. */
static bool
next_event(struct adopt *a, struct standing *s)
{
	const uint64_t from = a->at.seq + 1;

	return journal_event_from(a->there, from, &s->of[TAKER_HANDLER]) &&
	       journal_event_from(a->there, delivery_of(s->of[TAKER_HANDLER].seq, TAKER_HISTORY),
		       &s->of[TAKER_HISTORY]);
}

/* One group, in a snapshot of the folder. *more: there may be others. */
static bool
take_group(struct adopt *a, bool *more, struct error *why)
{
	struct standing s;

	*more = false;
	for (size_t n = 0; n < LOOK_MOST && adopt_has_room(a); n++) {
		if (!next_event(a, &s))
			return true;
		msgpack_zone_clear(&a->zone);
		if (!frame_unpack(&event_schema, s.of[0].frame.p, s.of[0].frame.n, &a->zone,
			    &s.event, NULL)) {
			if (!bury_unreadable(a, &s.of[0], why))
				return false;
		} else if (!take_event(a, &s, why)) {
			return false;
		}
		a->at.seq = s.of[0].seq;
	}
	*more = true;
	return true;
}

typedef bool take_some(struct adopt *a, bool *more, struct error *why);

/* One group after the other. */
static bool
take_all(struct adopt *a, take_some *take, const char *what, const uint64_t *done, uint64_t total,
	struct error *why)
{
	bool more = true, good = true;

	while (good && more) {
		if (!adopt_begin(a, why))
			return false;
		good = journal_read_begin(a->there, why);
		if (good) {
			good = take(a, &more, why);
			journal_read_end(a->there);
		}
		if (!good)
			adopt_abort(a);
		else
			good = adopt_commit(a, why);
		a->calls->progress(a->calls->arg, what, *done, total);
	}
	return good;
}

bool
adopt_events(struct adopt *a, struct error *why)
{
	struct journal_stat st = {.last_seq = 0};

	if (!adopt_find_kept(a, why) || !journal_read_begin(a->there, why))
		return false;
	journal_stat(a->there, &st);
	journal_read_end(a->there);
	return take_all(a, take_group, "events", &a->sum->open, st.owed[TAKER_HANDLER], why);
}

/* ---- dead letters ---- */

/* Its event stands in the journal still, given up or put back by a replay: that one is taken. */
static bool
is_open(struct adopt *a, const struct dead *letter)
{
	struct journal_event ev;

	return slice_eq(letter->journal, journal_id(a->there)) &&
	       delivery_taker(letter->seq) < TAKERS &&
	       journal_event_from(a->there, letter->seq, &ev) &&
	       ev.seq == delivery_seq(letter->seq) && !ev.settled;
}

static enum death
death_of(const struct dead *letter)
{
	return letter->death == DEATH_TRIES || letter->death == DEATH_LOST
		       ? (enum death)letter->death
		       : DEATH_VERDICT;
}

static bool
take_letter(struct adopt *a, const struct dead *letter, struct error *why)
{
	const unsigned taker = delivery_taker(letter->seq);
	const struct journal_try last = {
		.attempts = letter->attempts,
		.dead = death_of(letter),
		.at = letter->failed_at,
		.reason = letter->reason,
		.handler = letter->handler,
	};
	struct journal_incoming in = {.owed = 1U << (taker % TAKERS)};
	struct event ev;

	if (is_open(a, letter))
		return true;
	a->sum->letters++;
	a->at.letters++;
	if (taker >= TAKERS || !(config_owed(a->cfg) & in.owed) ||
		!frame_unpack(&event_schema, letter->event.p, letter->event.n, &a->zone, &ev, NULL))
		return adopt_letter_as_it_is(a, letter, why);
	remember(a, &ev,
		slice_eq(letter->journal, journal_id(a->there)) ? delivery_seq(letter->seq) : 0,
		&in);
	in.tries[taker] = &last;
	return adopt_put(a, ev, &in, why);
}

static bool
take_letters(struct adopt *a, bool *more, struct error *why)
{
	struct letters_place place = {.started = a->at.lettered};
	struct dead letter;
	bool good = true;

	memcpy(place.key, a->at.letter, sizeof place.key);
	if (!letters_read_begin(a->letters_there, why))
		return false;
	*more = true;
	for (size_t n = 0; good && *more && n < LOOK_MOST && adopt_has_room(a); n++) {
		*more = letters_next(a->letters_there, &place, &letter);
		if (!*more)
			break;
		msgpack_zone_clear(&a->zone);
		good = take_letter(a, &letter, why);
		memcpy(a->at.letter, place.key, sizeof place.key);
		a->at.lettered = 1;
	}
	letters_read_end(a->letters_there);
	return good;
}

bool
adopt_letters(struct adopt *a, struct error *why)
{
	struct letters_stat st = {.count = 0};

	letters_stat(a->letters_there, &st);
	return take_all(a, take_letters, "dead letters", &a->sum->letters, st.count, why);
}
