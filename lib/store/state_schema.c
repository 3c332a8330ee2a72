/* state_schema - see state_schema.h.
 *
 * schema_steps[n] takes a database from version n (PRAGMA user_version) to n + 1. A step that was
 * released is never changed; a new need is a new step. Times are ms since 1970, e-mail addresses
 * lower case, `event_id` the sender's id of the event that the row comes from. */
#include "state_schema.h"

#include <stdio.h>

#include "state_statements.h"

#define SCHEMA_COUNTER(statement, column)                                                          \
	", " column " INTEGER NOT NULL DEFAULT 0, last_" column "_at INTEGER"
#define SCHEMA_COUNTERS RECIPIENT_COUNTERS(SCHEMA_COUNTER)

static const char *const schema_steps[] = {
	/* Which events are in, so that each applies once. */
	"CREATE TABLE IF NOT EXISTS journals("
	" id INTEGER PRIMARY KEY, journal TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE IF NOT EXISTS applied("
	" journal INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, mark INTEGER NOT NULL,"
	" PRIMARY KEY(journal, seq)) STRICT, WITHOUT ROWID;"

	/* A message may have several recipients, each with a fate of its own. */
	"CREATE TABLE IF NOT EXISTS messages("
	" message_id TEXT NOT NULL, email TEXT NOT NULL, campaign_id TEXT, user_id TEXT,"
	" status TEXT NOT NULL, status_at INTEGER NOT NULL,"
	" detail TEXT, smtp_code INTEGER, bounce_type TEXT, event_id TEXT NOT NULL,"
	" PRIMARY KEY(message_id, email)) STRICT;"

	"CREATE TABLE IF NOT EXISTS recipients("
	" email TEXT PRIMARY KEY NOT NULL, address TEXT NOT NULL,"
	" score INTEGER NOT NULL DEFAULT 0" SCHEMA_COUNTERS ") STRICT, WITHOUT ROWID;"

	"CREATE TABLE IF NOT EXISTS engagements("
	" id INTEGER PRIMARY KEY, kind TEXT NOT NULL, email TEXT NOT NULL,"
	" message_id TEXT, campaign_id TEXT, user_id TEXT, url TEXT, user_agent TEXT, ip TEXT,"
	" at INTEGER NOT NULL, source TEXT NOT NULL, event_id TEXT NOT NULL) STRICT;"

	/* user: user_id, else the address. kind: campaign or content. */
	"CREATE TABLE IF NOT EXISTS interests("
	" user TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,"
	" weight INTEGER NOT NULL, last_at INTEGER NOT NULL,"
	" PRIMARY KEY(user, kind, key)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE IF NOT EXISTS conversions("
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL,"
	" message_id TEXT, campaign_id TEXT, user_id TEXT, url TEXT NOT NULL,"
	" at INTEGER NOT NULL, source TEXT NOT NULL, event_id TEXT NOT NULL) STRICT;"

	/* until NULL: for good. */
	"CREATE TABLE IF NOT EXISTS suppressions("
	" email TEXT PRIMARY KEY NOT NULL, reason TEXT NOT NULL,"
	" since INTEGER NOT NULL, until INTEGER, event_id TEXT NOT NULL) STRICT, WITHOUT ROWID;"

	/* The soft bounces that still count: none older than the period, or than a delivery. */
	"CREATE TABLE IF NOT EXISTS soft_bounces("
	" email TEXT NOT NULL, at INTEGER NOT NULL, event_id TEXT NOT NULL,"
	" PRIMARY KEY(email, at, event_id)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE IF NOT EXISTS compliance_log("
	" id INTEGER PRIMARY KEY, email TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL,"
	" source TEXT NOT NULL, event_id TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"

	"CREATE TABLE IF NOT EXISTS verifications("
	" id INTEGER PRIMARY KEY, type TEXT NOT NULL, email TEXT, result TEXT,"
	" at INTEGER NOT NULL, source TEXT NOT NULL, event_id TEXT NOT NULL, data TEXT NOT NULL) STRICT;"

	"CREATE TABLE IF NOT EXISTS system_events("
	" id INTEGER PRIMARY KEY, type TEXT NOT NULL, at INTEGER NOT NULL,"
	" source TEXT NOT NULL, event_id TEXT NOT NULL, data TEXT NOT NULL) STRICT;"

	"CREATE TABLE IF NOT EXISTS received_events("
	" id INTEGER PRIMARY KEY, type TEXT NOT NULL, at INTEGER NOT NULL,"
	" source TEXT NOT NULL, event_id TEXT NOT NULL, data TEXT NOT NULL) STRICT;"

	"CREATE TABLE IF NOT EXISTS unknown_events("
	" id INTEGER PRIMARY KEY, type TEXT NOT NULL, at INTEGER NOT NULL,"
	" source TEXT NOT NULL, event_id TEXT NOT NULL, data TEXT NOT NULL) STRICT;",

	/* A person's last word about a list, or, where list is '', about all mail: wanted 0 is an
	 * opt-out. at: of the latest word, event_id: of the first of the same. */
	"CREATE TABLE IF NOT EXISTS consents("
	" email TEXT NOT NULL, list TEXT NOT NULL, wanted INTEGER NOT NULL, at INTEGER NOT NULL,"
	" source TEXT NOT NULL, event_id TEXT NOT NULL, PRIMARY KEY(email, list))"
	" STRICT, WITHOUT ROWID;"
	"INSERT OR IGNORE INTO consents SELECT email, '', 0, since, '', event_id"
	" FROM suppressions WHERE reason = 'unsubscribe';"
	/* Of the few rows that are asked for: no other costs a place in it. */
	"CREATE INDEX IF NOT EXISTS liftings ON compliance_log(email)"
	" WHERE what IN ('lifted', 'operator_lifted');",
};

enum { SCHEMA_VERSION = sizeof schema_steps / sizeof *schema_steps };

static bool
fail(sqlite3 *db, const char *what, struct error *why)
{
	return error_set(why, "state database: %s: %s", what, sqlite3_errmsg(db));
}

static bool
execute(sqlite3 *db, const char *sql, struct error *why)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       fail(db, "preparing it", why);
}

static bool
read_version(sqlite3 *db, int *version, struct error *why)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK)
		return fail(db, "reading its version", why);
	*version = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
	return sqlite3_finalize(stmt) == SQLITE_OK || fail(db, "reading its version", why);
}

static bool
upgrade(sqlite3 *db, int version, struct error *why)
{
	char set_version[40];

	snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", SCHEMA_VERSION);
	if (!execute(db, "BEGIN IMMEDIATE", why))
		return false;
	for (; version < SCHEMA_VERSION; version++)
		if (!execute(db, schema_steps[version], why))
			return false;
	return execute(db, set_version, why) && execute(db, "COMMIT", why);
}

bool
schema_prepare(sqlite3 *db, struct error *why)
{
	int version = -1;

	if (!execute(db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
		    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;"
		    "PRAGMA journal_size_limit = 67108864;"
		    "PRAGMA trusted_schema = OFF",
		    why) ||
		!read_version(db, &version, why))
		return false;
	if (version < 0 || version > SCHEMA_VERSION)
		return error_set(why, "state database: has version %d; this program knows %d",
			version, SCHEMA_VERSION);
	return version == SCHEMA_VERSION || upgrade(db, version, why);
}

bool
schema_is_unmade(sqlite3 *db)
{
	int version = -1;

	return read_version(db, &version, NULL) && version == 0;
}
