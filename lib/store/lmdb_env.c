/* lmdb_env - see lmdb_env.h. */
#include "lmdb_env.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/doing.h"
#include "lib/base/file.h"

enum { KEPT_FREE_PERCENT = 10, EXIT_TROUBLE = 111 };

/* Pages at the end of a file that LMDB has counted and given up before it wrote them. */
enum { UNWRITTEN_BYTES = 1 << 20 };

/* What is known of an open store, as its environment's own. */
struct known {
	struct guard lock;
	char dir[4000];
	uint64_t txn; /* the newest transaction that was seen */
};

/* No table's handle: LMDB refuses it, so lmdb_used and lmdb_rows say 0. */
static const MDB_dbi NO_TABLE = (MDB_dbi)-1;

static _Thread_local enum store_cause last_cause;

enum store_cause
store_last_cause(void)
{
	return last_cause;
}

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

static struct guard
file_in(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return guard_at(path, NULL);
}

static int
know(MDB_env *env, const char *dir)
{
	struct known *known = calloc(1, sizeof *known);

	if (!known)
		return ENOMEM;
	if ((size_t)snprintf(known->dir, sizeof known->dir, "%s", dir) >= sizeof known->dir) {
		free(known);
		return ENAMETOOLONG;
	}
	known->lock = file_in(dir, "lock.mdb");
	return mdb_env_set_userctx(env, known);
}

/* Of a file that ends before the pages that its newest transaction counts, most are not there to be
 * read: touching one would be a SIGBUS. */
static int
look_at_length(MDB_env *env, const struct stat *file)
{
	MDB_envinfo info;
	MDB_stat pages;

	if (file->st_size < 2 * sysconf(_SC_PAGESIZE))
		return LMDB_CUT;
	mdb_env_stat(env, &pages);
	mdb_env_info(env, &info);
	return (uint64_t)file->st_size + UNWRITTEN_BYTES <
			       ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize
		       ? LMDB_CUT
		       : 0;
}

/* A copy that was put in the place of the contents knows older transactions only. */
static int
look_at_age(MDB_env *env, struct known *known)
{
	MDB_envinfo info;

	mdb_env_info(env, &info);
	if (info.me_last_txnid < known->txn)
		return LMDB_REPLACED;
	known->txn = info.me_last_txnid;
	return 0;
}

static int
status_of(enum store_cause cause)
{
	if (cause == CAUSE_NONE)
		return 0;
	return cause == CAUSE_REMOVED ? LMDB_REMOVED : LMDB_REPLACED;
}

int
lmdb_look(MDB_env *env)
{
	struct known *known = mdb_env_get_userctx(env);
	struct stat file;
	int fd, rc;

	if (mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &file) != 0)
		return EIO;
	rc = status_of(guard_look(guard_of(&file), file_in(known->dir, "data.mdb")));
	if (rc == 0 && known->lock.inode)
		rc = status_of(guard_look(known->lock, file_in(known->dir, "lock.mdb")));
	if (rc == 0)
		rc = look_at_length(env, &file);
	return rc ? rc : look_at_age(env, known);
}

/* The write lock is held: what it follows is the transaction that all processes know as the newest. */
static int
follows_the_newest(MDB_env *env, MDB_txn *txn)
{
	MDB_envinfo info;

	mdb_env_info(env, &info);
	return info.me_last_txnid + 1 == mdb_txn_id(txn) ? 0 : LMDB_REPLACED;
}

/* Who holds it may be another process, which waits for the disk. */
static int
begin(MDB_env *env, unsigned flags, MDB_txn **txn)
{
	const enum doing before = doing(DOING_LOCK);
	const int rc = mdb_txn_begin(env, NULL, flags, txn);

	doing(before);
	return rc;
}

int
lmdb_begin(MDB_env *env, unsigned flags, MDB_txn **txn)
{
	int rc = lmdb_look(env);

	if (rc == 0)
		rc = begin(env, flags, txn);
	if (rc == 0 && !(flags & MDB_RDONLY)) {
		rc = follows_the_newest(env, *txn);
		if (rc != 0)
			mdb_txn_abort(*txn);
	}
	if (rc != 0)
		*txn = NULL;
	return rc;
}

int
lmdb_commit(MDB_txn *txn)
{
	MDB_env *env = mdb_txn_env(txn);
	const enum doing before = doing(DOING_FLUSH);
	const int rc = mdb_txn_commit(txn);

	doing(before);
	return rc ? rc : lmdb_look(env);
}

/* Who may only read cannot enter himself among the readers, but in a copy, or on a disk that is mounted
 * read only, nobody takes his pages away: alone is MDB_NOLOCK then. */
static int
open_all(const struct lmdb_plan *plan, MDB_env *env, unsigned alone)
{
	const unsigned watch = plan->watch ? MDB_RDONLY : 0;
	MDB_txn *txn;
	int rc = mdb_env_open(env, plan->dir, MDB_NOTLS | MDB_NORDAHEAD | watch | alone, 0600);

	if (rc == 0)
		rc = know(env, plan->dir);
	if (rc == 0)
		rc = lmdb_look(env);
	if (rc == 0)
		rc = mdb_reader_check(env, NULL);
	if (rc == 0)
		rc = lmdb_begin(env, watch, &txn);
	if (rc != 0)
		return rc;
	rc = open_tables(plan, txn);
	if (rc == 0)
		return lmdb_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static void
last_words(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
	_exit(EXIT_TROUBLE);
}

static void
on_fault(int signum)
{
	last_words(
		signum == SIGBUS
			? "level=error msg=\"a store's file was cut short while it was open\" do=\"`trotline fsck` tells which and what is left\"\n"
			: "level=error msg=\"memory fault\" do=\"`trotline fsck` tells whether a store's file is damaged; if none is, it is a fault of this program\"\n");
}

static bool catching;

/* LMDB trusts its pages, and aborts where one can not be so. */
static void
on_assertion(MDB_env *env, const char *text)
{
	const char *dir = "";
	char line[512];

	if (!catching)
		return;
	(void)mdb_env_get_path(env, &dir);
	snprintf(line, sizeof line,
		"level=error msg=\"store malformed\" store=\"%.200s\" cause=\"%.120s\" do=\"%s\"\n",
		dir, text, cause_table[CAUSE_MALFORMED].advice);
	last_words(line);
}

void
store_catch_faults(void)
{
	const struct sigaction act = {.sa_handler = on_fault};

	catching = true;
	sigaction(SIGBUS, &act, NULL);
#ifndef __SANITIZE_ADDRESS__
	sigaction(SIGSEGV, &act, NULL);
#endif
}

static int
open_env(const struct lmdb_plan *plan, MDB_env **env, unsigned alone)
{
	int rc = mdb_env_create(env);

	if (rc != 0)
		return rc;
	mdb_env_set_assert(*env, on_assertion);
	mdb_env_set_maxdbs(*env, (MDB_dbi)plan->count);
	mdb_env_set_maxreaders(*env, plan->readers);
	mdb_env_set_mapsize(*env, plan->map_bytes & ~(uint64_t)0xffff);
	rc = open_all(plan, *env, alone);
	if (rc != 0)
		lmdb_close(env);
	return rc;
}

int
lmdb_open(const struct lmdb_plan *plan, MDB_env **env)
{
	int rc;

	*env = NULL;
	if (!plan->watch && !file_make_folder(plan->dir, NULL))
		return errno;
	rc = open_env(plan, env, 0);
	if (plan->watch && (rc == EACCES || rc == EROFS))
		rc = open_env(plan, env, MDB_NOLOCK);
	if (rc != 0)
		last_cause = lmdb_cause(rc);
	return rc;
}

void
lmdb_close(MDB_env **env)
{
	if (!*env)
		return;
	free(mdb_env_get_userctx(*env));
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

const char *
lmdb_words(int rc)
{
	switch (rc) {
	case LMDB_REMOVED:
		return "its file was removed";
	case LMDB_REPLACED:
		return "its file was replaced";
	case LMDB_CUT:
		return "its file is cut short";
	default:
		return mdb_strerror(rc);
	}
}

enum store_cause
lmdb_cause(int rc)
{
	switch (rc) {
	case 0:
		return CAUSE_NONE;
	case LMDB_REMOVED:
		return CAUSE_REMOVED;
	case LMDB_REPLACED:
		return CAUSE_REPLACED;
	case LMDB_CUT:
		return CAUSE_CUT;
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
		return CAUSE_FULL;
	case EIO:
		return CAUSE_IO;
	case EROFS:
		return CAUSE_READ_ONLY;
	case EACCES:
	case EPERM:
		return CAUSE_REFUSED;
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_BAD_TXN:
		return CAUSE_MALFORMED;
	default:
		return CAUSE_TROUBLE;
	}
}

enum store_rc
lmdb_trouble(int rc, const char *what, const char *full, struct error *why)
{
	last_cause = lmdb_cause(rc);
	error_set(why, "%s: %s", what, rc == MDB_MAP_FULL ? full : lmdb_words(rc));
	return lmdb_result(rc);
}
