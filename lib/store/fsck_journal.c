/* fsck_journal - the journal against itself and its dedup index. */
#include <stdio.h>
#include <string.h>

#include "fsck_private.h"
#include "lib/base/clock.h"

enum { PROGRESS_ROWS = 8192 };

/* A walk over one table of the snapshot, which is all takers' or that of f->taker. */
typedef void visit(struct fsck *f, const MDB_val *key, const MDB_val *value);

static bool
walk(struct fsck *f, MDB_dbi table, const char *name, visit *fn, struct error *why)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	const uint64_t rows = lmdb_rows(f->journal->read, table);
	uint64_t n = 0;
	int rc = mdb_cursor_open(f->journal->read, table, &cursor);

	if (rc != 0)
		return error_set(why, "cannot read %s: %s", name, lmdb_words(rc));
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		fn(f, &key, &value);
		if (++n % PROGRESS_ROWS == 0)
			fsck_progress(f, name, n, rows);
	}
	mdb_cursor_close(cursor);
	fsck_progress(f, name, n, rows);
	return rc == MDB_NOTFOUND || error_set(why, "cannot read %s: %s", name, lmdb_words(rc));
}

static bool
has_row(struct fsck *f, MDB_dbi table, uint64_t seq)
{
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	return mdb_get(f->journal->read, table, &key, &value) == 0;
}

static bool
has_due(struct fsck *f, uint64_t due_ms, uint64_t seq)
{
	const struct due_key due = {due_ms, seq};
	MDB_val key = lmdb_val(&due, sizeof due), value;

	return mdb_get(f->journal->read, f->journal->owing[f->taker].due, &key, &value) == 0;
}

static uint64_t
number_of(const MDB_val *key)
{
	uint64_t seq = 0;

	if (key->mv_size == sizeof seq)
		memcpy(&seq, key->mv_data, sizeof seq);
	return seq;
}

/* ---- events, tries, due ---- */

static bool
is_frame_of(struct fsck *f, uint64_t seq, const MDB_val *value)
{
	struct event ev;

	msgpack_zone_clear(&f->zone);
	return value->mv_size > sizeof(uint64_t) &&
	       frame_unpack(&event_schema, (const char *)value->mv_data + sizeof(uint64_t),
		       value->mv_size - sizeof(uint64_t), &f->zone, &ev, NULL) &&
	       ev.seq == seq && slice_eq(ev.journal, journal_id(f->journal));
}

/* An event that has waited longer than its window is forgotten by right. */
static void
check_event(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	const uint64_t seq = number_of(key);
	struct journal_try last;

	if (!is_frame_of(f, seq, value))
		fsck_find(f, FSCK_EVENT_BAD, seq, 0, "%zu bytes", value->mv_size);
	else if (seq >= f->first_seen && !has_row(f, f->journal->seen, seq))
		fsck_find(f, FSCK_EVENT_UNSEEN, seq, 0, "%s",
			seq > f->last_seen ? "beyond the newest number" : "");
	if (!journal_try_at(f->journal, f->journal->read, seq, &last))
		last = (struct journal_try){.dead = DEATH_NOT};
	if (journal_is_settled(f->journal, f->journal->read, seq))
		f->sum->settled++;
	else if (last.dead)
		f->sum->given_up++;
	else if (last.due)
		f->sum->scheduled++;
	else
		f->sum->accepted++;
}

static void
check_try(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	const uint64_t seq = number_of(key), delivery = delivery_of(seq, f->taker);
	struct journal_try last;

	(void)value;
	if (!has_row(f, f->journal->events, seq) ||
		journal_is_settled(f->journal, f->journal->read, delivery))
		fsck_find(f, FSCK_TRY_ORPHAN, delivery, 0, "%s", "");
	else if (!journal_try_at(f->journal, f->journal->read, delivery, &last))
		fsck_find(f, FSCK_TRY_BAD, delivery, 0, "%s", "");
	else if (last.dead && last.due)
		fsck_find(f, FSCK_TRY_BOTH, delivery, last.due, "%s", "");
	else if (last.due && !has_due(f, last.due, seq))
		fsck_find(f, FSCK_DUE_MISSING, delivery, last.due, "after %llu tries",
			(unsigned long long)last.attempts);
}

static void
check_due(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	struct journal_try last;
	struct due_key due;

	(void)value;
	if (key->mv_size != sizeof due)
		return;
	memcpy(&due, key->mv_data, sizeof due);
	if (has_row(f, f->journal->events, due.seq) &&
		journal_try_at(
			f->journal, f->journal->read, delivery_of(due.seq, f->taker), &last) &&
		last.due == due.due_ms)
		return;
	fsck_find(f, FSCK_DUE_ORPHAN, delivery_of(due.seq, f->taker), due.due_ms, "%s", "");
}

/* What a taker that is no longer in the configuration has left is no fault: see journal_disown. */
static void
check_settled(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	const uint64_t seq = number_of(key);
	bool all = true;

	(void)value;
	if (!has_row(f, f->journal->events, seq)) {
		fsck_find(f, FSCK_SETTLED_ORPHAN, delivery_of(seq, f->taker), 0, "%s", "");
		return;
	}
	for (unsigned t = 0; t < TAKERS; t++)
		all &= journal_is_settled(f->journal, f->journal->read, delivery_of(seq, t));
	if (all && f->taker == 0)
		fsck_find(f, FSCK_SETTLED_BY_ALL, seq, 0, "%s", "");
}

static bool
check_taker(struct fsck *f, enum taker taker, struct error *why)
{
	static const char *const names[TAKERS][3] = {
		{"tries", "due", "settled"}, {"history-tries", "history-due", "history-settled"}};
	const struct owing *o = &f->journal->owing[taker];

	f->taker = taker;
	return (lmdb_rows(f->journal->read, o->tries) == 0 ||
		       walk(f, o->tries, names[taker][0], check_try, why)) &&
	       (lmdb_rows(f->journal->read, o->due) == 0 ||
		       walk(f, o->due, names[taker][1], check_due, why)) &&
	       (lmdb_rows(f->journal->read, o->settled) == 0 ||
		       walk(f, o->settled, names[taker][2], check_settled, why));
}

bool
fsck_events(struct fsck *f, struct error *why)
{
	struct journal *j = f->journal;
	bool good;

	if (!journal_read_begin(j, why))
		return false;
	f->first_seen = lmdb_first(j->read, j->seen);
	f->last_seen = lmdb_last(j->read, j->seen);
	good = walk(f, j->events, "events", check_event, why);
	for (unsigned t = 0; good && t < TAKERS; t++)
		good = check_taker(f, t, why);
	journal_read_end(j);
	return good;
}

/* ---- the seen log, its index, the batches ---- */

static bool
hash_at(void *arg, uint64_t seq, struct hash128 *hash)
{
	const struct fsck *f = arg;
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (mdb_get(f->journal->read, f->journal->seen, &key, &value) != 0 ||
		value.mv_size < sizeof *hash)
		return false;
	memcpy(hash, value.mv_data, sizeof *hash);
	return true;
}

/* The index finds the row, or a newer one of the same id. */
static bool
is_indexed(struct fsck *f, uint64_t seq, const struct seen_row *row)
{
	const struct dedup_truth truth = {hash_at, NULL, f, 1, 0};

	return dedup_find(f->journal->dedup, row->hash, &truth) >= seq;
}

/* Numbers that are missing in the seen log, but whose events are there: told as such already. */
static bool
are_events(struct fsck *f, uint64_t first, uint64_t end)
{
	while (first < end && has_row(f, f->journal->events, first))
		first++;
	return first >= end;
}

static void
check_seen(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	const uint64_t seq = number_of(key);
	struct seen_row row;

	if (f->last_seen && !are_events(f, f->last_seen + 1, seq))
		fsck_find(f, FSCK_SEEN_HOLE, f->last_seen + 1, 0, "%llu numbers up to %llu",
			(unsigned long long)(seq - f->last_seen - 1), (unsigned long long)seq - 1);
	f->last_seen = seq;
	f->sum->remembered++;
	if (value->mv_size != sizeof row) {
		fsck_find(f, FSCK_SEEN_BAD, seq, 0, "%zu bytes", value->mv_size);
		return;
	}
	memcpy(&row, value->mv_data, sizeof row);
	if (f->journal->dedup && row.at_ms + f->journal->window_ms > clock_wall_ms() &&
		!is_indexed(f, seq, &row))
		fsck_suspect(f, FSCK_INDEX_MISSES, seq);
}

static void
check_batch(struct fsck *f, const MDB_val *key, const MDB_val *value)
{
	const uint64_t number = number_of(key);
	struct journal_batch batch, found;
	char id[64];

	f->sum->batches++;
	msgpack_zone_clear(&f->zone);
	if (!frame_unpack(&batch_schema, value->mv_data, value->mv_size, &f->zone, &batch, NULL)) {
		fsck_find(f, FSCK_BATCH_BAD, number, 0, "%zu bytes", value->mv_size);
		return;
	}
	snprintf(id, sizeof id, "%.*s", SLICE_ARG(batch.id));
	if (!journal_find_batch(f->journal, slice_of(id), &found))
		fsck_find(f, FSCK_BATCH_BAD, number, 0, "its id %s belongs elsewhere", id);
}

bool
fsck_seen(struct fsck *f, struct error *why)
{
	struct journal *j = f->journal;
	bool good;

	if (!journal_read_begin(j, why))
		return false;
	j->dedup = dedup_view(j->dedup_path, j->id);
	f->last_seen = 0;
	if (!j->dedup && lmdb_last(j->read, j->seen))
		fsck_find(f, FSCK_INDEX_ABSENT, 0, 0, "%s", j->dedup_path);
	good = walk(f, j->seen, "seen", check_seen, why) &&
	       walk(f, j->batches, "batches", check_batch, why);
	dedup_close(&j->dedup);
	journal_read_end(j);
	return good;
}

/* ---- the second look ---- */

static bool
still_missing_in_index(struct fsck *f, uint64_t seq)
{
	struct journal *j = f->journal;
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	struct seen_row row;
	bool missing;

	if (mdb_get(j->read, j->seen, &key, &value) != 0 || value.mv_size != sizeof row)
		return false;
	memcpy(&row, value.mv_data, sizeof row);
	j->dedup = dedup_view(j->dedup_path, j->id);
	missing = j->dedup && !is_indexed(f, seq, &row);
	dedup_close(&j->dedup);
	return missing;
}

bool
fsck_still(struct fsck *f, const struct fsck_suspect *s)
{
	const struct slice id = journal_id(f->journal);
	struct journal_event ev;
	struct dead letter;

	switch (s->kind) {
	case FSCK_INDEX_MISSES:
		return still_missing_in_index(f, s->seq);
	case FSCK_LETTER_LIVE:
		return journal_event_at(f->journal, s->seq, &ev) && !(ev.tried && ev.last.dead) &&
		       letters_find(f->letters, id, s->seq, &letter);
	case FSCK_LOST:
	case FSCK_UNAPPLIED:
		return !journal_event_at(f->journal, s->seq, &ev) &&
		       !letters_find(f->letters, id, s->seq, &letter) &&
		       !letters_find_dropped(f->letters, id, s->seq, &letter);
	default:
		return true;
	}
}
