/* sql - how the files of the history, and forward.db, are opened as SQLite databases, and how they fail. Of
 * lib/store alone. */
#ifndef TROTLINE_STORE_SQL_H
#define TROTLINE_STORE_SQL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "store.h"

enum { PATH_ROOM = 4096 };

/* NULL with the cause, and errno as sql_errno has it. SQL_WRITE makes the file where there is none, in
 * WAL mode, every commit flushed, and leaves its log to the caller; SQL_SHARE is the same for a file that
 * several processes write. Otherwise a sealed file is read as it lies, an open one with its WAL, also
 * where nothing can be written. */
enum sql_use { SQL_WRITE, SQL_SHARE, SQL_WATCH, SQL_SEALED, SQL_BUILD };
sqlite3 *sql_open(const char *path, enum sql_use use, struct error *why);
bool sql_exec(sqlite3 *db, const char *sql, struct error *why);
sqlite3_stmt *sql_prepare(sqlite3 *db, const char *sql, struct error *why);
/* The cause of a false; and what it means for who wrote. */
bool sql_fail(sqlite3 *db, const char *what, struct error *why);
enum store_rc sql_result(sqlite3 *db);
/* Of the last failure: EBADMSG where the file is no database, or not one of ours, or damaged; ENOSPC
 * where there is no room; else EIO, and the file may be as good as ever. */
int sql_errno(sqlite3 *db);
/* Runs a statement that has its values and gives no rows. */
bool sql_run(sqlite3_stmt *stmt, struct error *why);
/* The first number of the first row; -1: there is none. */
int64_t sql_number(sqlite3 *db, const char *sql);

#endif
