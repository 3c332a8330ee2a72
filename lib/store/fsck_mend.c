/* fsck_mend - puts right what loses nothing, a group a transaction.
 *
 * Each mend looks again inside the write transaction: between the finding and now the pipeline may
 * have moved the event. A kill leaves whole groups mended, and the rest for the next run. */
#include <string.h>
#include <unistd.h>

#include "fsck_private.h"
#include "lib/base/clock.h"

enum { GROUP = 1024 };

static MDB_val
key_of(const uint64_t *seq)
{
	return lmdb_val(seq, sizeof *seq);
}

static bool
is_there(struct journal *j, MDB_dbi table, uint64_t seq)
{
	MDB_val key = key_of(&seq), value;

	return mdb_get(j->write, table, &key, &value) == 0;
}

static int
remove_row(struct journal *j, MDB_dbi table, uint64_t seq)
{
	MDB_val key = key_of(&seq);

	return lmdb_unless_missing(mdb_del(j->write, table, &key, NULL));
}

static int
remove_due(struct journal *j, uint64_t due_ms, uint64_t delivery)
{
	const struct due_key due = {due_ms, delivery_seq(delivery)};
	MDB_val key = lmdb_val(&due, sizeof due);

	return lmdb_unless_missing(mdb_del(j->write, owing_of(j, delivery)->due, &key, NULL));
}

static int
add_due(struct journal *j, uint64_t due_ms, uint64_t delivery)
{
	const struct due_key due = {due_ms, delivery_seq(delivery)};
	MDB_val key = lmdb_val(&due, sizeof due), nothing = {0, NULL};

	return mdb_put(j->write, owing_of(j, delivery)->due, &key, &nothing, 0);
}

/* Given up it stays; the time goes. */
static int
unschedule(struct journal *j, uint64_t delivery, struct journal_try last)
{
	const uint64_t due = last.due, seq = delivery_seq(delivery);
	MDB_val key = key_of(&seq), value;
	int rc;

	last.due = 0;
	msgpack_sbuffer_clear(&j->out);
	if (!frame_pack(&try_schema, &last, &j->out))
		return MDB_PANIC;
	value = lmdb_val(j->out.data, j->out.size);
	rc = mdb_put(j->write, owing_of(j, delivery)->tries, &key, &value, 0);
	return rc ? rc : remove_due(j, due, delivery);
}

/* As if it had been accepted just now: its own window begins again. */
static int
remember(struct fsck *f, uint64_t seq)
{
	struct journal *j = f->journal;
	struct seen_row row = {.at_ms = clock_wall_ms()};
	MDB_val key = key_of(&seq), value;
	struct event ev;

	msgpack_zone_clear(&f->zone);
	if (mdb_get(j->write, j->events, &key, &value) != 0 || value.mv_size <= 8 ||
		!frame_unpack(&event_schema, (const char *)value.mv_data + 8, value.mv_size - 8,
			&f->zone, &ev, NULL))
		return 0;
	row.hash = journal_hash(j, ev.source, ev.id);
	key = key_of(&seq);
	value = lmdb_val(&row, sizeof row);
	return mdb_put(j->write, j->seen, &key, &value, 0);
}

/* With its marks, for all whom it was owed to. */
static int
end_event(struct journal *j, uint64_t seq)
{
	int rc = remove_row(j, j->events, seq);

	for (size_t t = 0; rc == 0 && t < TAKERS; t++)
		rc = remove_row(j, j->owing[t].settled, seq);
	return rc;
}

static bool
is_settled_by_all(struct journal *j, uint64_t seq)
{
	bool all = true;

	for (unsigned t = 0; t < TAKERS; t++)
		all &= journal_is_settled(j, j->write, delivery_of(seq, t));
	return all;
}

/* Sets *done when something was put right. Returns LMDB's status. */
static int
mend_one(struct fsck *f, const struct fsck_suspect *s, bool *done)
{
	struct journal *j = f->journal;
	const uint64_t seq = delivery_seq(s->seq);
	const bool event = is_there(j, j->events, seq);
	const bool owed = event && !journal_is_settled(j, j->write, s->seq);
	struct journal_try last;
	const bool tried = journal_try_at(j, j->write, s->seq, &last);

	*done = true;
	switch (s->kind) {
	case FSCK_EVENT_UNSEEN:
		return is_there(j, j->seen, s->seq) ? 0 : remember(f, s->seq);
	case FSCK_TRY_ORPHAN:
		return owed ? 0 : remove_row(j, owing_of(j, s->seq)->tries, seq);
	case FSCK_TRY_BAD:
		return tried ? 0 : remove_row(j, owing_of(j, s->seq)->tries, seq);
	case FSCK_TRY_BOTH:
		return tried && last.dead && last.due ? unschedule(j, s->seq, last) : 0;
	case FSCK_DUE_MISSING:
		return owed && tried && last.due ? add_due(j, last.due, s->seq) : 0;
	case FSCK_DUE_ORPHAN:
		return event && tried && last.due == s->due_ms ? 0
							       : remove_due(j, s->due_ms, s->seq);
	case FSCK_SETTLED_ORPHAN:
		return event ? 0 : remove_row(j, owing_of(j, s->seq)->settled, seq);
	case FSCK_SETTLED_BY_ALL:
		return is_settled_by_all(j, seq) ? end_event(j, seq) : 0;
	default:
		*done = false;
		return 0;
	}
}

static bool
mend_group(struct fsck *f, const struct fsck_suspect *list, size_t n, struct error *why)
{
	uint64_t mended[FSCK_KIND_COUNT] = {0};
	int rc = 0;

	if (journal_lock(f->journal, 0, why) != STORE_OK)
		return false;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		bool done;

		rc = mend_one(f, &list[i], &done);
		mended[list[i].kind] += done;
	}
	if (rc == 0) {
		rc = lmdb_commit(f->journal->write);
		f->journal->write = NULL;
	}
	journal_abort(f->journal);
	if (rc != 0)
		return error_set(why, "cannot mend the journal: %s", lmdb_words(rc));
	for (size_t i = 0; i < FSCK_KIND_COUNT; i++)
		f->sum->mended[i] += mended[i];
	return true;
}

/* Under the write lock nobody is at the index; who has it mapped finds that the file is gone. */
static bool
mend_index(struct fsck *f, struct error *why)
{
	const uint64_t found = f->sum->found[FSCK_INDEX_MISSES] + f->sum->mended[FSCK_EVENT_UNSEEN];

	if (found == 0)
		return true;
	if (journal_lock(f->journal, 0, why) != STORE_OK)
		return false;
	unlink(f->journal->dedup_path);
	journal_abort(f->journal);
	f->sum->mended[FSCK_INDEX_MISSES] = f->sum->found[FSCK_INDEX_MISSES];
	return true;
}

/* Inside the letters' group, in which no newer letter of the event can come: one that has died
 * again since it was found keeps its letter. */
static bool
remove_letter(struct fsck *f, const struct fsck_suspect *s, struct error *why)
{
	bool live;

	if (!journal_read_begin(f->journal, why)) {
		letters_abort(f->letters);
		return false;
	}
	live = fsck_still(f, s);
	journal_read_end(f->journal);
	return !live || letters_remove(f->letters, journal_id(f->journal), s->seq, why);
}

/* A letter whose event is back in the journal. */
static bool
mend_letters(struct fsck *f, struct error *why)
{
	if (f->sum->found[FSCK_LETTER_LIVE] == 0)
		return true;
	if (!letters_begin(f->letters, why))
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (f->list[i].kind == FSCK_LETTER_LIVE && !remove_letter(f, &f->list[i], why))
			return false;
	if (!letters_commit(f->letters, why))
		return false;
	f->sum->mended[FSCK_LETTER_LIVE] = f->sum->found[FSCK_LETTER_LIVE];
	return true;
}

bool
fsck_mend(struct fsck *f, struct error *why)
{
	for (size_t i = 0; i < f->count; i += GROUP) {
		const size_t n = f->count - i < GROUP ? f->count - i : GROUP;

		fsck_progress(f, "mending", i, f->count);
		if (!mend_group(f, f->list + i, n, why))
			return false;
	}
	return mend_letters(f, why) && mend_index(f, why);
}
