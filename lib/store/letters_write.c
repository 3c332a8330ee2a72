/* letters_write - the dlq's side: a group of changes, one flush.
 *
 * In: dead frames. Out: rows in `letters`. A kill before the commit leaves nothing of the group;
 * whoever handed the letters over does so again. */
#include "letters_private.h"

enum { ROW_BYTES = 64 }; /* a row's key and header */

bool
letters_begin(struct letters *l, struct error *why)
{
	int rc = letters_enter(l);

	l->last = STORE_OK;
	if (rc == 0 && (rc = lmdb_begin(l->env, 0, &l->write)) != 0) {
		l->write = NULL;
		letters_leave(l);
	}
	return rc == 0 || letters_fail(l, rc, "cannot write to the dead letters", why);
}

bool
letters_put(struct letters *l, const struct dead *letter, struct slice frame, struct error *why)
{
	const struct letters_key k = letters_key(letter->journal, letter->seq);
	const uint64_t used = lmdb_used(l->write, l->letters) + lmdb_used(l->write, l->dropped);
	MDB_val key = lmdb_val(&k, sizeof k), value = lmdb_val(frame.p, frame.n);
	int rc = MDB_MAP_FULL;

	if (used + frame.n + ROW_BYTES <= l->limit_bytes)
		rc = mdb_put(l->write, l->letters, &key, &value, 0);
	return rc == 0 || letters_fail(l, rc, "cannot store a dead letter", why);
}

int
letters_delete(struct letters *l, MDB_dbi table, struct slice journal, uint64_t seq)
{
	const struct letters_key k = letters_key(journal, seq);
	MDB_val key = lmdb_val(&k, sizeof k);

	return lmdb_unless_missing(mdb_del(l->write, table, &key, NULL));
}

bool
letters_remove(struct letters *l, struct slice journal, uint64_t seq, struct error *why)
{
	const int rc = letters_delete(l, l->letters, journal, seq);

	return rc == 0 || letters_fail(l, rc, "cannot remove a dead letter", why);
}

bool
letters_commit(struct letters *l, struct error *why)
{
	int rc;

	if (!l->write)
		return error_set(why, "cannot commit dead letters: the group is over");
	rc = lmdb_commit(l->write);
	l->write = NULL;
	letters_leave(l);
	return rc == 0 || letters_fail(l, rc, "cannot commit dead letters", why);
}

void
letters_abort(struct letters *l)
{
	if (!l->write)
		return;
	mdb_txn_abort(l->write);
	l->write = NULL;
	letters_leave(l);
}
