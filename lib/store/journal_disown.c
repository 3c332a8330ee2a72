/* journal_disown - what history has not settled and will not: after it has left the configuration, or
 * when it is away and would fill the journal.
 *
 * In: the rows of `settled`, by which those are found that stand there for its sake alone. A kill before
 * a commit leaves all as it was; what is left is begun again. */
#include <string.h>

#include "journal_private.h"

enum { DISOWN_MAX = 4096 };

/* ---- who takes no more ---- */

/* Events that stand there for the sake of those alone who take no more: what all others have settled.
 * taker: one that goes on. At most so many at a time, lest the transaction grow without bound. */
static int
end_settled(struct journal *j, enum taker taker, size_t most, size_t *ended)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t seq;
	int rc = mdb_cursor_open(j->write, j->owing[taker].settled, &cursor);

	*ended = 0;
	if (rc != 0)
		return rc;
	while (*ended < most && (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST)) == 0) {
		memcpy(&seq, key.mv_data, sizeof seq);
		rc = mdb_cursor_del(cursor, 0);
		key = lmdb_val(&seq, sizeof seq);
		if (rc == 0)
			rc = lmdb_unless_missing(mdb_del(j->write, j->events, &key, NULL));
		if (rc != 0)
			break;
		++*ended;
	}
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc);
}

static int
empty(struct journal *j, const struct owing *o)
{
	int rc = mdb_drop(j->write, o->tries, 0);

	if (rc == 0)
		rc = mdb_drop(j->write, o->due, 0);
	return rc ? rc : mdb_drop(j->write, o->settled, 0);
}

static bool
is_disowned(struct journal *j)
{
	const struct owing *o = &j->owing[TAKER_HISTORY];

	return lmdb_rows(j->write, j->owing[TAKER_HANDLER].settled) +
		       lmdb_rows(j->write, o->tries) + lmdb_rows(j->write, o->due) +
		       lmdb_rows(j->write, o->settled) ==
	       0;
}

/* With two takers, and the handler always one of them, what it has settled and is still there was
 * history's alone. */
enum store_rc
journal_disown(struct journal *j, struct error *why)
{
	enum store_rc status;
	size_t ended;
	int rc;

	if ((j->owed & OWED_HISTORY) || j->disowned)
		return STORE_OK;
	status = journal_lock(j, 0, why);
	if (status != STORE_OK)
		return status;
	j->disowned = is_disowned(j);
	if (j->disowned) {
		journal_abort(j);
		return STORE_OK;
	}
	rc = end_settled(j, TAKER_HANDLER, DISOWN_MAX, &ended);
	if (rc == 0 && ended < DISOWN_MAX)
		rc = empty(j, &j->owing[TAKER_HISTORY]);
	return journal_end(j, rc, "cannot forget what is owed to history", why);
}

/* ---- who is away ---- */

/* Numbers of the oldest events that the handlers have settled, and history has not. */
static int
kept_for_history(struct journal *j, uint64_t *seqs, size_t most, size_t *n)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(j->write, j->owing[TAKER_HANDLER].settled, &cursor);

	*n = 0;
	if (rc != 0)
		return rc;
	while (*n < most &&
		(rc = mdb_cursor_get(cursor, &key, &value, *n ? MDB_NEXT : MDB_FIRST)) == 0)
		memcpy(&seqs[(*n)++], key.mv_data, sizeof *seqs);
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc);
}

static int
let_go(struct journal *j, uint64_t seq)
{
	MDB_val key = lmdb_val(&seq, sizeof seq);
	int rc = journal_forget_tries(j, delivery_of(seq, TAKER_HISTORY));

	if (rc == 0)
		rc = mdb_del(j->write, j->owing[TAKER_HANDLER].settled, &key, NULL);
	return rc ? rc : lmdb_unless_missing(mdb_del(j->write, j->events, &key, NULL));
}

enum store_rc
journal_let_go(struct journal *j, uint64_t *seqs, size_t most, size_t *n, struct error *why)
{
	enum store_rc status = journal_lock(j, 0, why);
	int rc;

	*n = 0;
	if (status != STORE_OK)
		return status;
	rc = kept_for_history(j, seqs, most, n);
	for (size_t i = 0; rc == 0 && i < *n; i++)
		rc = let_go(j, seqs[i]);
	status = journal_end(j, rc, "cannot let go of what waits for history", why);
	*n = status == STORE_OK ? *n : 0;
	return status;
}
