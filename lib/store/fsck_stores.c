/* fsck_stores - the dead letters and the state database against the journal.
 *
 * The database is opened for reading only and asked what every reader may ask; who writes it goes
 * through handlers/state.h. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fsck_private.h"
#include "lib/base/clock.h"

enum { PROGRESS_ROWS = 8192, BUSY_MS = 5000 };

/* Entries of `applied` go after 30 days; see handlers/group.c. */
static const uint64_t APPLIED_MS = (uint64_t)29 * 24 * 3600 * 1000;

/* ---- the dead letters ---- */

struct walk {
	struct fsck *f;
	sqlite3_stmt *applied; /* or NULL */
	uint64_t walked, total;
};

static bool
is_applied(sqlite3_stmt *stmt, uint64_t seq)
{
	bool found;

	if (!stmt)
		return false;
	sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq);
	found = sqlite3_step(stmt) == SQLITE_ROW;
	sqlite3_reset(stmt);
	return found;
}

static bool
check_letter(void *arg, const struct dead *letter)
{
	struct walk *w = arg;
	struct fsck *f = w->f;
	struct journal_event ev;

	if (++w->walked % PROGRESS_ROWS == 0)
		fsck_progress(f, "letters", w->walked, w->total);
	f->sum->letters++;
	if (!slice_eq(letter->journal, journal_id(f->journal)))
		return true;
	if (journal_event_at(f->journal, letter->seq, &ev)) {
		if (!(ev.tried && ev.last.dead))
			fsck_suspect(f, FSCK_LETTER_LIVE, letter->seq);
	} else if (is_applied(w->applied, letter->seq))
		fsck_find(
			f, FSCK_LETTER_APPLIED, letter->seq, 0, "%.*s", SLICE_ARG(letter->reason));
	return true;
}

static sqlite3 *
open_state(const struct fsck *f)
{
	char path[4096];
	sqlite3 *db = NULL;

	snprintf(path, sizeof path, "%s/state.db", f->cfg->data_dir);
	if (access(path, F_OK) != 0)
		return NULL;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_exec(db, "PRAGMA query_only = ON", NULL, NULL, NULL);
	return db;
}

/* Its value ?1 is for the caller; the journal's id is put in here. */
static sqlite3_stmt *
prepare(const struct fsck *f, sqlite3 *db, const char *sql)
{
	const struct slice id = journal_id(f->journal);
	sqlite3_stmt *stmt = NULL;

	if (!db || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_text(stmt, 2, id.p, (int)id.n, SQLITE_TRANSIENT);
	return stmt;
}

static const char APPLIED_ONE[] =
	"SELECT 1 FROM applied WHERE journal = (SELECT id FROM journals WHERE journal = ?2)"
	" AND seq = ?1";
static const char APPLIED_FROM[] =
	"SELECT seq FROM applied WHERE journal = (SELECT id FROM journals WHERE journal = ?2)"
	" AND seq >= ?1 ORDER BY seq";

bool
fsck_letters(struct fsck *f, struct error *why)
{
	sqlite3 *db = open_state(f);
	struct walk w = {.f = f, .applied = prepare(f, db, APPLIED_ONE)};
	struct letters_stat st;
	bool good = journal_read_begin(f->journal, why);

	(void)letters_stat(f->letters, &st); /* for progress only; the snapshot tells the cause */
	if (good && !letters_read_begin(f->letters, why)) {
		journal_read_end(f->journal);
		good = false;
	}
	w.total = st.count;
	if (good) {
		letters_walk(f->letters, check_letter, &w);
		fsck_progress(f, "letters", w.walked, w.total);
		letters_read_end(f->letters);
		journal_read_end(f->journal);
	}
	sqlite3_finalize(w.applied);
	sqlite3_close(db);
	return good;
}

/* ---- the state database ---- */

static void
check_file(struct fsck *f, sqlite3 *db)
{
	sqlite3_stmt *stmt;
	const char *text;

	fsck_progress(f, "state.db", 0, 0);
	if (sqlite3_prepare_v2(db, "PRAGMA quick_check(10)", -1, &stmt, NULL) != SQLITE_OK) {
		fsck_find(f, FSCK_STATE_DAMAGED, 0, 0, "%s", sqlite3_errmsg(db));
		return;
	}
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		text = (const char *)sqlite3_column_text(stmt, 0);
		if (text && strcmp(text, "ok") != 0)
			fsck_find(f, FSCK_STATE_DAMAGED, 0, 0, "%s", text);
	}
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		fsck_find(f, FSCK_STATE_DAMAGED, 0, 0, "%s", sqlite3_errmsg(db));
}

/* Two sorted lists side by side: what is remembered, and what is applied. */
struct merge {
	struct fsck *f;
	sqlite3_stmt *applied;
	uint64_t next; /* the next applied number; UINT64_MAX at the end */
	uint64_t walked;
};

static void
advance(struct merge *m)
{
	m->next = sqlite3_step(m->applied) == SQLITE_ROW
			  ? (uint64_t)sqlite3_column_int64(m->applied, 0)
			  : UINT64_MAX;
	if (m->next == UINT64_MAX)
		return;
	if (++m->walked % PROGRESS_ROWS == 0)
		fsck_progress(m->f, "applied", m->walked, 0);
	m->f->sum->applied++;
}

static void
check_ended(struct merge *m, uint64_t seq, const struct seen_row *row)
{
	struct journal_event ev;

	while (m->next < seq)
		advance(m);
	if (m->next != seq && row->at_ms + APPLIED_MS > clock_wall_ms() &&
		!journal_event_at(m->f->journal, seq, &ev))
		fsck_suspect(m->f, FSCK_UNAPPLIED, seq);
}

static bool
merge(struct merge *m, struct error *why)
{
	struct journal *j = m->f->journal;
	MDB_cursor *cursor;
	MDB_val key, value;
	struct seen_row row;
	uint64_t seq = 0;

	if (mdb_cursor_open(j->read, j->seen, &cursor) != 0)
		return error_set(why, "cannot read the seen log");
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		memcpy(&seq, key.mv_data, sizeof seq);
		if (value.mv_size != sizeof row)
			continue;
		memcpy(&row, value.mv_data, sizeof row);
		check_ended(m, seq, &row);
	}
	mdb_cursor_close(cursor);
	while (m->next != UINT64_MAX && m->next <= seq)
		advance(m);
	return true;
}

/* What is applied beyond the newest number: a look of now, for events come in all the time. */
static void
check_ahead(struct merge *m)
{
	struct fsck *f = m->f;
	uint64_t last = 0;

	if (m->next == UINT64_MAX)
		return;
	journal_read_end(f->journal);
	if (journal_read_begin(f->journal, NULL))
		last = lmdb_last(f->journal->read, f->journal->seen);
	while (m->next <= last)
		advance(m);
	if (m->next != UINT64_MAX)
		fsck_find(f, FSCK_STATE_AHEAD, m->next, 0, "the journal's newest number is %llu",
			(unsigned long long)last);
}

/* The journal's snapshot is the older one: what has ended in it must be applied by now. */
bool
fsck_state(struct fsck *f, struct error *why)
{
	struct merge m = {.f = f};
	sqlite3 *db = open_state(f);
	bool good = true;

	if (!db)
		return true;
	check_file(f, db);
	if (!f->sum->found[FSCK_STATE_DAMAGED]) {
		good = journal_read_begin(f->journal, why);
		m.applied = good ? prepare(f, db, APPLIED_FROM) : NULL;
	}
	if (m.applied) {
		sqlite3_bind_int64(m.applied, 1, 0);
		advance(&m);
		good = merge(&m, why);
		check_ahead(&m);
		fsck_progress(f, "applied", m.walked, m.walked);
	}
	journal_read_end(f->journal);
	sqlite3_finalize(m.applied);
	sqlite3_close(db);
	return good;
}
