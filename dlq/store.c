/* store - see store.h. */
#include "store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { JOURNAL_LEN = 16, KEY_LEN = JOURNAL_LEN + 8 };

static const uint64_t MAP_BYTES = (uint64_t)1 << 30;

struct store {
	MDB_env *env;
	MDB_dbi letters;
	MDB_txn *txn;
};

static int
open_env(struct store *s, const char *dir)
{
	MDB_txn *txn;
	int rc = mdb_env_create(&s->env);

	if (rc != 0)
		return rc;
	mdb_env_set_maxdbs(s->env, 1);
	mdb_env_set_mapsize(s->env, MAP_BYTES);
	rc = mdb_env_open(s->env, dir, MDB_NOTLS | MDB_NORDAHEAD, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "letters", MDB_CREATE, &s->letters);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

struct store *
store_open(const struct config *cfg, struct error *why)
{
	struct store *s = calloc(1, sizeof *s);
	char dir[4096];
	int rc = 0;

	snprintf(dir, sizeof dir, "%s/dlq", cfg->data_dir);
	if (!s || (mkdir(dir, 0700) != 0 && errno != EEXIST))
		rc = errno;
	if (rc == 0)
		rc = open_env(s, dir);
	if (rc != 0) {
		error_set(why, "cannot open the dead letters in %s: %s", dir, mdb_strerror(rc));
		store_close(&s);
	}
	return s;
}

void
store_close(struct store **s)
{
	if (!*s)
		return;
	if ((*s)->txn)
		mdb_txn_abort((*s)->txn);
	if ((*s)->env)
		mdb_env_close((*s)->env);
	free(*s);
	*s = NULL;
}

/* Sorts by journal, then by place in it. */
static void
make_key(const struct dead *letter, unsigned char key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	memcpy(key, letter->journal.p, letter->journal.n < JOURNAL_LEN ? letter->journal.n : JOURNAL_LEN);
	for (int i = 0; i < 8; i++)
		key[JOURNAL_LEN + i] = (unsigned char)(letter->seq >> (56 - 8 * i));
}

bool
store_begin(struct store *s, struct error *why)
{
	const int rc = mdb_txn_begin(s->env, NULL, 0, &s->txn);

	if (rc == 0)
		return true;
	s->txn = NULL;
	return error_set(why, "cannot lock the dead letters: %s", mdb_strerror(rc));
}

bool
store_put(struct store *s, const struct dead *letter, struct slice frame, struct error *why)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value = {frame.n, (void *)(uintptr_t)frame.p};
	int rc;

	make_key(letter, bytes);
	rc = mdb_put(s->txn, s->letters, &key, &value, MDB_NOOVERWRITE);
	if (rc == 0 || rc == MDB_KEYEXIST)
		return true;
	mdb_txn_abort(s->txn);
	s->txn = NULL;
	return error_set(why, "cannot store a dead letter: %s", mdb_strerror(rc));
}

bool
store_commit(struct store *s, struct error *why)
{
	const int rc = mdb_txn_commit(s->txn);

	s->txn = NULL;
	return rc == 0 || error_set(why, "cannot commit dead letters: %s", mdb_strerror(rc));
}

uint64_t
store_count(struct store *s)
{
	MDB_stat st = {0};
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	mdb_stat(txn, s->letters, &st);
	mdb_txn_abort(txn);
	return st.ms_entries;
}
