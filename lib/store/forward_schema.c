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

#define N(name) name " INTEGER NOT NULL DEFAULT 0"

static const char *const steps[] = {
	"CREATE TABLE destination(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" cause TEXT NOT NULL," N("next") "," N("since_ms") "," N("state") "," N("state_ms") "," N("status") "," N(
		"tried_ms") "," N("done_ms") "," N("delivered") "," N("died") "," N("missed") "," N("skipped") "," N("paused") "," N("enable") "," N("skip_to") "," N("owed") "," N("letters") "," N("attempts") ") STRICT;"

																										 "CREATE TABLE owed(dest INTEGER NOT NULL, job INTEGER NOT NULL, first INTEGER NOT NULL,"
																										 " last INTEGER NOT NULL," N(
																											 "attempts") "," N("tries") "," N("due_ms") "," N("lane") "," N("began_ms") "," N("status") "," N("behind") ", id TEXT, type TEXT, email TEXT, body TEXT,"
																																								    " PRIMARY KEY(dest, job, first, last)) STRICT, WITHOUT ROWID;"
																																								    "CREATE INDEX owed_due ON owed(dest, behind, due_ms, first);"
																																								    "CREATE INDEX owed_first ON owed(dest, behind, first, due_ms);"
																																								    "CREATE INDEX owed_least ON owed(dest, first) WHERE body IS NULL;" COUNTED(
																																									    "owed",
																																									    "owed")

																																									    "CREATE TABLE letter(number INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL," N("job") "," N("pos") "," N(
																																										    "attempts") "," N("began_ms") "," N("failed_ms") "," N("status") ", id TEXT, type TEXT, email TEXT, reason TEXT, answer TEXT, body TEXT) STRICT;"
																																																		     "CREATE INDEX letter_of ON letter(dest);"
																																																		     "CREATE INDEX letter_id ON letter(dest, id);" COUNTED(
																																																			     "letter",
																																																			     "letters")

																																																			     "CREATE TABLE attempt(number INTEGER PRIMARY KEY, dest INTEGER NOT NULL," N("ask") "," N(
																																																				     "at_ms") "," N("took_us") "," N("try") "," N("status") ","
																																																											    " id TEXT, type TEXT, reason TEXT, cause TEXT, answer TEXT) STRICT;"
																																																											    "CREATE INDEX attempt_of ON attempt(dest);"
																																																											    "CREATE INDEX attempt_id ON attempt(dest, id);" COUNTED(
																																																												    "attempt",
																																																												    "attempts")

																																																												    "CREATE TABLE ask(ask INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL,"
																																																												    " pos INTEGER NOT NULL) STRICT;"

																																																												    "CREATE TABLE job(id INTEGER PRIMARY KEY AUTOINCREMENT, dest INTEGER NOT NULL," N("state") "," N(
																																																													    "since_ms") "," N("until_ms") "," N("next") "," N("\"end\"") "," N("\"begin\"") "," N("rate") "," N("new_ids") "," N("meant") "," N("sent") "," N("died") "," N("missed") "," N("made_ms") "," N("ended_ms") ","
																																																																																							 " email TEXT, type TEXT, source TEXT) STRICT;"
																																																																																							 "CREATE INDEX job_of ON job(dest);",
};
enum { VERSION = sizeof steps / sizeof *steps };

/* By then another process may have done it. */
static bool
upgrade(sqlite3 *db, struct error *why)
{
	char set[40];

	snprintf(set, sizeof set, "PRAGMA user_version = %d", VERSION);
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
