/* journal_adopt - see journal_adopt.h. A kill before a commit leaves what was. */
#include "journal_adopt.h"

#include <stdio.h>
#include <string.h>

#include "journal_private.h"
#include "lib/base/clock.h"
#include "lib/base/timestamp.h"

enum { ADOPTION_VERSION = 1, NAME_ROOM = 40 };

static const char KEY_ADOPTED[] = "adopted";

/* ---- who has it ---- */

static MDB_val
name_of(struct slice of, char room[NAME_ROOM])
{
	const int n = snprintf(room, NAME_ROOM, "adopts-%.*s", WIDTH_JOURNAL, of.p);

	return lmdb_val(room, (size_t)n);
}

static MDB_txn *
open_txn(const struct journal *j)
{
	return j->write ? j->write : j->read;
}

static void
read_adopter(struct journal *j, MDB_txn *txn, struct journal_adopter *by)
{
	MDB_val key = lmdb_val(KEY_ADOPTED, sizeof KEY_ADOPTED), value;

	*by = (struct journal_adopter){.at_ms = 0};
	if (mdb_get(txn, j->meta, &key, &value) == 0 && value.mv_size == sizeof *by)
		memcpy(by, value.mv_data, sizeof *by);
	by->journal[WIDTH_JOURNAL] = 0;
}

void
journal_adopter(struct journal *j, struct journal_adopter *by)
{
	read_adopter(j, open_txn(j), by);
}

bool
journal_may_work(struct journal *j, MDB_txn *txn, struct error *why)
{
	struct journal_adopter by;
	char at[TIMESTAMP_BYTES];

	read_adopter(j, txn, &by);
	if (!by.journal[0])
		return true;
	return error_set(why,
		"the events of %s were adopted on %s by the node with journal %s: this data_dir is never "
		"worked on again, take a new one for this node",
		j->dir, timestamp_text(by.at_ms, at), by.journal);
}

enum store_rc
journal_give(struct journal *j, struct slice to, struct error *why)
{
	struct journal_adopter by = {.at_ms = clock_wall_ms()}, now;
	MDB_val key = lmdb_val(KEY_ADOPTED, sizeof KEY_ADOPTED), value = lmdb_val(&by, sizeof by);
	enum store_rc rc = journal_lock(j, 0, why);

	if (rc != STORE_OK)
		return rc;
	read_adopter(j, j->write, &now);
	if (!now.journal[0]) {
		memcpy(by.journal, to.p, to.n < WIDTH_JOURNAL ? to.n : WIDTH_JOURNAL);
		return journal_end(
			j, mdb_put(j->write, j->meta, &key, &value, 0), "cannot mark it", why);
	}
	journal_abort(j);
	if (slice_eq(slice_of(now.journal), to))
		return STORE_OK;
	error_set(why, "it was adopted by the node with journal %s: go on there", now.journal);
	return STORE_FAILED;
}

enum store_rc
journal_keep(struct journal *j, struct error *why)
{
	MDB_val key = lmdb_val(KEY_ADOPTED, sizeof KEY_ADOPTED);
	const enum store_rc rc = journal_lock(j, 0, why);

	if (rc != STORE_OK)
		return rc;
	return journal_end(j, lmdb_unless_missing(mdb_del(j->write, j->meta, &key, NULL)),
		"cannot unmark it", why);
}

bool
journal_is_given(const struct config *cfg, struct error *why)
{
	struct error ignored;
	struct journal *j = journal_open(cfg, JOURNAL_WATCH, &ignored);
	bool given = false;

	if (j && journal_read_begin(j, &ignored)) {
		given = !journal_may_work(j, j->read, why);
		journal_read_end(j);
	}
	journal_close(&j);
	return given;
}

/* ---- how far ---- */

void
journal_adoption(struct journal *j, struct slice of, struct journal_adoption *out)
{
	char room[NAME_ROOM];
	MDB_val key = name_of(of, room), value;

	*out = (struct journal_adoption){.version = ADOPTION_VERSION};
	if (mdb_get(open_txn(j), j->meta, &key, &value) == 0 && value.mv_size == sizeof *out)
		memcpy(out, value.mv_data, sizeof *out);
}

enum store_rc
journal_adoption_put(
	struct journal *j, struct slice of, const struct journal_adoption *a, struct error *why)
{
	char room[NAME_ROOM];
	MDB_val key = name_of(of, room), value = lmdb_val(a, sizeof *a);
	const int rc = mdb_put(j->write, j->meta, &key, &value, 0);

	return rc ? journal_trouble(j, rc, "cannot note how far it is", why) : STORE_OK;
}

/* ---- what enters ---- */

static bool
newest_of(struct journal *j, struct hash128 hash, struct seen_row *row)
{
	uint64_t seq = dedup_find(j->dedup, hash, &j->truth);
	MDB_val key = lmdb_val(&seq, sizeof seq), value;

	if (!seq || mdb_get(j->write, j->seen, &key, &value) != 0)
		return false;
	memcpy(row, value.mv_data, sizeof *row);
	return true;
}

bool
journal_has_own(struct journal *j, struct hash128 hash, uint64_t at_ms, uint64_t window_ms)
{
	struct seen_row row;

	if (!newest_of(j, hash, &row) || row.request == JOURNAL_ADOPTED)
		return false;
	return row.at_ms > at_ms ? row.at_ms - at_ms < window_ms : at_ms - row.at_ms < window_ms;
}

static int
put_try(struct journal *j, uint64_t delivery, const struct journal_try *last)
{
	int rc;

	if (!last)
		return 0;
	rc = journal_put_try(j, delivery, last);
	return rc || !last->due || last->dead ? rc : journal_put_due(j, last->due, delivery);
}

/* As each taker of this node is to find it. */
static int
put_states(struct journal *j, uint64_t seq, const struct journal_incoming *in)
{
	int rc = 0;

	for (unsigned t = 0; rc == 0 && t < TAKERS; t++) {
		if (!(j->owed & 1U << t))
			continue;
		if (in->owed & 1U << t)
			rc = put_try(j, delivery_of(seq, t), in->tries[t]);
		else
			rc = journal_mark_settled(j, delivery_of(seq, t), true);
	}
	return rc;
}

/* What was remembered here of the same id is so for as long as it was. */
enum store_rc
journal_adopt(struct journal *j, const struct journal_incoming *in, struct error *why)
{
	const uint64_t seq = j->next_seq;
	struct journal_key key = {
		.hash = in->hash, .request = JOURNAL_ADOPTED, .now_ms = in->at_ms};
	struct seen_row row;
	enum store_rc status;
	int rc;

	if (newest_of(j, in->hash, &row) && row.at_ms > key.now_ms)
		key.now_ms = row.at_ms;
	status = journal_append(j, &key, in->frame, in->received_ms, why);
	if (status != STORE_OK)
		return status;
	rc = put_states(j, seq, in);
	return rc ? journal_trouble(j, rc, "cannot take an event over", why) : STORE_OK;
}

bool
journal_hash_at(struct journal *j, uint64_t seq, struct hash128 *hash, uint64_t *at_ms)
{
	MDB_val key = lmdb_val(&seq, sizeof seq), value;
	struct seen_row row;

	if (mdb_get(j->read, j->seen, &key, &value) != 0 || value.mv_size != sizeof row)
		return false;
	memcpy(&row, value.mv_data, sizeof row);
	*hash = row.hash;
	*at_ms = row.at_ms;
	return true;
}

void
journal_room(const struct journal *j, uint64_t *used, uint64_t *limit)
{
	*used = j->used_bytes;
	*limit = j->limit_bytes;
}
