/* history_segment - one file of events: its tables, what is known of it, and its blocks.
 *
 * | table | a row is                                                                             |
 * |-------|--------------------------------------------------------------------------------------|
 * | meta  | of a sealed one: the facts                                                           |
 * | word  | a text that keys name by number                                                      |
 * | key   | up to 64 events that follow one another: struct key each; under its first number     |
 * | body  | their frames, one after the other; under the same number                             |
 * | idx   | of a sealed one: up to 320 entries of an index, in order                             |
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_private.h"

enum { FORMAT = 1 };

#define FACT_COLUMN(name) "," #name " INTEGER NOT NULL"
#define FACT_NAME(name) "," #name
#define FACT_NUMBER(name) FACT_##name,
enum { SEGMENT_FACTS(FACT_NUMBER) FACTS_N };
_Static_assert(sizeof(struct facts) == FACTS_N * sizeof(uint64_t), "facts are numbers alone");

static const char *const texts[SEGMENT_SQL] = {
	[SEGMENT_AT] =
		"SELECT pos, n, packed, keys FROM key WHERE pos <= ? ORDER BY pos DESC LIMIT 1",
	[SEGMENT_NEXT] = "SELECT pos, n, packed, keys FROM key WHERE pos > ? ORDER BY pos LIMIT 1",
	[SEGMENT_BODY] = "SELECT frames FROM body WHERE pos = ?",
	[SEGMENT_INDEX] = "SELECT entries FROM idx WHERE id = ?",
	[SEGMENT_PUT_WORD] = "INSERT INTO word VALUES(?, ?, ?)",
	[SEGMENT_PUT_KEY] = "INSERT INTO key VALUES(?, ?, ?, ?)",
	[SEGMENT_PUT_BODY] = "INSERT INTO body VALUES(?, ?)",
	[SEGMENT_PUT_INDEX] = "INSERT INTO idx VALUES(?, ?)",
};

bool
segment_damaged(struct segment *s, const char *what, uint64_t pos, struct error *why)
{
	s->damaged = true;
	return error_set(why, "history: %s from %llu on: damaged", what, (unsigned long long)pos);
}

static bool
segment_fail(struct segment *s, const char *what, struct error *why)
{
	s->damaged |= sqlite3_errcode(s->db) == SQLITE_DONE || sql_errno(s->db) == EBADMSG;
	return sql_fail(s->db, what, why);
}

bool
segment_make_tables(sqlite3 *db, uint32_t mark, struct error *why)
{
	char version[96];

	snprintf(version, sizeof version,
		"PRAGMA application_id = %lu; PRAGMA user_version = %d; COMMIT",
		(unsigned long)mark, FORMAT);
	return sql_exec(db,
		       "BEGIN IMMEDIATE;"
		       "CREATE TABLE meta(id INTEGER PRIMARY KEY" SEGMENT_FACTS(
			       FACT_COLUMN) ") STRICT;"
					    "CREATE TABLE word(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
					    " text BLOB NOT NULL) STRICT;"
					    "CREATE TABLE key(pos INTEGER PRIMARY KEY, n INTEGER NOT NULL,"
					    " packed INTEGER NOT NULL, keys BLOB NOT NULL) STRICT;"
					    "CREATE TABLE body(pos INTEGER PRIMARY KEY, frames BLOB NOT NULL) STRICT;"
					    "CREATE TABLE idx(id INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;",
		       why) &&
	       sql_exec(db, version, why);
}

bool
segment_put_facts(struct segment *s, struct error *why)
{
	char sql[512];
	int n = snprintf(sql, sizeof sql, "INSERT INTO meta VALUES(1");
	uint64_t values[FACTS_N];

	memcpy(values, &s->facts, sizeof values);
	for (size_t i = 0; i < FACTS_N; i++)
		n += snprintf(sql + n, sizeof sql - (size_t)n, ",%lld", (long long)values[i]);
	snprintf(sql + n, sizeof sql - (size_t)n, ")");
	return sql_exec(s->db, sql, why);
}

static bool
read_facts(struct segment *s, struct error *why)
{
	sqlite3_stmt *stmt =
		sql_prepare(s->db, "SELECT 1" SEGMENT_FACTS(FACT_NAME) " FROM meta", why);
	uint64_t values[FACTS_N];
	bool good = stmt && sqlite3_step(stmt) == SQLITE_ROW;

	for (int i = 0; good && i < FACTS_N; i++)
		values[i] = (uint64_t)sqlite3_column_int64(stmt, i + 1);
	if (good)
		memcpy(&s->facts, values, sizeof values);
	else if (stmt)
		sql_fail(s->db, "reading what is known of a segment", why);
	sqlite3_finalize(stmt);
	return good;
}

bool
segment_more_words(struct segment *s, struct error *why)
{
	sqlite3_stmt *stmt =
		sql_prepare(s->db, "SELECT id, kind, text FROM word WHERE id > ? ORDER BY id", why);
	struct slice text;
	uint32_t number;
	bool good = stmt != NULL;
	int rc = SQLITE_DONE;

	if (stmt)
		sqlite3_bind_int64(stmt, 1, s->words.n);
	while (good && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		text = (struct slice){
			sqlite3_column_blob(stmt, 2), (size_t)sqlite3_column_bytes(stmt, 2)};
		number = words_add(
			&s->words, (enum word_kind)(sqlite3_column_int(stmt, 1) & 3), text);
		good = number == (uint64_t)sqlite3_column_int64(stmt, 0);
		s->damaged |= number && !good;
	}
	if (stmt && !good)
		error_set(why, "history: the words of a segment are damaged");
	else if (rc != SQLITE_DONE)
		good = sql_fail(s->db, "reading its words", why);
	sqlite3_finalize(stmt);
	return good;
}

static bool
check_format(struct segment *s, const char *path, struct error *why)
{
	const int64_t format = sql_number(s->db, "PRAGMA user_version");

	s->damaged = format == 0; /* nothing is in it */
	return format == FORMAT || error_set(why, "%s: has format %lld; this program knows %d",
					   path, (long long)format, FORMAT);
}

static int
on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct segment *s = arg;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

struct segment *
segment_open(
	const char *folder, const struct segment_name *name, enum sql_use use, struct error *why)
{
	struct segment *s = calloc(1, sizeof *s);
	char path[PATH_ROOM];
	int cause;

	if (!s) {
		error_set(why, "out of memory");
		return NULL;
	}
	s->name = *name;
	s->db = sql_open(name_path(folder, name, path), use, why);
	if (!s->db || !check_format(s, path, why) || !segment_more_words(s, why) ||
		(name->last && !read_facts(s, why))) {
		cause = !s->db ? errno : s->damaged ? EBADMSG : sql_errno(s->db);
		segment_close(&s);
		errno = cause;
	}
	if (s && use == SQL_WRITE)
		sqlite3_wal_hook(s->db, on_commit, s);
	if (s)
		s->mark = (uint32_t)sql_number(s->db, "PRAGMA application_id");
	return s;
}

void
segment_close(struct segment **s_p)
{
	struct segment *s = *s_p;

	if (!s)
		return;
	for (size_t i = 0; i < SEGMENT_SQL; i++)
		sqlite3_finalize(s->stmt[i]);
	sqlite3_close(s->db);
	words_free(&s->words);
	free(s->block.body);
	free(s);
	*s_p = NULL;
}

sqlite3_stmt *
segment_sql(struct segment *s, enum segment_sql which, struct error *why)
{
	if (!s->stmt[which])
		s->stmt[which] = sql_prepare(s->db, texts[which], why);
	return s->stmt[which];
}

static void
widen(uint64_t *min, uint64_t *max, uint64_t value, bool first)
{
	if (first || value < *min)
		*min = value;
	if (first || value > *max)
		*max = value;
}

void
facts_add(struct facts *f, const struct key *key)
{
	const bool first = f->events++ == 0;

	f->bytes += key->length;
	widen(&f->at_min, &f->at_max, key->at, first);
	widen(&f->received_min, &f->received_max, key->received, first);
	widen(&f->seq_min, &f->seq_max, key->seq, first);
}

/* The keys of a row, which must be as many as it says. */
static bool
take_keys(struct segment *s, struct slice bytes, bool packed)
{
	struct block *b = &s->block;
	char *room = NULL;
	size_t size = 0, n = bytes.n;
	bool good = true;

	if (packed) {
		good = unpack(bytes, &room, &size, &n);
		bytes = (struct slice){room, n};
	}
	good = good && b->n > 0 && b->n <= BLOCK_EVENTS && n == b->n * sizeof *b->keys;
	if (good)
		memcpy(b->keys, bytes.p, n);
	free(room);
	return good;
}

static enum block_found
take_row(struct segment *s, sqlite3_stmt *stmt, struct error *why)
{
	struct block *b = &s->block;
	const struct slice keys = {
		sqlite3_column_blob(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3)};

	b->first = (uint64_t)sqlite3_column_int64(stmt, 0);
	b->n = (uint32_t)sqlite3_column_int(stmt, 1);
	b->packed = sqlite3_column_int(stmt, 2);
	b->has_body = false;
	if (take_keys(s, keys, b->packed))
		return BLOCK_FOUND;
	b->n = 0;
	segment_damaged(s, "the keys", b->first, why);
	return BLOCK_FAILED;
}

static enum block_found
load(struct segment *s, enum segment_sql which, uint64_t pos, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(s, which, why);
	enum block_found found = BLOCK_FAILED;

	s->block.n = 0;
	if (!stmt)
		return BLOCK_FAILED;
	sqlite3_bind_int64(stmt, 1, (int64_t)pos);
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		found = take_row(s, stmt, why);
		break;
	case SQLITE_DONE:
		found = BLOCK_NONE;
		break;
	default:
		segment_fail(s, "reading keys", why);
	}
	sqlite3_reset(stmt);
	return found;
}

static bool
is_loaded(const struct segment *s, uint64_t pos)
{
	return s->block.n && pos >= s->block.first && pos - s->block.first < s->block.n;
}

enum block_found
segment_block_at(struct segment *s, uint64_t pos, struct error *why)
{
	if (pos > INT64_MAX)
		pos = INT64_MAX;
	return is_loaded(s, pos) ? BLOCK_FOUND : load(s, SEGMENT_AT, pos, why);
}

enum block_found
segment_block_from(struct segment *s, uint64_t pos, struct error *why)
{
	const enum block_found at = segment_block_at(s, pos, why);

	if (at == BLOCK_FAILED || is_loaded(s, pos))
		return at;
	return load(s, SEGMENT_NEXT, pos, why);
}

static bool
keep_body(struct block *b, struct slice bytes)
{
	char *grown;

	if (b->packed)
		return unpack(bytes, &b->body, &b->body_room, &b->body_n);
	if (bytes.n > b->body_room) {
		grown = realloc(b->body, bytes.n);
		if (!grown)
			return false;
		b->body = grown;
		b->body_room = bytes.n;
	}
	if (bytes.n)
		memcpy(b->body, bytes.p, bytes.n);
	b->body_n = bytes.n;
	return true;
}

sqlite3_stmt *
segment_body_row(struct segment *s, struct error *why)
{
	sqlite3_stmt *stmt = segment_sql(s, SEGMENT_BODY, why);

	if (!stmt)
		return NULL;
	sqlite3_bind_int64(stmt, 1, (int64_t)s->block.first);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		return stmt;
	segment_fail(s, "reading frames", why);
	sqlite3_reset(stmt);
	return NULL;
}

static bool
load_body(struct segment *s, struct error *why)
{
	sqlite3_stmt *stmt;

	if (s->block.has_body)
		return true;
	if (!(stmt = segment_body_row(s, why)))
		return false;
	s->block.has_body = keep_body(&s->block, (struct slice){sqlite3_column_blob(stmt, 0),
							 (size_t)sqlite3_column_bytes(stmt, 0)});
	sqlite3_reset(stmt);
	return s->block.has_body || segment_damaged(s, "the frames", s->block.first, why);
}

struct slice
segment_frame(struct segment *s, uint64_t pos, struct error *why)
{
	const struct block *b = &s->block;
	const struct key *key = &b->keys[pos - b->first];

	if (!load_body(s, why))
		return (struct slice){NULL, 0};
	if (key->offset > b->body_n || key->length > b->body_n - key->offset) {
		segment_damaged(s, "the frame", pos, why);
		return (struct slice){NULL, 0};
	}
	return (struct slice){b->body + key->offset, key->length};
}

bool
segment_measure(struct segment *s, struct error *why)
{
	uint64_t pos = s->name.first;
	enum block_found found;

	s->facts = (struct facts){.first = pos, .last = pos - 1};
	while ((found = segment_block_from(s, pos, why)) == BLOCK_FOUND) {
		for (uint32_t i = 0; i < s->block.n; i++)
			facts_add(&s->facts, &s->block.keys[i]);
		pos = s->block.first + s->block.n;
		s->facts.last = pos - 1;
	}
	return found == BLOCK_NONE;
}
