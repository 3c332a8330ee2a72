/* state_schema - SQLite's tables of the state database, and the settings of a connection to it. Only
 * state_sqlite.c includes this. */
#ifndef TROTLINE_STORE_STATE_SCHEMA_H
#define TROTLINE_STORE_STATE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "lib/base/error.h"

/* Sets up a fresh connection: a log before the file (WAL) that is flushed at each commit, and all
 * tables, made or upgraded in one transaction. No other process may do the same meanwhile. False
 * with the cause; a database of a newer version is left alone. */
bool schema_prepare(sqlite3 *db, struct error *why);

/* Its maker is not done with it, so there are no tables. */
bool schema_is_unmade(sqlite3 *db);

#endif
