/* fsck_stores - the dead letters and the state database against the journal. */
#include <stdio.h>
#include <string.h>

#include "fsck_private.h"
#include "lib/base/clock.h"
#include "proto/origin.h"
#include "state.h"
#include "unread.h"

enum { PROGRESS_ROWS = 8192 };

/* Entries of `applied` go after 30 days; see handlers/group.c. */
static const uint64_t APPLIED_MS = (uint64_t)29 * 24 * 3600 * 1000;

/* ---- the dead letters ---- */

struct letters_check {
	struct fsck *f;
	struct state *db; /* or NULL */
	uint64_t walked, total;
};

static bool
check_letter(void *arg, const struct dead *letter)
{
	struct letters_check *w = arg;
	struct fsck *f = w->f;
	struct journal_event ev;
	struct origin who;

	if (++w->walked % PROGRESS_ROWS == 0)
		fsck_progress(f, "letters", w->walked, w->total);
	f->sum->letters++;
	if (!slice_eq(letter->journal, journal_id(f->journal)))
		return true;
	if (journal_event_at(f->journal, letter->seq, &ev)) {
		if (!(ev.tried && ev.last.dead))
			fsck_suspect(f, FSCK_LETTER_LIVE, letter->seq);
	} else if (w->db && delivery_taker(letter->seq) == TAKER_HANDLER &&
		   origin_of_frame(letter->event, &who) &&
		   state_applied(w->db, who.journal, who.seq)) {
		fsck_find(
			f, FSCK_LETTER_APPLIED, letter->seq, 0, "%.*s", SLICE_ARG(letter->reason));
	}
	return true;
}

bool
fsck_letters(struct fsck *f, struct error *why)
{
	bool exists;
	struct letters_check w = {.f = f, .db = state_watch(f->cfg, &exists, NULL)};
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
	state_close(&w.db);
	return good;
}

/* ---- what is unread ---- */

bool
fsck_unread(struct fsck *f, struct error *why)
{
	struct unread *unread;
	struct unread_stat st;

	if (!unread_is_there(f->cfg))
		return true;
	unread = unread_open(f->cfg, UNREAD_WATCH, why);
	if (!unread)
		return false;
	if (!unread_stat(unread, true, &st)) {
		unread_close(&unread);
		return error_set(why, "cannot read what is unread");
	}
	unread_close(&unread);
	f->sum->unread = st.count;
	if (st.damaged)
		fsck_find(f, FSCK_UNREAD_BAD, 0, 0, "%llu of %llu", (unsigned long long)st.damaged,
			(unsigned long long)st.count);
	return true;
}

/* ---- the state database ---- */

static void
tell_fault(void *arg, const char *fault)
{
	fsck_find(arg, FSCK_STATE_DAMAGED, 0, 0, "%s", fault);
}

/* Two rising lists side by side: what is remembered, and what is applied. */
struct merge {
	struct fsck *f;
	MDB_cursor *seen;    /* NULL behind the last row */
	uint64_t seq, at_ms; /* the row it stands on */
	uint64_t last;       /* the newest number, once all rows are behind */
	uint64_t walked;
	uint64_t lost_ms; /* when what was applied was lost; 0: never */
};

static void
end_seen(struct merge *m)
{
	if (m->seen)
		mdb_cursor_close(m->seen);
	m->seen = NULL;
}

/* On to the next row that can be read. */
static void
advance(struct merge *m)
{
	MDB_val key, value;
	struct seen_row row;

	while (mdb_cursor_get(m->seen, &key, &value, MDB_NEXT) == 0) {
		memcpy(&m->seq, key.mv_data, sizeof m->seq);
		if (value.mv_size != sizeof row)
			continue;
		memcpy(&row, value.mv_data, sizeof row);
		if (row.request == JOURNAL_ADOPTED) /* it is applied under its own identity */
			continue;
		m->at_ms = row.at_ms;
		return;
	}
	m->last = m->seq;
	end_seen(m);
}

/* All that is remembered below a number that is applied is not applied. */
static void
check_below(struct merge *m, uint64_t applied)
{
	struct journal_event ev;

	while (m->seen && m->seq < applied) {
		if (m->at_ms + APPLIED_MS > clock_wall_ms() &&
			!journal_event_at(m->f->journal, m->seq, &ev))
			fsck_suspect(
				m->f, m->at_ms < m->lost_ms ? FSCK_LOST : FSCK_UNAPPLIED, m->seq);
		advance(m);
	}
}

/* Is it beyond the newest number? That takes a look of now, for events come in all the time. */
static bool
is_ahead(struct merge *m, uint64_t applied)
{
	struct fsck *f = m->f;

	if (applied <= m->last)
		return false;
	journal_read_end(f->journal);
	if (journal_read_begin(f->journal, NULL))
		m->last = lmdb_last(f->journal->read, f->journal->seen);
	return applied > m->last;
}

static bool
check_applied(void *arg, const struct state_value *row)
{
	struct merge *m = arg;
	const uint64_t applied = (uint64_t)row->number;

	m->f->sum->applied++;
	if (++m->walked % PROGRESS_ROWS == 0)
		fsck_progress(m->f, "applied", m->walked, 0);
	check_below(m, applied);
	if (m->seen && m->seq == applied)
		advance(m);
	if (m->seen || !is_ahead(m, applied))
		return true;
	fsck_find(m->f, FSCK_STATE_AHEAD, applied, 0, "the journal's newest number is %llu",
		(unsigned long long)m->last);
	return false;
}

static bool
merge(struct fsck *f, struct state *db, struct error *why)
{
	struct merge m = {.f = f, .lost_ms = state_lost_ms(db)};
	struct error fault = {""};

	if (mdb_cursor_open(f->journal->read, f->journal->seen, &m.seen) != 0)
		return error_set(why, "cannot read the seen log");
	advance(&m);
	if (state_each_applied(db, journal_id(f->journal), check_applied, &m, &fault))
		check_below(&m, UINT64_MAX);
	else
		tell_fault(f, fault.text);
	end_seen(&m);
	fsck_progress(f, "applied", m.walked, m.walked);
	return true;
}

/* A server may be away; a file that cannot be opened is damaged. */
static void
tell_unasked(struct fsck *f, const struct error *why)
{
	if (f->cfg->database.kind == DATABASE_POSTGRESQL)
		fsck_find(f, FSCK_STATE_AWAY, 0, 0, "%s", why->text);
	else
		tell_fault(f, why->text);
}

/* The journal's snapshot is the older one: what has ended in it must be applied by now. */
bool
fsck_state(struct fsck *f, struct error *why)
{
	struct error fault = {""};
	bool exists, good = true;
	struct state *db = state_watch(f->cfg, &exists, &fault);

	if (!db) {
		if (exists)
			tell_unasked(f, &fault);
		return true;
	}
	fsck_progress(f, state_name(db), 0, 0);
	if (state_check(db, tell_fault, f)) {
		good = journal_read_begin(f->journal, why) && merge(f, db, why);
		journal_read_end(f->journal);
	}
	state_close(&db);
	return good;
}
