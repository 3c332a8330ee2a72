/* replay - see replay.h. */
#include "moving.h"

#include "lib/stage/stage.h"

enum one { BACK, GONE, UNREADABLE, FAILED };

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
put_back(struct replay *r, uint64_t seq, struct error *why)
{
	const struct slice journal = journal_id(r->journal);
	struct dead letter;

	if (!letters_find(r->letters, journal, seq, &letter))
		return GONE;
	if (!is_event(letter.event))
		return UNREADABLE;
	if (journal_revive(r->journal, seq, letter.event, why) != JOURNAL_OK ||
		!letters_remove(r->letters, journal, seq, why))
		return FAILED;
	return BACK;
}

bool
replay_group(struct replay *r, uint64_t *seqs, size_t n, size_t *n_back, struct error *why)
{
	size_t back = 0, gone = 0, unreadable = 0;
	enum one one = BACK;

	*n_back = 0;
	if (!letters_begin(r->letters, why))
		return false;
	for (size_t i = 0; i < n && i < REPLAY_GROUP && one != FAILED; i++) {
		one = put_back(r, seqs[i], why);
		gone += one == GONE;
		unreadable += one == UNREADABLE;
		if (one == BACK)
			seqs[back++] = seqs[i];
	}
	if (!letters_commit(r->letters, one == FAILED ? NULL : why))
		return false;
	*n_back = back;
	r->done += back;
	r->gone += gone;
	r->unreadable += unreadable;
	return one != FAILED;
}

bool
replay_tell(zsock_t *advice, struct slice journal, const uint64_t *seqs, size_t n)
{
	const struct advice returned = {
		.journal = journal,
		.seqs = {seqs, n},
		.advice = slice_of("returned"),
		.who = slice_of("replay"),
	};

	return n == 0 || stage_send_advice(advice, &returned);
}
