/* lmdb_env - how LMDB is opened, measured and fails, once for journal, letters and quarantine. Only
 * files of lib/store include it. Functions that return int give LMDB's status, an errno among them.
 */
#ifndef TROTLINE_STORE_LMDB_ENV_H
#define TROTLINE_STORE_LMDB_ENV_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard.h"
#include "lib/base/error.h"
#include "store.h"

/* Beside LMDB's statuses and errnos: what the guard has found. */
enum { LMDB_REMOVED = -20001, LMDB_REPLACED = -20002, LMDB_CUT = -20003 };

/* Among a table's flags: stores of an earlier version lack it. Who only watches finds it empty then. */
enum { LMDB_LATER = 1 << 30 };

struct lmdb_table {
	const char *name;
	unsigned flags; /* MDB_INTEGERKEY, LMDB_LATER or 0 */
	MDB_dbi *handle;
	MDB_cmp_func *compare; /* or NULL */
};

struct lmdb_plan {
	const char *dir;
	uint64_t map_bytes; /* the file's limit; rounded down to 64 KiB */
	unsigned readers;   /* snapshots at a time, of all processes */
	bool watch;         /* read only: makes nothing */
	const struct lmdb_table *tables;
	size_t count;
};

/* Opens the store and its tables, makes what is missing, and gives up the places of readers that
 * were killed. On failure *env is NULL. */
int lmdb_open(const struct lmdb_plan *plan, MDB_env **env);

/* Closes it; NULL is closed already. */
void lmdb_close(MDB_env **env);

/* Are the files that are open those that stand in the store's folder, as long as what is in them, and not
 * older than what was last seen in them? 0, or one of the statuses above: then only opening anew helps. */
int lmdb_look(MDB_env *env);

/* Begin and commit, with that look before the first and behind the second: what was committed to a file
 * that is not where a restart finds it counts as not committed. */
int lmdb_begin(MDB_env *env, unsigned flags, MDB_txn **txn);
int lmdb_commit(MDB_txn *txn);

/* The word of a status, and the cause that it stands for. */
const char *lmdb_words(int rc);
enum store_cause lmdb_cause(int rc);

/* Lets go of the pages that a walk through a whole table has mapped: they count as this process's
 * memory though it will not need them again. A million rows of the seen log are 64 MB that an idle
 * validator would hold beside the 16 MB of its index. The mapping is shared and read-only, so the
 * pages stay as they are, and come back when they are touched. */
void lmdb_let_go(MDB_env *env);

/* What of a file's bytes may be filled: the rest is for whoever empties it. */
uint64_t lmdb_limit(uint64_t map_bytes);

/* Bytes in the pages of a table, and its rows; 0 when it cannot be told. */
uint64_t lmdb_used(MDB_txn *txn, MDB_dbi table);
uint64_t lmdb_rows(MDB_txn *txn, MDB_dbi table);

/* The least and the greatest key of an integer-keyed table, or 0. */
uint64_t lmdb_first(MDB_txn *txn, MDB_dbi table);
uint64_t lmdb_last(MDB_txn *txn, MDB_dbi table);

/* What a status comes to. MDB_NOTFOUND is trouble: see lmdb_unless_missing. */
enum store_rc lmdb_result(int rc);

/* The same, and names the cause: "what: why". full: what to say when the store's limit is reached.
 */
enum store_rc lmdb_trouble(int rc, const char *what, const char *full, struct error *why);

static inline int
lmdb_unless_missing(int rc)
{
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static inline MDB_val
lmdb_val(const void *p, size_t n)
{
	return (MDB_val){n, (void *)(uintptr_t)p};
}

#endif
