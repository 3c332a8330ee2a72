/* history_roll - counts by minute, hour and day, kept when the events are gone (catalogue.db).
 *
 * | table | a row is                                                                             |
 * |-------|--------------------------------------------------------------------------------------|
 * | meta  | rolled: every event up to this number is counted, none behind it                     |
 * | word  | a type, source or campaign; `day` is when it was first met                           |
 * | roll  | a count. Minutes (kept 48 h) know type, source and machine; hours (400 d) and days   |
 * |       | (for good) also campaign and class of domain                                         |
 *
 * Counts and `rolled` change in one transaction, so nothing is counted twice, whatever a kill cuts
 * off. A time at the sender that is far from that of acceptance counts as the latter. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "history_private.h"
#include "history_roll.h"

enum { STEP_EVENTS = 50000, TRIM_ROWS = 2000, CAMPAIGNS_A_DAY = 10000 };

const uint64_t roll_span_ms[ROLL_SPANS] = {60000, 3600000, DAY_MS};
static const uint64_t keep_ms[ROLL_SPANS] = {2 * DAY_MS, 400 * DAY_MS, 0};

static const char *const texts[ROLL_SQL] = {
	[ROLL_WORD_GET] = "SELECT id FROM word WHERE kind = ? AND text = ?",
	[ROLL_WORD_PUT] = "INSERT INTO word(kind, text, day) VALUES(?, ?, ?)",
	[ROLL_CAMPAIGNS] = "SELECT count(*) FROM word WHERE kind = ? AND day = ?",
	[ROLL_ADD] = "INSERT INTO roll VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
		     " ON CONFLICT DO UPDATE SET n = n + excluded.n",
	[ROLL_ROLLED] = "UPDATE meta SET rolled = ?",
	[ROLL_TRIM] =
		"DELETE FROM roll WHERE (span, bucket, type, source, campaign, domain, machine)"
		" IN (SELECT span, bucket, type, source, campaign, domain, machine FROM roll"
		"  WHERE span = ? AND bucket < ? LIMIT ?)",
};

struct roller {
	sqlite3 *db;
	sqlite3_stmt *stmt[ROLL_SQL];
	uint64_t rolled;
	uint32_t day;      /* of the step */
	int64_t campaigns; /* first met on that day */
};

uint64_t
roll_time(const struct key *key)
{
	const bool near =
		key->at + keep_ms[ROLL_HOUR] > key->received && key->at < key->received + DAY_MS;

	return near ? key->at : key->received;
}

/* ---- opening ---- */

static bool
make_tables(sqlite3 *db, struct error *why)
{
	return sql_exec(db,
		"PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;"
		"CREATE TABLE IF NOT EXISTS meta(id INTEGER PRIMARY KEY, rolled INTEGER NOT NULL) STRICT;"
		"INSERT OR IGNORE INTO meta VALUES(1, 0);"
		"CREATE TABLE IF NOT EXISTS word(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
		" text BLOB NOT NULL, day INTEGER NOT NULL, UNIQUE(kind, text)) STRICT;"
		"CREATE INDEX IF NOT EXISTS word_day ON word(kind, day);"
		"CREATE TABLE IF NOT EXISTS roll(span INTEGER NOT NULL, bucket INTEGER NOT NULL,"
		" type INTEGER NOT NULL, source INTEGER NOT NULL, campaign INTEGER NOT NULL,"
		" domain INTEGER NOT NULL, machine INTEGER NOT NULL, n INTEGER NOT NULL,"
		" PRIMARY KEY(span, bucket, type, source, campaign, domain, machine))"
		" STRICT, WITHOUT ROWID;"
		"PRAGMA user_version = 1; COMMIT",
		why);
}

static struct roller *
open_file(const char *path, struct error *why)
{
	struct roller *r = calloc(1, sizeof *r);
	int64_t rolled;
	int cause;

	if (!r) {
		error_set(why, "out of memory");
		return NULL;
	}
	r->db = sql_open(path, SQL_WRITE, why);
	if (!r->db || !make_tables(r->db, why) ||
		(rolled = sql_number(r->db, "SELECT rolled FROM meta")) < 0) {
		cause = r->db ? sql_errno(r->db) : errno;
		roller_close(&r);
		errno = cause;
		return NULL;
	}
	r->rolled = (uint64_t)rolled;
	return r;
}

/* One that is damaged is made anew from the segments, once; counts of those that are gone are gone with
 * it. */
struct roller *
roller_open(const char *folder, struct error *why)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[PATH_ROOM], aside[PATH_ROOM + 16];
	struct roller *r;

	snprintf(path, sizeof path, "%s/catalogue.db", folder);
	r = open_file(path, why);
	if (r || errno != EBADMSG)
		return r;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		snprintf(aside, sizeof aside, "%s%s", path, ends[i]);
		unlink(aside);
	}
	return open_file(path, why);
}

void
roller_close(struct roller **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < ROLL_SQL; i++)
		sqlite3_finalize((*r)->stmt[i]);
	sqlite3_close((*r)->db);
	free(*r);
	*r = NULL;
}

uint64_t
roller_rolled(const struct roller *r)
{
	return r->rolled;
}

static sqlite3_stmt *
statement(struct roller *r, enum roll_sql which, struct error *why)
{
	if (!r->stmt[which])
		r->stmt[which] = sql_prepare(r->db, texts[which], why);
	return r->stmt[which];
}

/* ---- a step: from events to counts in memory, to rows ---- */

/* Of a segment's word: its number here. */
static int64_t
number(sqlite3_stmt *stmt)
{
	const int64_t n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;

	sqlite3_reset(stmt);
	return n;
}

static int64_t
get_word(struct roller *r, int kind, struct slice text, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_WORD_GET, why);

	if (!stmt)
		return -1;
	sqlite3_bind_int(stmt, 1, kind);
	sqlite3_bind_blob64(stmt, 2, text.p, text.n, SQLITE_STATIC);
	return number(stmt);
}

/* Once a step: there may be 10,000. */
static bool
count_campaigns(struct roller *r, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_CAMPAIGNS, why);

	if (!stmt)
		return false;
	sqlite3_bind_int(stmt, 1, SUM_CAMPAIGN);
	sqlite3_bind_int64(stmt, 2, r->day);
	r->campaigns = number(stmt);
	return true;
}

static int64_t
put_word(struct roller *r, int kind, struct slice text, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_WORD_PUT, why);

	if (!stmt)
		return -1;
	sqlite3_bind_int(stmt, 1, kind);
	sqlite3_bind_blob64(stmt, 2, text.p, text.n, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, r->day);
	return sql_run(stmt, why) ? sqlite3_last_insert_rowid(r->db) : -1;
}

static int64_t
word_of(struct roller *r, int kind, struct slice text, struct error *why)
{
	int64_t id;

	if (!text.p)
		return 0;
	id = get_word(r, kind, text, why);
	if (id != 0)
		return id;
	if (kind == SUM_CAMPAIGN && !slice_is(text, WORD_OTHER) &&
		r->campaigns++ >= CAMPAIGNS_A_DAY)
		return word_of(r, kind, slice_of(WORD_OTHER), why);
	return put_word(r, kind, text, why);
}

static bool
add_row(struct roller *r, enum roll_span span, const struct sum_row *row, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_ADD, why);

	if (!stmt)
		return false;
	sqlite3_bind_int(stmt, 1, (int)span);
	sqlite3_bind_int64(stmt, 2, (int64_t)row->key.bucket);
	for (int i = 0; i < SUM_WORDS; i++)
		sqlite3_bind_int64(stmt, 3 + i, row->key.word[i]);
	sqlite3_bind_int(stmt, 6, row->key.domain);
	sqlite3_bind_int(stmt, 7, row->key.machine);
	sqlite3_bind_int64(stmt, 8, (int64_t)row->count);
	return sql_run(stmt, why);
}

struct sum_key
roll_key(const struct key *key, enum roll_span span)
{
	struct sum_key out = {.bucket = roll_time(key) / roll_span_ms[span],
		.word = {key->word[WORD_TYPE], key->word[WORD_SOURCE], key->word[WORD_CAMPAIGN]},
		.domain = key->domain,
		.machine = key->flags & KEY_MACHINE};

	if (span == ROLL_MINUTE)
		out.word[SUM_CAMPAIGN] = out.domain = 0;
	return out;
}

/* Counts up to STEP_EVENTS from pos on; *next: where the following step begins. */
static bool
count(struct segment *s, uint64_t pos, struct sums spans[ROLL_SPANS], uint64_t *next,
	struct error *why)
{
	const uint64_t end = pos + STEP_EVENTS;
	enum block_found found = BLOCK_FOUND;

	while (pos < end && (found = segment_block_from(s, pos, why)) == BLOCK_FOUND) {
		const uint64_t first = s->block.first;

		for (uint32_t i = pos > first ? (uint32_t)(pos - first) : 0; i < s->block.n; i++)
			for (int span = 0; span < ROLL_SPANS; span++) {
				const struct sum_key key =
					roll_key(&s->block.keys[i], (enum roll_span)span);

				if (!sums_add(&spans[span], &key, 1))
					return error_set(why, "out of memory");
			}
		pos = first + s->block.n;
	}
	*next = found == BLOCK_NONE || pos > s->name.last ? s->name.last + 1 : pos;
	return found != BLOCK_FAILED;
}

/* The segment's words become those here; `known` remembers which. */
static bool
translate(struct roller *r, const struct segment *s, struct sum_key *key, uint32_t *known,
	struct error *why)
{
	int64_t id;

	for (int i = 0; i < SUM_WORDS; i++) {
		const uint32_t word = key->word[i];

		if (!word || word > s->words.n) {
			key->word[i] = 0;
			continue;
		}
		if (!known[word]) {
			id = word_of(r, i, words_text(&s->words, word), why);
			if (id < 0)
				return false;
			known[word] = (uint32_t)id;
		}
		key->word[i] = known[word];
	}
	return true;
}

static bool
write_rows(
	struct roller *r, const struct segment *s, struct sums spans[ROLL_SPANS], struct error *why)
{
	uint32_t *known = calloc((size_t)s->words.n + 1, sizeof *known);
	bool good = true;

	if (!known)
		return error_set(why, "out of memory");
	for (int span = 0; good && span < ROLL_SPANS; span++)
		for (size_t i = 0; good && i < spans[span].n; i++)
			good = translate(r, s, &spans[span].rows[i].key, known, why) &&
			       add_row(r, (enum roll_span)span, &spans[span].rows[i], why);
	free(known);
	return good;
}

static bool
put_rolled(struct roller *r, uint64_t pos, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_ROLLED, why);

	if (!stmt)
		return false;
	sqlite3_bind_int64(stmt, 1, (int64_t)pos);
	return sql_run(stmt, why);
}

static bool
write_step(struct roller *r, const struct segment *s, struct sums spans[ROLL_SPANS], uint64_t next,
	struct error *why)
{
	if (sql_exec(r->db, "BEGIN IMMEDIATE", why) && count_campaigns(r, why) &&
		write_rows(r, s, spans, why) && put_rolled(r, next - 1, why) &&
		sql_exec(r->db, "COMMIT", why)) {
		r->rolled = next - 1;
		return true;
	}
	if (!sqlite3_get_autocommit(r->db))
		sql_exec(r->db, "ROLLBACK", NULL);
	return false;
}

bool
roller_step(struct roller *r, const char *folder, const struct segment_name *name, uint64_t now_ms,
	bool *damaged, struct error *why)
{
	struct segment *s = segment_open(folder, name, SQL_SEALED, why);
	struct sums spans[ROLL_SPANS] = {0};
	uint64_t next = 0;
	bool good;

	*damaged = !s && errno == EBADMSG;
	if (!s)
		return false;
	r->day = (uint32_t)(now_ms / DAY_MS);
	good = count(s, r->rolled < name->first ? name->first : r->rolled + 1, spans, &next, why) &&
	       write_step(r, s, spans, next, why);
	*damaged = s->damaged;
	for (int span = 0; span < ROLL_SPANS; span++)
		sums_free(&spans[span]);
	segment_close(&s);
	return good;
}

void
roller_pass(struct roller *r, const struct segment_name *name)
{
	if (name->last > r->rolled && put_rolled(r, name->last, NULL))
		r->rolled = name->last;
}

/* ---- */

bool
roller_trim(struct roller *r, uint64_t now_ms, bool *more, struct error *why)
{
	sqlite3_stmt *stmt = statement(r, ROLL_TRIM, why);

	*more = false;
	for (int span = 0; stmt && span < ROLL_SPANS; span++) {
		if (!keep_ms[span] || now_ms < keep_ms[span])
			continue;
		sqlite3_bind_int(stmt, 1, span);
		sqlite3_bind_int64(
			stmt, 2, (int64_t)((now_ms - keep_ms[span]) / roll_span_ms[span]));
		sqlite3_bind_int(stmt, 3, TRIM_ROWS);
		if (!sql_run(stmt, why))
			return false;
		*more |= sqlite3_changes(r->db) == TRIM_ROWS;
	}
	return stmt && sqlite3_wal_checkpoint_v2(
			       r->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_IOERR;
}
