/* state_postgres_copy - see state_copy.h.
 *
 * In: the tables of state.db, whichever there are, row by row. Out: COPY into the tables of the same names and
 * columns. What PostgreSQL cannot hold in a text (NUL, what is no UTF-8) becomes U+FFFD, as handlers have it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sql.h"
#include "state_copy.h"
#include "state_postgres_dial.h"

enum { TABLES_MAX = 32, NAME_ROOM = 64, COLUMNS_ROOM = 1024, BUFFER = 1 << 18, STEP = 4096 };

struct copy {
	const struct state_copy_calls *calls;
	sqlite3 *from;
	PGconn *to;
	char tables[TABLES_MAX][NAME_ROOM];
	uint64_t rows[TABLES_MAX];
	size_t n;
	msgpack_sbuffer out;
	msgpack_zone zone;
};

/* ---- which ---- */

static bool
list_tables(struct copy *c, struct error *why)
{
	sqlite3_stmt *stmt = sql_prepare(c->from,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
		" ORDER BY name",
		why);
	int rc = SQLITE_DONE;

	if (!stmt)
		return false;
	while (c->n < TABLES_MAX && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		snprintf(c->tables[c->n++], NAME_ROOM, "%s", sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE || sql_fail(c->from, "cannot list its tables", why);
}

static void
add_name(char *out, size_t room, const char *name)
{
	const size_t n = strlen(out);

	snprintf(out + n, room - n, "%s\"%s\"", n ? ", " : "", name);
}

/* As SQLite has them, for both sides. */
static bool
columns_of(struct copy *c, const char *table, char out[COLUMNS_ROOM], struct error *why)
{
	char sql[NAME_ROOM + 80];
	sqlite3_stmt *stmt;

	snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", table);
	stmt = sql_prepare(c->from, sql, why);
	out[0] = 0;
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		add_name(out, COLUMNS_ROOM, (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	return stmt != NULL;
}

/* ---- what stands there ---- */

__attribute__((format(printf, 4, 5))) static bool
ask_number(struct copy *c, uint64_t *number, struct error *why, const char *fmt, ...)
{
	char text[NAME_ROOM + 256];
	va_list args;
	PGresult *res;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	res = pg_ask(c->to, text, why);
	if (!res)
		return false;
	*number = (uint64_t)pg_number(res, 0, 0);
	PQclear(res);
	return true;
}

/* Nobody writes until the end. */
static bool
lock_empty(struct copy *c, const char *table, struct error *why)
{
	char text[NAME_ROOM + 64];
	uint64_t any;

	snprintf(text, sizeof text, "LOCK TABLE \"%s\" IN EXCLUSIVE MODE", table);
	if (!pg_do(c->to, text, why) ||
		!ask_number(c, &any, why, "SELECT EXISTS (SELECT 1 FROM \"%s\")::int", table))
		return false;
	return any == 0 ||
	       error_set(why,
		       "the database has rows already (in %s): a state.db is copied into an empty one only",
		       table);
}

/* Whatever the server and the role have set: on disk at the end, and given the time that it takes. */
static bool
begin(struct copy *c, struct error *why)
{
	if (!pg_do(c->to,
		    "BEGIN; SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = 0;"
		    " SET LOCAL idle_in_transaction_session_timeout = 0",
		    why))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (!lock_empty(c, c->tables[i], why))
			return false;
	return true;
}

/* ---- rows ---- */

static bool
write_text(struct copy *c, struct slice text)
{
	static const char special[] = "\\\n\r\t", words[] = "\\nrt";
	size_t from = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *at = memchr(special, text.p[i], sizeof special - 1);
		const char escaped[2] = {'\\', at ? words[at - special] : 0};

		if (!at)
			continue;
		if (msgpack_sbuffer_write(&c->out, text.p + from, i - from) != 0 ||
			msgpack_sbuffer_write(&c->out, escaped, 2) != 0)
			return false;
		from = i + 1;
	}
	return msgpack_sbuffer_write(&c->out, text.p + from, text.n - from) == 0;
}

static bool
write_value(struct copy *c, sqlite3_stmt *row, int i)
{
	struct slice text;

	if (sqlite3_column_type(row, i) == SQLITE_NULL)
		return msgpack_sbuffer_write(&c->out, "\\N", 2) == 0;
	text.p = (const char *)sqlite3_column_text(row, i);
	text.n = (size_t)sqlite3_column_bytes(row, i);
	return text.p && write_text(c, pg_text(text, &c->zone));
}

static bool
write_row(struct copy *c, sqlite3_stmt *row)
{
	bool good = true;

	for (int i = 0; good && i < sqlite3_column_count(row); i++)
		good = (i == 0 || msgpack_sbuffer_write(&c->out, "\t", 1) == 0) &&
		       write_value(c, row, i);
	msgpack_zone_clear(&c->zone);
	return good && msgpack_sbuffer_write(&c->out, "\n", 1) == 0;
}

static bool
send_buffer(struct copy *c, size_t least, struct error *why)
{
	bool good = true;

	if (c->out.size > 0 && c->out.size >= least) {
		good = PQputCopyData(c->to, c->out.data, (int)c->out.size) == 1;
		msgpack_sbuffer_clear(&c->out);
	}
	return good || pg_blame(c->to, "the database", why);
}

static bool
send_rows(struct copy *c, size_t table, sqlite3_stmt *row, uint64_t total, struct error *why)
{
	uint64_t *n = &c->rows[table];
	int rc;

	while ((rc = sqlite3_step(row)) == SQLITE_ROW) {
		if (!write_row(c, row))
			return error_set(why, "out of memory");
		if (!send_buffer(c, BUFFER, why))
			return false;
		if (++*n % STEP == 0)
			c->calls->progress(c->calls->arg, c->tables[table], *n, total);
	}
	return rc == SQLITE_DONE ? send_buffer(c, 0, why)
				 : sql_fail(c->from, "cannot read a row", why);
}

/* *good: all rows have been sent; else the server is told to forget them. */
static bool
end_copy(struct copy *c, bool good, struct error *why)
{
	const bool ended = PQputCopyEnd(c->to, good ? NULL : "given up") == 1;
	PGresult *res = PQgetResult(c->to);
	const bool taken = PQresultStatus(res) == PGRES_COMMAND_OK;

	PQclear(res);
	while ((res = PQgetResult(c->to)))
		PQclear(res);
	if (!good)
		return false;
	return (ended && taken) || pg_blame(c->to, "the database", why);
}

static bool
begin_copy(struct copy *c, const char *sql, struct error *why)
{
	PGresult *res = PQexec(c->to, sql);
	const bool good = PQresultStatus(res) == PGRES_COPY_IN;

	PQclear(res);
	return good || pg_blame(c->to, "the database", why);
}

static bool
copy_table(struct copy *c, size_t i, struct error *why)
{
	char columns[COLUMNS_ROOM], sql[COLUMNS_ROOM + NAME_ROOM + 64];
	sqlite3_stmt *row;
	uint64_t total;

	if (!columns_of(c, c->tables[i], columns, why))
		return false;
	snprintf(sql, sizeof sql, "SELECT count(*) FROM \"%s\"", c->tables[i]);
	total = (uint64_t)sql_number(c->from, sql);
	snprintf(sql, sizeof sql, "SELECT %s FROM \"%s\"", columns, c->tables[i]);
	row = sql_prepare(c->from, sql, why);
	snprintf(sql, sizeof sql, "COPY \"%s\"(%s) FROM STDIN", c->tables[i], columns);
	if (!row || !begin_copy(c, sql, why)) {
		sqlite3_finalize(row);
		return false;
	}
	total = end_copy(c, send_rows(c, i, row, total, why), why);
	sqlite3_finalize(row);
	return total;
}

/* ---- afterwards ---- */

/* Numbers go on behind the ones that are there. */
static bool
set_numbers(struct copy *c, const char *table, struct error *why)
{
	char sql[4 * NAME_ROOM + 256];

	snprintf(sql, sizeof sql,
		"SELECT setval(s, (SELECT coalesce(max(id), 0) + 1 FROM \"%s\"), false)"
		" FROM pg_get_serial_sequence('\"%s\"', 'id') AS s WHERE s IS NOT NULL",
		table, table);
	return pg_do(c->to, sql, why);
}

static bool
has_number(struct copy *c, const char *table, bool *has, struct error *why)
{
	uint64_t n = 0;
	const bool good = ask_number(c, &n, why,
		"SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema()"
		" AND table_name = '%s' AND column_name = 'id' AND is_identity = 'YES'",
		table);

	*has = n > 0;
	return good;
}

static bool
finish_table(struct copy *c, size_t i, struct error *why)
{
	const char *table = c->tables[i];
	uint64_t there;
	bool numbered;

	if (!has_number(c, table, &numbered, why) || (numbered && !set_numbers(c, table, why)) ||
		!ask_number(c, &there, why, "SELECT count(*) FROM \"%s\"", table))
		return false;
	if (there != c->rows[i])
		return error_set(why,
			"%s: %llu rows were read, and %llu are there: nothing was kept", table,
			(unsigned long long)c->rows[i], (unsigned long long)there);
	c->calls->table(c->calls->arg, table, there);
	return true;
}

static bool
commit(struct copy *c, struct error *why)
{
	if (pg_do(c->to, "COMMIT", why))
		return true;
	return error_wrap(why, "whether it is in is not known (run it again: it is refused if so)");
}

static bool
copy_all(struct copy *c, struct error *why)
{
	if (!list_tables(c, why) || !begin(c, why))
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (!copy_table(c, i, why) || !finish_table(c, i, why))
			return false;
	return commit(c, why);
}

static bool
open_once(const struct config *cfg, struct error *why)
{
	struct state *db = state_open(cfg, why);
	const bool good = db != NULL;

	state_close(&db);
	return good;
}

/* Tables of this version, on both sides; a state.db that is not there is not made. */
static bool
prepare(const struct config *cfg, const char *from, struct error *why)
{
	struct config old = *cfg;
	struct state *db;
	bool exists;

	old.database.kind = DATABASE_SQLITE;
	old.data_dir = (char *)(uintptr_t)from;
	db = state_watch(&old, &exists, why);
	state_close(&db);
	if (!exists)
		return error_set(why, "there is no state.db in %s", from);
	return open_once(&old, why) && open_once(cfg, why);
}

bool
state_copy(const struct config *cfg, const char *from, const struct state_copy_calls *calls,
	struct error *why)
{
	struct copy *c = calloc(1, sizeof *c);
	char path[PATH_ROOM];
	bool good;

	if (!c)
		return error_set(why, "out of memory");
	c->calls = calls;
	msgpack_sbuffer_init(&c->out);
	msgpack_zone_init(&c->zone, 8192);
	snprintf(path, sizeof path, "%s/state.db", from);
	good = prepare(cfg, from, why) && (c->from = sql_open(path, SQL_WATCH, why)) &&
	       (c->to = pg_dial(cfg, why)) && copy_all(c, why);
	PQfinish(c->to);
	sqlite3_close(c->from);
	msgpack_sbuffer_destroy(&c->out);
	msgpack_zone_destroy(&c->zone);
	free(c);
	return good;
}
