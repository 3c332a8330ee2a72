/* journal_proofs - for which events a proof that covers none was given first.
 *
 * Rows in the order of the signed time, which is about the order in which they come, so writing is
 * appending and forgetting is taking away at the front. The signed time bounds how long a proof is
 * good, and no window is shorter; so a row lives from then on as long as the longest. */
#include <endian.h>
#include <string.h>

#include "journal_private.h"

/* The time with its high byte first, so that LMDB's own order is that of time. */
struct proof_key {
	uint64_t signed_be;
	struct hash128 proof;
};

/* What it was for. */
struct proof_row {
	struct hash128 events, body;
};

static enum journal_proved
compare(const MDB_val *known, const struct proof_row *row)
{
	if (known->mv_size != sizeof *row ||
		memcmp(known->mv_data, &row->events, sizeof row->events) != 0)
		return PROVED_OTHER;
	return memcmp(known->mv_data, row, sizeof *row) == 0 ? PROVED : PROVED_ANEW;
}

enum store_rc
journal_prove(struct journal *j, const struct journal_proof *proof, enum journal_proved *proved,
	struct error *why)
{
	const struct proof_key place = {htobe64(proof->signed_ms), proof->proof};
	const struct proof_row row = {proof->events, proof->body};
	MDB_val key = lmdb_val(&place, sizeof place), value = lmdb_val(&row, sizeof row);
	const int rc = mdb_put(j->write, j->proofs, &key, &value, MDB_NOOVERWRITE);

	*proved = rc == MDB_KEYEXIST ? compare(&value, &row) : PROVED;
	if (rc == 0)
		j->used_bytes = journal_used(j, j->write);
	return rc == 0 || rc == MDB_KEYEXIST
		       ? STORE_OK
		       : journal_trouble(j, rc, "cannot remember a proof", why);
}

int
journal_trim_proofs(struct journal *j, uint64_t now_ms, uint64_t most)
{
	struct proof_key place;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(j->write, j->proofs, &cursor);

	if (rc != 0)
		return rc;
	while (rc == 0 && most-- > 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc != 0 || key.mv_size != sizeof place)
			break;
		memcpy(&place, key.mv_data, sizeof place);
		if (be64toh(place.signed_be) + j->window_ms > now_ms)
			break;
		rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc);
}
