/* letters - see letters.h. */
#include "letters.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { JOURNAL_LEN = 16, KEY_LEN = JOURNAL_LEN + 8, READERS = 64 };

struct letters {
	MDB_env *env;
	MDB_dbi table;
	MDB_txn *write, *read;
	msgpack_zone zone;
	uint64_t limit_bytes;
};

static int
open_env(struct letters *l, const struct config *cfg, const char *dir, unsigned watch)
{
	MDB_txn *txn;
	int rc = mdb_env_create(&l->env);

	if (rc != 0)
		return rc;
	l->limit_bytes = cfg->dlq.max_bytes & ~(uint64_t)0xffff;
	mdb_env_set_maxdbs(l->env, 1);
	mdb_env_set_maxreaders(l->env, READERS);
	mdb_env_set_mapsize(l->env, l->limit_bytes);
	rc = mdb_env_open(l->env, dir, MDB_NOTLS | MDB_NORDAHEAD | watch, 0600);
	if (rc == 0)
		rc = mdb_txn_begin(l->env, NULL, watch, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "letters", watch ? 0 : MDB_CREATE, &l->table);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	mdb_reader_check(l->env, NULL);
	return mdb_txn_commit(txn);
}

struct letters *
letters_open(const struct config *cfg, enum letters_use use, struct error *why)
{
	struct letters *l = calloc(1, sizeof *l);
	char dir[4096];
	int rc = l ? 0 : ENOMEM;

	snprintf(dir, sizeof dir, "%s/dlq", cfg->data_dir);
	if (l)
		msgpack_zone_init(&l->zone, 4096);
	if (rc == 0 && use == LETTERS_KEEP && mkdir(dir, 0700) != 0 && errno != EEXIST)
		rc = errno;
	if (rc == 0)
		rc = open_env(l, cfg, dir, use == LETTERS_WATCH ? MDB_RDONLY : 0);
	if (rc != 0) {
		error_set(why, "cannot open the dead letters in %s: %s", dir, mdb_strerror(rc));
		letters_close(&l);
	}
	return l;
}

void
letters_close(struct letters **l)
{
	if (!*l)
		return;
	letters_abort(*l);
	if ((*l)->read)
		mdb_txn_abort((*l)->read);
	if ((*l)->env)
		mdb_env_close((*l)->env);
	msgpack_zone_destroy(&(*l)->zone);
	free(*l);
	*l = NULL;
}

/* Sorts by journal, then by place in it. */
static void
make_key(struct slice journal, uint64_t seq, unsigned char key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	memcpy(key, journal.p, journal.n < JOURNAL_LEN ? journal.n : JOURNAL_LEN);
	for (int i = 0; i < 8; i++)
		key[JOURNAL_LEN + i] = (unsigned char)(seq >> (56 - 8 * i));
}

bool
letters_begin(struct letters *l, struct error *why)
{
	const int rc = mdb_txn_begin(l->env, NULL, 0, &l->write);

	if (rc == 0)
		return true;
	l->write = NULL;
	return error_set(why, "cannot lock the dead letters: %s", mdb_strerror(rc));
}

static bool
fail(struct letters *l, int rc, const char *what, struct error *why)
{
	letters_abort(l);
	return error_set(why, "%s: %s", what,
		rc == MDB_MAP_FULL ? "the store of dead letters is full (dlq.max_size)"
				   : mdb_strerror(rc));
}

bool
letters_put(struct letters *l, const struct dead *letter, struct slice frame, struct error *why)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value = {frame.n, (void *)(uintptr_t)frame.p};
	int rc;

	make_key(letter->journal, letter->seq, bytes);
	rc = mdb_put(l->write, l->table, &key, &value, MDB_NOOVERWRITE);
	return rc == 0 || rc == MDB_KEYEXIST || fail(l, rc, "cannot store a dead letter", why);
}

bool
letters_remove(struct letters *l, struct slice journal, uint64_t seq, struct error *why)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes};
	int rc;

	make_key(journal, seq, bytes);
	rc = mdb_del(l->write, l->table, &key, NULL);
	return rc == 0 || rc == MDB_NOTFOUND || fail(l, rc, "cannot remove a dead letter", why);
}

bool
letters_commit(struct letters *l, struct error *why)
{
	const int rc = mdb_txn_commit(l->write);

	l->write = NULL;
	return rc == 0 || fail(l, rc, "cannot commit dead letters", why);
}

void
letters_abort(struct letters *l)
{
	if (l->write)
		mdb_txn_abort(l->write);
	l->write = NULL;
}

bool
letters_read_begin(struct letters *l, struct error *why)
{
	const int rc = l->read ? mdb_txn_renew(l->read)
			       : mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->read);

	if (rc == 0)
		return true;
	if (l->read)
		mdb_txn_abort(l->read);
	l->read = NULL;
	return error_set(why, "cannot read the dead letters: %s", mdb_strerror(rc));
}

void
letters_read_end(struct letters *l)
{
	if (l->read)
		mdb_txn_reset(l->read);
}

static bool
unpack(struct letters *l, const MDB_val *value, struct dead *letter)
{
	msgpack_zone_clear(&l->zone);
	return frame_unpack(&dead_schema, value->mv_data, value->mv_size, &l->zone, letter, NULL);
}

bool
letters_find(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value;

	make_key(journal, seq, bytes);
	return mdb_get(l->read, l->table, &key, &value) == 0 && unpack(l, &value, letter);
}

void
letters_walk(struct letters *l, letters_visit *fn, void *arg)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct dead letter;
	bool more = true;

	if (mdb_cursor_open(l->read, l->table, &cursor) != 0)
		return;
	while (more && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
		more = !unpack(l, &value, &letter) || fn(arg, &letter);
	mdb_cursor_close(cursor);
}

bool
letters_stat(struct letters *l, struct letters_stat *st)
{
	struct error why;
	MDB_stat pages;

	*st = (struct letters_stat){.limit_bytes = l->limit_bytes};
	if (!letters_read_begin(l, &why))
		return false;
	if (mdb_stat(l->read, l->table, &pages) == 0) {
		st->count = pages.ms_entries;
		st->used_bytes =
			(pages.ms_branch_pages + pages.ms_leaf_pages + pages.ms_overflow_pages) *
			(uint64_t)pages.ms_psize;
	}
	letters_read_end(l);
	return true;
}
