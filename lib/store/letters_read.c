/* letters_read - snapshots: one letter, or one after the other. */
#include <errno.h>

#include "letters_private.h"

/* A watcher meets no store, or one whose maker is not done with it. */
static bool
is_empty(const struct letters *l, int rc)
{
	return l->use == LETTERS_WATCH && (rc == ENOENT || rc == MDB_NOTFOUND);
}

bool
letters_read_begin(struct letters *l, struct error *why)
{
	int rc;

	if (l->read)
		return error_set(why, "the dead letters are being read already");
	rc = letters_enter(l);
	if (is_empty(l, rc))
		return true;
	if (rc == 0 && (rc = lmdb_begin(l->env, MDB_RDONLY, &l->read)) != 0) {
		l->read = NULL;
		letters_leave(l);
	}
	if (rc == 0)
		return true;
	return error_set(why, "cannot read the dead letters: %s", lmdb_words(rc));
}

void
letters_read_end(struct letters *l)
{
	if (!l->read)
		return;
	mdb_txn_abort(l->read);
	l->read = NULL;
	letters_leave(l);
}

bool
letters_unpack(struct letters *l, const MDB_val *value, struct dead *letter)
{
	msgpack_zone_clear(&l->zone);
	return frame_unpack(&dead_schema, value->mv_data, value->mv_size, &l->zone, letter, NULL);
}

static bool
find_in(struct letters *l, MDB_dbi table, struct slice journal, uint64_t seq, struct dead *letter)
{
	MDB_txn *txn = l->write ? l->write : l->read;
	const struct letters_key k = letters_key(journal, seq);
	MDB_val key = lmdb_val(&k, sizeof k), value;

	return txn && mdb_get(txn, table, &key, &value) == 0 && letters_unpack(l, &value, letter);
}

bool
letters_find(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter)
{
	return find_in(l, l->letters, journal, seq, letter);
}

bool
letters_find_dropped(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter)
{
	return find_in(l, l->dropped, journal, seq, letter);
}

/* Puts the cursor on the row after (before) the place. */
static int
step(MDB_cursor *cursor, const struct letters_place *place, bool back, MDB_val *key, MDB_val *value)
{
	int rc;

	*key = lmdb_val(place->key, LETTERS_KEY_BYTES);
	if (!place->started)
		return mdb_cursor_get(cursor, key, value, back ? MDB_LAST : MDB_FIRST);
	rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (back)
		return mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
	if (rc == 0 && key->mv_size == LETTERS_KEY_BYTES &&
		memcmp(key->mv_data, place->key, LETTERS_KEY_BYTES) == 0)
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return rc;
}

/* A row that cannot be read is passed over. */
static bool
walk_on(struct letters *l, MDB_dbi table, struct letters_place *place, bool back,
	struct dead *letter)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	bool found = false;

	if (!l->read || mdb_cursor_open(l->read, table, &cursor) != 0)
		return false;
	while (!found && step(cursor, place, back, &key, &value) == 0 &&
		key.mv_size == LETTERS_KEY_BYTES) {
		memcpy(place->key, key.mv_data, LETTERS_KEY_BYTES);
		place->started = true;
		found = letters_unpack(l, &value, letter);
	}
	mdb_cursor_close(cursor);
	return found;
}

bool
letters_next(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->letters, place, false, letter);
}

bool
letters_previous(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->letters, place, true, letter);
}

bool
letters_next_dropped(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->dropped, place, false, letter);
}

struct letters_place
letters_from(struct slice journal, uint64_t seq)
{
	const struct letters_key key = letters_key(journal, seq ? seq - 1 : 0);
	struct letters_place place = {.started = true};

	memcpy(place.key, key.bytes, sizeof place.key);
	return place;
}

void
letters_walk(struct letters *l, letters_visit *fn, void *arg)
{
	struct letters_place place = {.started = false};
	struct dead letter;

	while (letters_next(l, &place, &letter) && fn(arg, &letter))
		;
}
