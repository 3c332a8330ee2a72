/* adopt_group - see adopt_private.h: events enter this node's journal, a group at a time.
 *
 * A kill before the commit leaves nothing of the group, and after it everything, with how far it is. */
#include <time.h>

#include "adopt_private.h"
#include "lib/base/clock.h"
#include "lib/stage/verdicts.h"
#include "proto/origin.h"

enum { OVERHEAD = 160, WAIT_MS = 100, REST_MOST_US = 100000 };

static void
rest(uint64_t us)
{
	nanosleep(&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
}

/* While the pipeline runs half of it is left to those that come in. */
static bool
has_room(const struct adopt *a, size_t bytes)
{
	uint64_t used, limit;

	journal_room(a->here, &used, &limit);
	return used + bytes + OVERHEAD <= (a->running ? limit / 2 : limit);
}

static bool
begin_look(struct adopt *a, struct error *why)
{
	if (a->at.version)
		return true;
	if (!journal_read_begin(a->here, why))
		return false;
	journal_adoption(a->here, journal_id(a->there), &a->at);
	journal_read_end(a->here);
	return true;
}

bool
adopt_begin(struct adopt *a, struct error *why)
{
	a->group_n = a->group_bytes = 0;
	a->before = *a->sum;
	if (a->look)
		return begin_look(a, why);
	for (;;) {
		if (a->calls->stop(a->calls->arg))
			return error_set(why, "stopped: run it again, it goes on from here");
		a->began_us = clock_mono_us();
		if (journal_begin(a->here, why) != STORE_OK)
			return false;
		if (has_room(a, 0))
			break;
		journal_abort(a->here);
		if (!a->running)
			return error_set(why,
				"this node's journal is full (journal.max_size): start the pipeline, and run it again");
		a->calls->waits(a->calls->arg);
		rest(WAIT_MS * UINT64_C(1000));
	}
	journal_adoption(a->here, journal_id(a->there), &a->at);
	return true;
}

bool
adopt_has_room(const struct adopt *a)
{
	return a->group_n < ADOPT_GROUP && a->group_bytes < ADOPT_GROUP_BYTES &&
	       (a->look || has_room(a, 0));
}

static bool
pack(struct adopt *a, struct event *ev, struct error *why)
{
	const struct origin origin = origin_of(ev);
	char text[ORIGIN_ROOM];

	ev->origin = origin_write(&origin, text);
	ev->journal = journal_id(a->here);
	ev->seq = journal_next(a->here);
	msgpack_sbuffer_clear(&a->frame);
	return frame_pack(&event_schema, ev, &a->frame) || error_set(why, "out of memory");
}

/* The sender's id leads to what is left of the event for its handler; what is for the history alone is known
 * by its identity. */
static void
hide(struct adopt *a, const struct event *ev, struct journal_incoming *in)
{
	const struct origin origin = origin_of(ev);
	char text[ORIGIN_ROOM];

	if (!(in->owed & OWED_HANDLER))
		in->hash = journal_hash(a->here, slice_of(""), origin_write(&origin, text));
}

bool
adopt_put(struct adopt *a, struct event ev, struct journal_incoming *in, struct error *why)
{
	a->group_n++;
	if (a->look)
		return true;
	a->group[a->group_n - 1] = journal_next(a->here);
	hide(a, &ev, in);
	if (!pack(a, &ev, why))
		return false;
	in->frame = (struct slice){a->frame.data, a->frame.size};
	in->received_ms = ev.received;
	a->group_bytes += in->frame.n;
	return journal_adopt(a->here, in, why) == STORE_OK;
}

void
adopt_abort(struct adopt *a)
{
	*a->sum = a->before;
	if (!a->look)
		journal_abort(a->here);
}

static void
tell(struct adopt *a)
{
	const struct advice returned = {
		.journal = journal_id(a->here),
		.seqs = {a->group, a->group_n},
		.advice = slice_of("returned"),
		.who = slice_of("adopt"),
	};

	if (a->advice && a->group_n)
		stage_send_advice(a->advice, &returned);
}

bool
adopt_commit(struct adopt *a, struct error *why)
{
	uint64_t took_us;

	if (a->look)
		return true;
	if (journal_adoption_put(a->here, journal_id(a->there), &a->at, why) != STORE_OK) {
		adopt_abort(a);
		return false;
	}
	if (journal_commit(a->here, why) != STORE_OK) {
		*a->sum = a->before;
		return false;
	}
	tell(a);
	took_us = clock_mono_us() - a->began_us;
	if (a->running)
		rest(took_us < REST_MOST_US ? took_us : REST_MOST_US);
	return true;
}

bool
adopt_letter_as_it_is(struct adopt *a, const struct dead *letter, struct error *why)
{
	bool good;

	if (a->look)
		return true;
	if (!a->letters && !(a->letters = letters_open(a->cfg, LETTERS_KEEP, why)))
		return false;
	msgpack_sbuffer_clear(&a->frame);
	if (!frame_pack(&dead_schema, letter, &a->frame))
		return error_set(why, "out of memory");
	good = letters_begin(a->letters, why) &&
	       letters_put(a->letters, letter, (struct slice){a->frame.data, a->frame.size}, why);
	return good && letters_commit(a->letters, why);
}
