/* lmdb_env - see lmdb_env.h. */
#include "lmdb_env.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/base/file.h"

enum { KEPT_FREE_PERCENT = 10 };

/* No table's handle: LMDB refuses it, so lmdb_used and lmdb_rows say 0. */
static const MDB_dbi NO_TABLE = (MDB_dbi)-1;

static int
open_table(const struct lmdb_table *t, unsigned make, MDB_txn *txn)
{
	const unsigned flags = t->flags & ~(unsigned)LMDB_LATER;
	int rc = mdb_dbi_open(txn, t->name, flags | make, t->handle);

	if (rc == MDB_NOTFOUND && (t->flags & LMDB_LATER)) {
		*t->handle = NO_TABLE;
		return 0;
	}
	return rc || !t->compare ? rc : mdb_set_compare(txn, *t->handle, t->compare);
}

static int
open_tables(const struct lmdb_plan *plan, MDB_txn *txn)
{
	const unsigned make = plan->watch ? 0 : MDB_CREATE;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->count; i++)
		rc = open_table(&plan->tables[i], make, txn);
	return rc;
}

static int
open_all(const struct lmdb_plan *plan, MDB_env *env)
{
	const unsigned watch = plan->watch ? MDB_RDONLY : 0;
	MDB_txn *txn;
	int rc = mdb_env_open(env, plan->dir, MDB_NOTLS | MDB_NORDAHEAD | watch, 0600);

	if (rc == 0)
		rc = mdb_reader_check(env, NULL);
	if (rc == 0)
		rc = mdb_txn_begin(env, NULL, watch, &txn);
	if (rc != 0)
		return rc;
	rc = open_tables(plan, txn);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

int
lmdb_open(const struct lmdb_plan *plan, MDB_env **env)
{
	int rc;

	*env = NULL;
	if (!plan->watch && !file_make_folder(plan->dir, NULL))
		return errno;
	rc = mdb_env_create(env);
	if (rc != 0)
		return rc;
	mdb_env_set_maxdbs(*env, (MDB_dbi)plan->count);
	mdb_env_set_maxreaders(*env, plan->readers);
	mdb_env_set_mapsize(*env, plan->map_bytes & ~(uint64_t)0xffff);
	rc = open_all(plan, *env);
	if (rc != 0)
		lmdb_close(env);
	return rc;
}

void
lmdb_close(MDB_env **env)
{
	if (*env)
		mdb_env_close(*env);
	*env = NULL;
}

/* Where the store's file is mapped, of which LMDB tells the size only. */
static bool
find_map(FILE *maps, ino_t file, uintptr_t *from, uintptr_t *to)
{
	char line[PATH_MAX + 128];
	unsigned long inode;

	while (fgets(line, sizeof line, maps))
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " r--s %*s %*s %lu", from, to, &inode) ==
				3 &&
			inode == file)
			return true;
	return false;
}

void
lmdb_let_go(MDB_env *env)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uintptr_t from, to;
	struct stat file;
	int fd;

	if (!maps)
		return;
	if (mdb_env_get_fd(env, &fd) == 0 && fstat(fd, &file) == 0 &&
		find_map(maps, file.st_ino, &from, &to))
		madvise((void *)from, to - from, MADV_DONTNEED);
	fclose(maps);
}

uint64_t
lmdb_limit(uint64_t map_bytes)
{
	return map_bytes / 100 * (100 - KEPT_FREE_PERCENT);
}

uint64_t
lmdb_used(MDB_txn *txn, MDB_dbi table)
{
	MDB_stat st;

	if (mdb_stat(txn, table, &st) != 0)
		return 0;
	return (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) *
	       (uint64_t)st.ms_psize;
}

uint64_t
lmdb_rows(MDB_txn *txn, MDB_dbi table)
{
	MDB_stat st;

	return mdb_stat(txn, table, &st) == 0 ? st.ms_entries : 0;
}

static uint64_t
key_at(MDB_txn *txn, MDB_dbi table, MDB_cursor_op end)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t number = 0;

	if (mdb_cursor_open(txn, table, &cursor) != 0)
		return 0;
	if (mdb_cursor_get(cursor, &key, &value, end) == 0 && key.mv_size == sizeof number)
		memcpy(&number, key.mv_data, sizeof number);
	mdb_cursor_close(cursor);
	return number;
}

uint64_t
lmdb_first(MDB_txn *txn, MDB_dbi table)
{
	return key_at(txn, table, MDB_FIRST);
}

uint64_t
lmdb_last(MDB_txn *txn, MDB_dbi table)
{
	return key_at(txn, table, MDB_LAST);
}

enum store_rc
lmdb_result(int rc)
{
	if (rc == 0)
		return STORE_OK;
	return rc == MDB_MAP_FULL || rc == ENOSPC || rc == EDQUOT ? STORE_FULL : STORE_FAILED;
}

enum store_rc
lmdb_trouble(int rc, const char *what, const char *full, struct error *why)
{
	error_set(why, "%s: %s", what, rc == MDB_MAP_FULL ? full : mdb_strerror(rc));
	return lmdb_result(rc);
}
