/* sql - see sql.h. */
#include "sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/file.h"

enum { BUSY_MS = 5000, URI_ROOM = PATH_ROOM * 3 + 64 };

/* One of the history's many files, or forward.db. */
static const char *
store_of(sqlite3 *db)
{
	const char *path = db ? sqlite3_db_filename(db, "main") : NULL, *name;

	name = path ? strrchr(path, '/') : NULL;
	return name && strcmp(name + 1, "forward.db") == 0 ? name + 1 : "history";
}

bool
sql_fail(sqlite3 *db, const char *what, struct error *why)
{
	return error_set(
		why, "%s: %s: %s", store_of(db), what, db ? sqlite3_errmsg(db) : "out of memory");
}

enum store_rc
sql_result(sqlite3 *db)
{
	const int error = sqlite3_system_errno(db);

	switch (sqlite3_errcode(db)) {
	case SQLITE_FULL:
		return STORE_FULL;
	case SQLITE_IOERR:
		return error == ENOSPC || error == EDQUOT ? STORE_FULL : STORE_FAILED;
	default:
		return STORE_FAILED;
	}
}

int
sql_errno(sqlite3 *db)
{
	switch (sqlite3_errcode(db)) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* tables of ours are not in it */
		return EBADMSG;
	default:
		if (sqlite3_extended_errcode(db) == SQLITE_IOERR_SHORT_READ)
			return EBADMSG;
		return sql_result(db) == STORE_FULL ? ENOSPC : EIO;
	}
}

bool
sql_exec(sqlite3 *db, const char *sql, struct error *why)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || sql_fail(db, sql, why);
}

sqlite3_stmt *
sql_prepare(sqlite3 *db, const char *sql, struct error *why)
{
	sqlite3_stmt *stmt = NULL;

	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
		sql_fail(db, sql, why);
	return stmt;
}

bool
sql_run(sqlite3_stmt *stmt, struct error *why)
{
	const int rc = sqlite3_step(stmt);
	const bool good = rc == SQLITE_DONE || rc == SQLITE_ROW;

	if (!good)
		sql_fail(sqlite3_db_handle(stmt), "writing", why);
	sqlite3_reset(stmt);
	return good;
}

int64_t
sql_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = sql_prepare(db, sql, NULL);
	int64_t number = -1;

	if (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

/* A path as a URI: what means something there is written as hex. */
static void
uri_of(const char *path, const char *query, char *out)
{
	char *at = out + sprintf(out, "file:");

	for (; *path; path++)
		if (strchr("?#%", *path))
			at += sprintf(at, "%%%02x", (unsigned char)*path);
		else
			*at++ = *path;
	strcpy(at, query);
}

static sqlite3 *
open_uri(const char *path, const char *query, int flags, struct error *why)
{
	char uri[URI_ROOM];
	sqlite3 *db = NULL;

	uri_of(path, query, uri);
	if (sqlite3_open_v2(uri, &db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) ==
		SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		return db;
	}
	error_set(why, "cannot open %s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_close(db);
	return NULL;
}

static sqlite3 *
prepared(sqlite3 *db, const char *sql, struct error *why)
{
	int cause;

	if (!db || sql_exec(db, sql, why))
		return db;
	cause = sql_errno(db);
	sqlite3_close(db);
	errno = cause;
	return NULL;
}

/* Made with its mode before SQLite would make it with another; -wal and -shm follow it. */
static bool
make(const char *path, struct error *why)
{
	const int fd = file_make(path, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == EEXIST ||
	       error_set(why, "cannot make %s: %s", path, strerror(errno));
}

static sqlite3 *
open_to_write(const char *path, struct error *why)
{
	if (!make(path, why))
		return NULL;
	return prepared(open_uri(path, "", SQLITE_OPEN_READWRITE, why),
		"PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;"
		"PRAGMA cache_size = -2048; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"
		"PRAGMA trusted_schema = OFF",
		why);
}

/* So small a log that a start after a kill is quick, and that it takes little of a disk that fills. */
static sqlite3 *
open_to_share(const char *path, struct error *why)
{
	if (!make(path, why))
		return NULL;
	return prepared(open_uri(path, "", SQLITE_OPEN_READWRITE, why),
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		"PRAGMA wal_autocheckpoint = 500; PRAGMA journal_size_limit = 4194304;"
		"PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF",
		why);
}

/* Nobody reads it and a kill costs it whole: it is flushed at its end. */
static sqlite3 *
open_to_build(const char *path, struct error *why)
{
	if (!make(path, why))
		return NULL;
	return prepared(open_uri(path, "", SQLITE_OPEN_READWRITE, why),
		"PRAGMA auto_vacuum = NONE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
		"PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -1024;"
		"PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF",
		why);
}

static bool
reads(sqlite3 *db, struct error *why)
{
	return db && sql_exec(db, "PRAGMA query_only = 1; SELECT count(*) FROM sqlite_schema", why);
}

static bool
is_read_only(const char *path)
{
	struct statvfs fs;

	return statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY);
}

static bool
has_log(const char *path)
{
	char log[PATH_ROOM + 8];
	struct stat st;

	snprintf(log, sizeof log, "%s-wal", path);
	return stat(log, &st) == 0 && st.st_size > 0;
}

/* Where nothing can be written nobody writes: so the log that a kill has left is read without locks
 * and without the file that processes share; and where there is none, the file is all. */
static sqlite3 *
open_read_only(const char *path, struct error *why)
{
	const bool log = has_log(path);
	sqlite3 *db = open_uri(path, log ? "?mode=ro&vfs=unix-none" : "?mode=ro&immutable=1",
		SQLITE_OPEN_READONLY, why);

	db = prepared(db, "PRAGMA locking_mode = EXCLUSIVE", why);
	if (reads(db, why))
		return db;
	sqlite3_close(db);
	return NULL;
}

static sqlite3 *
open_to_watch(const char *path, struct error *why)
{
	sqlite3 *db = open_uri(path, "?mode=ro", SQLITE_OPEN_READONLY, why);

	if (reads(db, why))
		return db;
	sqlite3_close(db);
	return is_read_only(path) ? open_read_only(path, why) : NULL;
}

sqlite3 *
sql_open(const char *path, enum sql_use use, struct error *why)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* count no bytes: a lock each malloc */
	switch (use) {
	case SQL_WRITE:
		return open_to_write(path, why);
	case SQL_SHARE:
		return open_to_share(path, why);
	case SQL_BUILD:
		return open_to_build(path, why);
	case SQL_WATCH:
		return open_to_watch(path, why);
	case SQL_SEALED:
		break;
	}
	return prepared(open_uri(path, "?mode=ro&immutable=1", SQLITE_OPEN_READONLY, why),
		"PRAGMA cache_size = -256", why);
}
