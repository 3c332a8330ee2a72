/* journal_settle - the retrier's side: every move of the state table, many in one transaction.
 *
 * In: changes. Out: rows removed from or added to `events`, `tries` and `due`. A kill before the
 * commit leaves every event of the group in the state it was in. */
#include <errno.h>
#include <string.h>

#include "journal_private.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"

enum { HASTEN_MAX = 4096, HASTENED_MS = 1 };

bool
journal_try_at(struct journal *j, MDB_txn *txn, uint64_t delivery, struct journal_try *last)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (mdb_get(txn, owing_of(j, delivery)->tries, &key, &value) != 0)
		return false;
	msgpack_zone_clear(&j->zone);
	return frame_unpack(&try_schema, value.mv_data, value.mv_size, &j->zone, last, NULL);
}

bool
journal_is_settled(struct journal *j, MDB_txn *txn, uint64_t delivery)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	return mdb_get(txn, owing_of(j, delivery)->settled, &key, &value) == 0;
}

/* Packs before it writes: the texts of *last may point into the page that is about to change. */
int
journal_put_try(struct journal *j, uint64_t delivery, const struct journal_try *last)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	msgpack_sbuffer_clear(&j->out);
	if (!frame_pack(&try_schema, last, &j->out))
		return ENOMEM;
	value = lmdb_val(j->out.data, j->out.size);
	return mdb_put(j->write, owing_of(j, delivery)->tries, &key, &value, 0);
}

int
journal_put_due(struct journal *j, uint64_t due_ms, uint64_t delivery)
{
	const struct due_key due = {due_ms, delivery_seq(delivery)};
	MDB_val key = lmdb_val(&due, sizeof due), nothing = {0, NULL};

	return mdb_put(j->write, owing_of(j, delivery)->due, &key, &nothing, 0);
}

static int
remove_due(struct journal *j, uint64_t due_ms, uint64_t delivery)
{
	const struct due_key due = {due_ms, delivery_seq(delivery)};
	MDB_val key = lmdb_val(&due, sizeof due);

	return due_ms ? lmdb_unless_missing(
				mdb_del(j->write, owing_of(j, delivery)->due, &key, NULL))
		      : 0;
}

int
journal_forget_tries(struct journal *j, uint64_t delivery)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq);
	struct journal_try last;
	int rc = 0;

	if (journal_try_at(j, j->write, delivery, &last))
		rc = remove_due(j, last.due, delivery);
	return rc ? rc
		  : lmdb_unless_missing(
			    mdb_del(j->write, owing_of(j, delivery)->tries, &key, NULL));
}

int
journal_mark_settled(struct journal *j, uint64_t delivery, bool settled)
{
	const uint64_t seq = delivery_seq(delivery);
	const MDB_dbi table = owing_of(j, delivery)->settled;
	MDB_val key = lmdb_val(&seq, sizeof seq), nothing = {0, NULL};

	return settled ? mdb_put(j->write, table, &key, &nothing, 0)
		       : lmdb_unless_missing(mdb_del(j->write, table, &key, NULL));
}

/* The takers that the event is owed to beside this one. */
static unsigned
others(const struct journal *j, uint64_t delivery)
{
	return j->owed & ~(1U << delivery_taker(delivery));
}

/* Nobody else waits for the event? */
static bool
is_last(struct journal *j, uint64_t delivery)
{
	const unsigned mask = others(j, delivery);

	for (unsigned t = 0; t < TAKERS; t++)
		if ((mask & 1U << t) &&
			!journal_is_settled(j, j->write, delivery_of(delivery_seq(delivery), t)))
			return false;
	return true;
}

/* The event's end: nothing of it stays but its row in `seen`. */
static int
remove_event(struct journal *j, uint64_t delivery)
{
	const uint64_t seq = delivery_seq(delivery);
	const unsigned mask = others(j, delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq);
	int rc = mdb_del(j->write, j->events, &key, NULL);

	for (unsigned t = 0; rc == 0 && t < TAKERS; t++)
		if (mask & 1U << t)
			rc = journal_mark_settled(j, delivery_of(seq, t), false);
	return rc;
}

/* The taker has done with it: the last one ends the event. */
static int
settle(struct journal *j, uint64_t delivery, bool tried)
{
	int rc = tried ? journal_forget_tries(j, delivery) : 0;

	if (rc != 0)
		return rc;
	return is_last(j, delivery) ? remove_event(j, delivery)
				    : journal_mark_settled(j, delivery, true);
}

static int
schedule(struct journal *j, const struct journal_change *c, struct journal_try last, bool tried)
{
	const struct journal_try next = {
		.attempts = last.attempts + !c->free,
		.due = c->due_ms,
		.lost = last.lost,
		.at = clock_wall_ms(),
		.reason = c->reason.p ? c->reason : slice_of(""),
		.handler = c->handler.p ? c->handler : slice_of(""),
	};
	int rc = journal_put_try(j, c->delivery, &next);

	if (rc == 0 && tried)
		rc = remove_due(j, last.due, c->delivery);
	return rc ? rc : journal_put_due(j, c->due_ms, c->delivery);
}

static int
give_up(struct journal *j, const struct journal_change *c, struct journal_try last, bool tried,
	enum death death)
{
	const uint64_t due = last.due;
	int rc;

	last.due = 0;
	last.dead = death;
	last.at = clock_wall_ms();
	last.reason = c->reason.p ? c->reason : slice_of("");
	last.handler = c->handler.p ? c->handler : slice_of("");
	rc = journal_put_try(j, c->delivery, &last);
	return rc || !tried ? rc : remove_due(j, due, c->delivery);
}

/* Counts a delivery that ended with its handler; the attempts are for answers only. */
static int
count_lost(struct journal *j, uint64_t delivery, struct journal_try last)
{
	last.lost++;
	last.at = clock_wall_ms();
	return journal_put_try(j, delivery, &last);
}

static int
fire(struct journal *j, uint64_t delivery, struct journal_try last)
{
	const uint64_t due = last.due;
	int rc;

	last.due = 0;
	rc = journal_put_try(j, delivery, &last);
	return rc ? rc : remove_due(j, due, delivery);
}

/* Which moves the state table allows: an event that is given up goes to the dlq only, and only what
 * is scheduled can fire. A second RETRY, from a second delivery, counts no attempt. */
static bool
allowed(enum journal_move move, bool tried, const struct journal_try *last)
{
	const bool dead = tried && last->dead;

	switch (move) {
	case MOVE_DONE:
	case MOVE_DEAD:
		return !dead;
	case MOVE_RETRY:
	case MOVE_LOST:
		return !dead && !(tried && last->due);
	case MOVE_BURIED:
		return dead;
	case MOVE_FIRE:
		return tried && !dead && last->due != 0;
	}
	return false;
}

/* A burial that comes late, when the event has been put back and has died again since: the letter
 * of this death may not be stored yet. */
static bool
is_of_another_death(const struct journal_change *c, const struct journal_try *last)
{
	return c->move == MOVE_BURIED && c->failed_ms && c->failed_ms != last->at;
}

static enum death
death_by(const struct journal_change *c, const struct journal_try *last)
{
	if (c->move == MOVE_DEAD)
		return DEATH_VERDICT;
	if (c->move == MOVE_RETRY && !c->free && last->attempts >= c->attempts_max)
		return DEATH_TRIES;
	if (c->move == MOVE_LOST && last->lost + 1 >= c->attempts_max)
		return DEATH_LOST;
	return DEATH_NOT;
}

/* For whoever asks after it, before the frame goes. */
static void
note_end(struct journal *j, const struct journal_change *c, struct slice frame,
	const struct journal_try *last)
{
	const struct ended_row row = {
		.received_ms = c->received_ms,
		.ended_ms = clock_wall_ms(),
		.attempts = last->attempts,
		.lost = last->lost,
		.handler = c->handler,
		.head = frame,
	};

	if (c->applied_as == MOVE_DONE && delivery_taker(c->delivery) == TAKER_HANDLER)
		ended_note(j->ended, &row);
}

/* Its place in j->ids, until all are there. */
static void
keep_id(struct journal *j, struct journal_change *c, struct slice frame)
{
	if (!frame_text(frame.p, frame.n, "id", &c->id) ||
		(c->id.n > 0 && msgpack_sbuffer_write(&j->ids, c->id.p, c->id.n) != 0))
		c->id = (struct slice){"", 0};
}

/* Is the event there for this taker? Then *received_ms says since when, and it is not 0. */
static int
find_owed(struct journal *j, uint64_t delivery, uint64_t *received_ms, struct slice *frame)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	int rc = mdb_get(j->write, j->events, &key, &value);

	*received_ms = 0;
	if (rc != 0)
		return lmdb_unless_missing(rc);
	if (delivery_taker(delivery) >= TAKERS || !(j->owed & 1U << delivery_taker(delivery)) ||
		(!j->disowned && journal_is_settled(j, j->write, delivery)))
		return 0;
	memcpy(received_ms, value.mv_data, sizeof *received_ms);
	*frame = (struct slice){
		(char *)value.mv_data + sizeof *received_ms, value.mv_size - sizeof *received_ms};
	return 0;
}

/* Accepting stops at the limit, and what puts events off a quarter into the rest: to end one takes a few
 * pages too, and must find them. */
static bool
has_room(const struct journal *j)
{
	const uint64_t rest = (j->max_bytes - j->limit_bytes) / 4;

	return journal_used(j, j->write) <= j->limit_bytes + rest;
}

static int
move(struct journal *j, const struct journal_change *c, struct journal_try last, bool tried,
	enum death death)
{
	if ((c->applied_as == MOVE_RETRY || c->applied_as == MOVE_LOST) && !has_room(j))
		return MDB_MAP_FULL;
	switch (c->applied_as) {
	case MOVE_RETRY:
		return schedule(j, c, last, tried);
	case MOVE_DEAD:
		return give_up(j, c, last, tried, death);
	case MOVE_FIRE:
		return fire(j, c->delivery, last);
	case MOVE_LOST:
		return count_lost(j, c->delivery, last);
	default:
		return settle(j, c->delivery, tried);
	}
}

static int
apply(struct journal *j, struct journal_change *c)
{
	struct journal_try last = {.reason = {"", 0}, .handler = {"", 0}};
	struct slice frame = {NULL, 0};
	int rc = find_owed(j, c->delivery, &c->received_ms, &frame);
	enum death death;
	bool tried;

	c->applied = false;
	c->id = (struct slice){"", 0};
	if (rc != 0 || c->received_ms == 0)
		return rc;
	tried = journal_try_at(j, j->write, c->delivery, &last);
	if (!allowed(c->move, tried, &last) || is_of_another_death(c, &last))
		return 0;
	c->applied = true;
	death = death_by(c, &last);
	c->applied_as = death != DEATH_NOT ? MOVE_DEAD : c->move;
	c->attempts = last.attempts + (c->applied_as == MOVE_RETRY && !c->free);
	if (c->wants_id)
		keep_id(j, c, frame);
	note_end(j, c, frame, &last);
	return move(j, c, last, tried, death);
}

enum store_rc
journal_end(struct journal *j, int rc, const char *what, struct error *why)
{
	if (rc == 0) {
		rc = lmdb_commit(j->write);
		j->write = NULL;
	}
	journal_abort(j);
	if (rc == 0)
		j->cause = CAUSE_NONE;
	return rc == 0 ? STORE_OK : journal_trouble(j, rc, what, why);
}

/* Stands the event there for another's sake still, then it is owed to this one again. */
static int
owe_again(struct journal *j, uint64_t delivery)
{
	int rc = journal_forget_tries(j, delivery);

	return rc ? rc : journal_mark_settled(j, delivery, false);
}

/* The others have had it. */
static int
owe_alone(struct journal *j, uint64_t delivery)
{
	const unsigned mask = others(j, delivery);
	int rc = 0;

	for (unsigned t = 0; rc == 0 && t < TAKERS; t++)
		if (mask & 1U << t)
			rc = journal_mark_settled(j, delivery_of(delivery_seq(delivery), t), true);
	return rc;
}

enum store_rc
journal_revive(struct journal *j, uint64_t delivery, struct slice frame, struct error *why)
{
	const uint64_t received_ms = clock_wall_ms(), seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq);
	MDB_val value = {sizeof received_ms + frame.n, NULL};
	enum store_rc status;
	int rc;

	if (delivery_taker(delivery) >= TAKERS || !(j->owed & 1U << delivery_taker(delivery))) {
		error_set(why, "who gave it up takes nothing any more (history.keep is 0s)");
		return STORE_FAILED;
	}
	status = journal_lock(j, 0, why);
	if (status != STORE_OK)
		return status;
	rc = mdb_put(j->write, j->events, &key, &value, MDB_RESERVE | MDB_NOOVERWRITE);
	if (rc == 0) {
		memcpy(value.mv_data, &received_ms, sizeof received_ms);
		memcpy((char *)value.mv_data + sizeof received_ms, frame.p, frame.n);
		rc = owe_alone(j, delivery);
	} else if (rc == MDB_KEYEXIST) {
		rc = owe_again(j, delivery);
	}
	return journal_end(j, rc, "cannot put an event back", why);
}

/* ---- what is scheduled, at once ---- */

/* The seqs of the earliest scheduled events that are not hastened yet, before anything is changed.
 */
static size_t
earliest(struct journal *j, uint64_t only, uint64_t *seqs, size_t max)
{
	struct due_key due = {HASTENED_MS + 1, 0};
	MDB_val key = lmdb_val(&due, sizeof due), value;
	MDB_cursor *cursor;
	size_t n = 0;

	if (only) {
		*seqs = only;
		return 1;
	}
	if (mdb_cursor_open(j->write, j->owing[TAKER_HANDLER].due, &cursor) != 0)
		return 0;
	while (n < max && mdb_cursor_get(cursor, &key, &value, n ? MDB_NEXT : MDB_SET_RANGE) == 0) {
		memcpy(&due, key.mv_data, sizeof due);
		seqs[n++] = due.seq;
	}
	mdb_cursor_close(cursor);
	return n;
}

/* Due at 1 ms after 1970: the retrier fires it with the next tick. */
static int
hasten_one(struct journal *j, uint64_t seq, size_t *count)
{
	struct journal_try last;
	uint64_t due;
	int rc;

	if (!journal_try_at(j, j->write, seq, &last) || last.dead || !last.due)
		return 0;
	due = last.due;
	last.due = HASTENED_MS;
	rc = journal_put_try(j, seq, &last);
	if (rc == 0)
		rc = remove_due(j, due, seq);
	if (rc == 0)
		rc = journal_put_due(j, HASTENED_MS, seq);
	*count += rc == 0;
	return rc;
}

enum store_rc
journal_hasten(struct journal *j, uint64_t seq, size_t max, size_t *count, struct error *why)
{
	uint64_t seqs[HASTEN_MAX];
	enum store_rc status = journal_lock(j, 0, why);
	int rc = 0;
	size_t n;

	*count = 0;
	if (status != STORE_OK)
		return status;
	n = earliest(j, seq, seqs, max < HASTEN_MAX ? max : HASTEN_MAX);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = hasten_one(j, seqs[i], count);
	return journal_end(j, rc, "cannot hasten", why);
}

void
journal_tidy(struct journal *j)
{
	if (j->env)
		mdb_reader_check(j->env, NULL);
}

/* The dead letter will be flushed in a file of its own. Did the journal fall back behind it, the
 * event would be delivered again and have two ends; so here the last page is flushed too. */
static enum store_rc
flush_deaths(struct journal *j, const struct journal_change *changes, size_t n, struct error *why)
{
	const enum doing before = doing(DOING_FLUSH);
	bool any = false;
	int rc;

	for (size_t i = 0; i < n; i++)
		any |= changes[i].applied && changes[i].applied_as == MOVE_DEAD;
	rc = any ? mdb_env_sync(j->env, 1) : 0;
	doing(before);
	return rc == 0 ? STORE_OK : journal_trouble(j, rc, "cannot flush the journal", why);
}

/* Now that no more come, they stay where they are. */
static void
point_to_ids(struct journal *j, struct journal_change *changes, size_t n)
{
	const char *at = j->ids.data;

	for (size_t i = 0; i < n; i++) {
		if (changes[i].id.n == 0)
			continue;
		changes[i].id.p = at;
		at += changes[i].id.n;
	}
}

enum store_rc
journal_settle(struct journal *j, struct journal_change *changes, size_t n, struct error *why)
{
	enum store_rc status = journal_lock(j, MDB_NOMETASYNC, why);
	int rc = 0;

	if (status != STORE_OK)
		return status;
	msgpack_sbuffer_clear(&j->ids);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = apply(j, &changes[i]);
	status = journal_end(j, rc, "cannot settle verdicts", why);
	if (status != STORE_OK) {
		ended_forget(j->ended);
		return status;
	}
	ended_write(j->ended);
	point_to_ids(j, changes, n);
	return flush_deaths(j, changes, n, why);
}
