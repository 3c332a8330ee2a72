/* forward_schema - the tables of forward.db, their steps and their counts.
 *
 * steps[n] takes it from version n (PRAGMA user_version) to n + 1. One that was released is never changed. */
#include <stdio.h>

#include "forward_private.h"

/* How many rows of a destination a table has stands in a column of its row. */
#define COUNTED(table, column)                                                                     \
	"CREATE TRIGGER " table "_in AFTER INSERT ON " table                                       \
	" BEGIN UPDATE destination SET " column " = " column " + 1 WHERE id = NEW.dest; END;"      \
	"CREATE TRIGGER " table "_out AFTER DELETE ON " table                                      \
	" BEGIN UPDATE destination SET " column " = " column " - 1 WHERE id = OLD.dest; END;"

#define NUMBER " INTEGER NOT NULL DEFAULT 0"

/* clang-format off */
static const char *const steps[] = {
	"CREATE TABLE destination(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, cause TEXT NOT NULL,"
	" next" NUMBER ", since_ms" NUMBER ", state" NUMBER ", state_ms" NUMBER ", status" NUMBER ","
	" tried_ms" NUMBER ", done_ms" NUMBER ", delivered" NUMBER ", died" NUMBER ", missed" NUMBER ","
	" skipped" NUMBER ", paused" NUMBER ", enable" NUMBER ", skip_to" NUMBER ","
	" owed" NUMBER ", letters" NUMBER ", attempts" NUMBER ") STRICT;"

	"CREATE TABLE owed(dest INTEGER NOT NULL, job INTEGER NOT NULL, first INTEGER NOT NULL,"
	" last INTEGER NOT NULL, attempts" NUMBER ", tries" NUMBER ", due_ms" NUMBER ", lane" NUMBER ","
	" began_ms" NUMBER ", status" NUMBER ", behind" NUMBER ", id TEXT, type TEXT, email TEXT, body TEXT,"
	" PRIMARY KEY(dest, job, first, last)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX owed_due ON owed(dest, due_ms, first);"
	"CREATE INDEX owed_first ON owed(dest, first, due_ms);"
	"CREATE INDEX owed_least ON owed(dest, first) WHERE body IS NULL;"
	"CREATE INDEX owed_lane ON owed(dest, lane, first) WHERE lane != 0;"
	COUNTED("owed", "owed")

	"CREATE TABLE letter(number INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL, job" NUMBER ","
	" pos" NUMBER ", attempts" NUMBER ", began_ms" NUMBER ", failed_ms" NUMBER ", status" NUMBER ","
	" id TEXT, type TEXT, email TEXT, reason TEXT, answer TEXT, body TEXT) STRICT;"
	"CREATE INDEX letter_of ON letter(dest);"
	"CREATE INDEX letter_id ON letter(dest, id);"
	COUNTED("letter", "letters")

	"CREATE TABLE attempt(number INTEGER PRIMARY KEY, dest INTEGER NOT NULL, ask" NUMBER ", at_ms" NUMBER ","
	" took_us" NUMBER ", try" NUMBER ", status" NUMBER ","
	" id TEXT, type TEXT, reason TEXT, cause TEXT, answer TEXT) STRICT;"
	"CREATE INDEX attempt_of ON attempt(dest);"
	"CREATE INDEX attempt_id ON attempt(dest, id);"
	COUNTED("attempt", "attempts")

	"CREATE TABLE ask(ask INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL, pos INTEGER NOT NULL)"
	" STRICT;"

	"CREATE TABLE job(id INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL, state" NUMBER ","
	" since_ms" NUMBER ", until_ms" NUMBER ", next" NUMBER ", \"end\"" NUMBER ", \"begin\"" NUMBER ","
	" rate" NUMBER ", new_ids" NUMBER ", meant" NUMBER ", sent" NUMBER ", died" NUMBER ", missed" NUMBER ","
	" made_ms" NUMBER ", ended_ms" NUMBER ", email TEXT, type TEXT, source TEXT) STRICT;"
	"CREATE INDEX job_of ON job(dest);",
};
/* clang-format on */
enum { VERSION = sizeof steps / sizeof *steps };

/* By then another process may have done it. */
static bool
upgrade(sqlite3 *db, struct error *why)
{
	char set[40];

	snprintf(set, sizeof set, "PRAGMA user_version = %d", VERSION);
	if (sql_number(db, "PRAGMA user_version") == 0 &&
		!sql_exec(db, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", why))
		return false;
	if (!sql_exec(db, "BEGIN IMMEDIATE", why))
		return false;
	for (int64_t v = sql_number(db, "PRAGMA user_version"); v < VERSION; v++)
		if (v < 0 || sqlite3_exec(db, steps[v], NULL, NULL, NULL) != SQLITE_OK)
			return sql_fail(db, "making its tables", why);
	return sql_exec(db, set, why) && sql_exec(db, "COMMIT", why);
}

bool
forward_schema(sqlite3 *db, bool make, bool *exists, struct error *why)
{
	const int64_t version = sql_number(db, "PRAGMA user_version");

	if (version < 0)
		return sql_fail(db, "reading its version", why);
	*exists = make || version > 0;
	if (version > VERSION)
		return error_set(why,
			"forward.db: has version %lld; this program knows %d: it is of a newer one",
			(long long)version, VERSION);
	return !make || version == VERSION || upgrade(db, why);
}
