/* moving - see moving.h. */
#include "moving.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/stage/verdicts.h"

enum one { BACK, GONE, UNREADABLE, FAILED };

/* ---- which ---- */

static bool
note_place(void *arg, const struct letter *letter, msgpack_zone *zone)
{
	struct moving *m = arg;
	struct letter_place *places;

	(void)zone;
	if (m->n == m->room) {
		m->room = m->room ? 2 * m->room : 1024;
		places = reallocarray(m->places, m->room, sizeof *places);
		m->short_of_memory = !places;
		if (!places)
			return false;
		m->places = places;
	}
	m->places[m->n++] = letter_place_of(letter->dead->journal, letter->dead->seq);
	return true;
}

bool
moving_find(struct moving *m, const struct selection *s, bool *complete, struct error *why)
{
	if (!selection_look(m->letters, s, note_place, m, complete, why))
		return false;
	return !m->short_of_memory || error_set(why, "out of memory");
}

void
moving_part_from_strangers(struct moving *m)
{
	const struct slice own = journal_id(m->journal);
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct slice journal = letter_place_journal(&m->places[i]);

		if (slice_eq(journal, own)) {
			m->places[kept++] = m->places[i];
			continue;
		}
		m->strangers++;
		snprintf(m->stranger, sizeof m->stranger, "%.*s", SLICE_ARG(journal));
	}
	m->n = kept;
}

/* How many the next group has. */
static size_t
next_group(const struct moving *m, size_t most)
{
	const size_t left = m->n - m->at, n = left < most ? left : most;

	return n < MOVING_GROUP ? n : MOVING_GROUP;
}

/* ---- replay ---- */

static bool
is_event(struct slice frame)
{
	struct event event;
	msgpack_zone zone;
	bool good;

	msgpack_zone_init(&zone, 4096);
	good = frame_unpack(&event_schema, frame.p, frame.n, &zone, &event, NULL);
	msgpack_zone_destroy(&zone);
	return good;
}

/* The journal first: between its commit and the letters' there are two of it, never none. */
static enum one
put_back(struct moving *m, uint64_t seq, struct error *why)
{
	const struct slice journal = journal_id(m->journal);
	struct dead letter;

	if (!letters_find(m->letters, journal, seq, &letter))
		return GONE;
	if (!is_event(letter.event))
		return UNREADABLE;
	if (journal_revive(m->journal, seq, letter.event, why) != STORE_OK ||
		!letters_remove(m->letters, journal, seq, why))
		return FAILED;
	return BACK;
}

/* One group; what went back is in m->group. */
static bool
replay_group(struct moving *m, const struct letter_place *places, size_t n, struct error *why)
{
	size_t back = 0, gone = 0, unreadable = 0;
	enum one one = BACK;

	if (!letters_begin(m->letters, why))
		return false;
	for (size_t i = 0; i < n && one != FAILED; i++) {
		one = put_back(m, places[i].seq, why);
		gone += one == GONE;
		unreadable += one == UNREADABLE;
		if (one == BACK)
			m->group[back++] = places[i].seq;
	}
	if (!letters_commit(m->letters, one == FAILED ? NULL : why))
		return false;
	m->group_n = back;
	m->done += back;
	m->gone += gone;
	m->unreadable += unreadable;
	return one != FAILED;
}

bool
moving_replay(struct moving *m, size_t most, struct error *why)
{
	const size_t n = next_group(m, most);
	const bool good = (m->group_n = 0, replay_group(m, m->places + m->at, n, why));
	const struct advice returned = {
		.journal = journal_id(m->journal),
		.seqs = {m->group, m->group_n},
		.advice = slice_of("returned"),
		.who = slice_of("replay"),
	};

	if (m->advice && m->group_n > 0)
		stage_send_advice(m->advice, &returned);
	m->at += n;
	return good;
}

/* ---- drop ---- */

static bool
drop_some(struct moving *m, const struct letter_place *places, size_t n, struct error *why)
{
	const uint64_t now_ms = clock_wall_ms();
	struct dead letter;
	uint64_t dropped = 0;

	if (!letters_begin(m->letters, why))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct slice journal = letter_place_journal(&places[i]);

		if (!letters_find(m->letters, journal, places[i].seq, &letter))
			continue;
		if (!letters_drop(m->letters, journal, places[i].seq, now_ms, why))
			return false;
		dropped++;
	}
	if (!letters_commit(m->letters, why))
		return false;
	m->done += dropped;
	m->gone += n - dropped;
	return true;
}

/* A store that is full to the brim has room for changes of one letter at a time. */
bool
moving_drop(struct moving *m, size_t most, struct error *why)
{
	const struct letter_place *places = m->places + m->at;
	const size_t n = next_group(m, most);
	bool good = drop_some(m, places, n, why);

	m->at += n;
	if (good || letters_result(m->letters) != STORE_FULL)
		return good;
	for (size_t i = 0; i < n; i++)
		if (!drop_some(m, &places[i], 1, why))
			return false;
	return true;
}

void
moving_clear(struct moving *m)
{
	free(m->places);
	m->places = NULL;
	m->n = m->at = m->room = 0;
}
