/* journal_read - short snapshots of the journal, for the retrier and the command line. */
#include <string.h>

#include "journal_private.h"

enum { OLDEST_LOOKS = 4096 };

static int
renew(struct journal *j)
{
	const int rc = lmdb_look(j->env);

	return rc ? rc : mdb_txn_renew(j->read);
}

bool
journal_read_begin(struct journal *j, struct error *why)
{
	int rc;

	if (!journal_mend(j, why))
		return false;
	rc = j->read ? renew(j) : lmdb_begin(j->env, MDB_RDONLY, &j->read);
	if (rc == 0)
		return true;
	if (j->read)
		mdb_txn_abort(j->read);
	j->read = NULL;
	journal_trouble(j, rc, "cannot read the journal", why);
	return false;
}

void
journal_read_end(struct journal *j)
{
	if (j->read)
		mdb_txn_reset(j->read);
}

static bool
fill(struct journal *j, const MDB_val *value, uint64_t delivery, struct journal_event *ev)
{
	if (value->mv_size < sizeof ev->received_ms)
		return false;
	ev->delivery = delivery;
	ev->seq = delivery_seq(delivery);
	memcpy(&ev->received_ms, value->mv_data, sizeof ev->received_ms);
	ev->frame.p = (const char *)value->mv_data + sizeof ev->received_ms;
	ev->frame.n = value->mv_size - sizeof ev->received_ms;
	ev->settled = journal_is_settled(j, j->read, delivery);
	ev->tried = journal_try_at(j, j->read, delivery, &ev->last);
	return true;
}

bool
journal_event_at(struct journal *j, uint64_t delivery, struct journal_event *ev)
{
	const uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	return delivery_taker(delivery) < TAKERS && (j->owed & 1U << delivery_taker(delivery)) &&
	       mdb_get(j->read, j->events, &key, &value) == 0 && fill(j, &value, delivery, ev) &&
	       !ev->settled;
}

bool
journal_event_from(struct journal *j, uint64_t delivery, struct journal_event *ev)
{
	uint64_t seq = delivery_seq(delivery);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	MDB_cursor *cursor;
	bool found;

	if (mdb_cursor_open(j->read, j->events, &cursor) != 0)
		return false;
	found = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE) == 0;
	if (found) {
		memcpy(&seq, key.mv_data, sizeof seq);
		found = fill(j, &value, delivery_of(seq, delivery_taker(delivery)), ev);
	}
	mdb_cursor_close(cursor);
	return found;
}

/* Walks `due` from one end while the rows are within (early) or beyond (late) the limit. */
static size_t
walk_due(struct journal *j, enum taker taker, bool late, uint64_t limit_ms, uint64_t *deliveries,
	size_t max)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct due_key due;
	size_t n = 0;
	int rc;

	if (mdb_cursor_open(j->read, j->owing[taker].due, &cursor) != 0)
		return 0;
	rc = mdb_cursor_get(cursor, &key, &value, late ? MDB_LAST : MDB_FIRST);
	while (rc == 0 && n < max) {
		memcpy(&due, key.mv_data, sizeof due);
		if (late ? due.due_ms <= limit_ms : due.due_ms > limit_ms)
			break;
		deliveries[n++] = delivery_of(due.seq, taker);
		rc = mdb_cursor_get(cursor, &key, &value, late ? MDB_PREV : MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return n;
}

size_t
journal_due(struct journal *j, enum taker taker, uint64_t now_ms, uint64_t *deliveries, size_t max)
{
	return walk_due(j, taker, false, now_ms, deliveries, max);
}

size_t
journal_due_after(
	struct journal *j, enum taker taker, uint64_t late_ms, uint64_t *deliveries, size_t max)
{
	return walk_due(j, taker, true, late_ms, deliveries, max);
}

/* The oldest event that the taker has not settled, from where the last look ended: what it has settled
 * before that waits for another alone. 0: none within so many, the next look goes on. */
static uint64_t
oldest_received(struct journal *j, enum taker taker)
{
	uint64_t *oldest = &j->oldest[taker];
	struct journal_event ev;

	for (int n = 0; n < OLDEST_LOOKS; n++) {
		if (!journal_event_from(j, delivery_of(*oldest, taker), &ev)) {
			*oldest = 0;
			return 0;
		}
		*oldest = ev.seq;
		if (!ev.settled)
			return ev.received_ms;
		++*oldest;
	}
	return 0;
}

bool
journal_stat(struct journal *j, struct journal_stat *st)
{
	const uint64_t events = lmdb_rows(j->read, j->events);

	*st = (struct journal_stat){
		.scheduled = lmdb_rows(j->read, j->owing[TAKER_HANDLER].due),
		.remembered = lmdb_rows(j->read, j->seen),
		.last_seq = lmdb_last(j->read, j->seen),
		.used_bytes = journal_used(j, j->read),
		.limit_bytes = j->limit_bytes,
		.event_bytes = lmdb_used(j->read, j->events),
	};
	for (unsigned t = 0; t < TAKERS; t++) {
		if (j->owed & 1U << t)
			st->owed[t] = events - lmdb_rows(j->read, j->owing[t].settled);
		st->oldest_ms[t] = st->owed[t] ? oldest_received(j, t) : 0;
	}
	if (j->owed & OWED_HISTORY)
		st->alone = lmdb_rows(j->read, j->owing[TAKER_HANDLER].settled);
	return true;
}

static bool
read_hash_at(void *arg, uint64_t seq, struct hash128 *hash)
{
	struct journal *j = arg;
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (mdb_get(j->read, j->seen, &key, &value) != 0)
		return false;
	memcpy(hash, value.mv_data, sizeof *hash);
	return true;
}

/* From the newest back: for what the hint misses while another process moves it. */
static uint64_t
search_seen(struct journal *j, struct hash128 hash)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t seq = 0;
	int rc;

	if (mdb_cursor_open(j->read, j->seen, &cursor) != 0)
		return 0;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	while (rc == 0 && memcmp(value.mv_data, &hash, sizeof hash) != 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	if (rc == 0)
		memcpy(&seq, key.mv_data, sizeof seq);
	mdb_cursor_close(cursor);
	return seq;
}

bool
journal_remembers(struct journal *j, uint64_t seq, uint64_t *at_ms)
{
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	struct seen_row row;

	if (mdb_get(j->read, j->seen, &key, &value) != 0)
		return false;
	memcpy(&row, value.mv_data, sizeof row);
	*at_ms = row.at_ms;
	return true;
}

uint64_t
journal_last(const struct journal *j)
{
	return lmdb_last(j->read, j->seen);
}

static struct journal_known
known_of(const struct elapsed *e, uint64_t seq, const MDB_val *value)
{
	struct seen_row row;
	uint64_t at_ms;

	memcpy(&row, value->mv_data, sizeof row);
	at_ms = elapsed_at(e, seq, row.at_ms);
	return (struct journal_known){
		.seq = seq,
		.age_ms = e->now_ms > at_ms ? e->now_ms - at_ms : 0,
		.hash = row.hash,
	};
}

size_t
journal_known_from(struct journal *j, uint64_t seq, struct journal_known *rows, size_t max)
{
	const struct elapsed_note now = elapsed_read();
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	struct elapsed elapsed;
	MDB_cursor *cursor;
	size_t n = 0;
	int rc;

	elapsed_look(&elapsed, j->read, j->clock, &now);
	if (mdb_cursor_open(j->read, j->seen, &cursor) != 0)
		return 0;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && n < max) {
		memcpy(&seq, key.mv_data, sizeof seq);
		rows[n++] = known_of(&elapsed, seq, &value);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return n;
}

void
journal_known_end(const struct journal *j)
{
	lmdb_let_go(j->env);
}

void
journal_each_ended(const struct journal *j, ended_visit *fn, void *arg)
{
	ended_each(j->dir, fn, arg);
}

bool
journal_find(struct journal *j, struct slice source, struct slice id, struct journal_found *found)
{
	const struct hash128 hash = journal_hash(j, source, id);
	const struct dedup_truth truth = {read_hash_at, NULL, j, 1, 0};
	struct seen_row row;
	MDB_val key, value;

	*found = (struct journal_found){.state = FOUND_NOT};
	found->seq = dedup_peek(j->dedup_path, j->id, hash, &truth);
	if (!found->seq)
		found->seq = search_seen(j, hash);
	key = lmdb_val(&found->seq, sizeof found->seq);
	if (!found->seq || mdb_get(j->read, j->seen, &key, &value) != 0)
		return false;
	memcpy(&row, value.mv_data, sizeof row);
	found->seen_ms = row.at_ms;
	found->history_waits =
		(j->owed & OWED_HISTORY) &&
		journal_event_at(j, delivery_of(found->seq, TAKER_HISTORY), &found->event);
	found->state = journal_event_at(j, found->seq, &found->event) ? FOUND_WAITING : FOUND_ENDED;
	return true;
}
