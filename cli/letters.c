/* letters - see letters.h. The layout is dlq/store.c's: the table `letters`, whose key is the
 * journal's id and, big-endian, the place in it; its value is a dead frame. */
#include "letters.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>

enum { JOURNAL_LEN = 16, KEY_LEN = JOURNAL_LEN + 8 };

static void
make_key(struct slice journal, uint64_t seq, unsigned char key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	memcpy(key, journal.p, journal.n < JOURNAL_LEN ? journal.n : JOURNAL_LEN);
	for (int i = 0; i < 8; i++)
		key[JOURNAL_LEN + i] = (unsigned char)(seq >> (56 - 8 * i));
}

/* A copy of the row's bytes in the zone. 0, or LMDB's or the system's code. */
static int
read_row(MDB_env *env, unsigned char bytes[KEY_LEN], msgpack_zone *zone, struct slice *row)
{
	MDB_val key = {KEY_LEN, bytes}, value;
	MDB_txn *txn;
	MDB_dbi letters;
	char *copy;
	int rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "letters", 0, &letters);
	if (rc == 0)
		rc = mdb_get(txn, letters, &key, &value);
	if (rc == 0 && !(copy = msgpack_zone_malloc(zone, value.mv_size)))
		rc = ENOMEM;
	if (rc == 0)
		*row = (struct slice){memcpy(copy, value.mv_data, value.mv_size), value.mv_size};
	mdb_txn_abort(txn);
	return rc;
}

bool
letters_find(const struct config *cfg, struct slice journal, uint64_t seq, msgpack_zone *zone,
	struct dead *letter, struct error *why)
{
	unsigned char key[KEY_LEN];
	struct slice row = {NULL, 0};
	MDB_env *env = NULL;
	char dir[4096];
	int rc = mdb_env_create(&env);

	snprintf(dir, sizeof dir, "%s/dlq", cfg->data_dir);
	make_key(journal, seq, key);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env, 1);
	if (rc == 0)
		rc = mdb_env_open(env, dir, MDB_RDONLY | MDB_NOTLS, 0600);
	if (rc == 0)
		rc = read_row(env, key, zone, &row);
	if (env)
		mdb_env_close(env);
	if (rc == ENOENT || rc == MDB_NOTFOUND)
		return false;
	if (rc != 0)
		return error_set(
			why, "cannot read the dead letters in %s: %s", dir, mdb_strerror(rc));
	return frame_unpack(&dead_schema, row.p, row.n, zone, letter, why);
}
