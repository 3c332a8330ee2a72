/* quarantine - see quarantine.h. */
#include "quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lmdb_env.h"

enum { READERS = 32, TRIM_MOST = 64 };

struct quarantine {
	MDB_env *env;
	MDB_dbi items;
	msgpack_zone zone;
	uint64_t limit_bytes, max_age_ms;
};

static int
open_env(struct quarantine *q, const char *dir, uint64_t max_bytes, bool watch)
{
	const struct lmdb_table items = {"items", MDB_INTEGERKEY, &q->items, NULL};
	const struct lmdb_plan plan = {dir, max_bytes, READERS, watch, &items, 1};

	return lmdb_open(&plan, &q->env);
}

struct quarantine *
quarantine_open(const struct config *cfg, enum quarantine_use use, struct error *why)
{
	struct quarantine *q = calloc(1, sizeof *q);
	char dir[4096];
	int rc = q ? 0 : ENOMEM;

	snprintf(dir, sizeof dir, "%s/quarantine", cfg->data_dir);
	if (q) {
		msgpack_zone_init(&q->zone, 4096);
		q->limit_bytes = lmdb_limit(cfg->quarantine.max_bytes & ~(uint64_t)0xffff);
		q->max_age_ms = cfg->quarantine.max_age_ms;
	}
	if (rc == 0)
		rc = open_env(q, dir, cfg->quarantine.max_bytes, use == QUARANTINE_WATCH);
	if (rc != 0) {
		error_set(why, "cannot open the quarantine in %s: %s", dir, mdb_strerror(rc));
		quarantine_close(&q);
	}
	return q;
}

void
quarantine_close(struct quarantine **q)
{
	if (!*q)
		return;
	lmdb_close(&(*q)->env);
	msgpack_zone_destroy(&(*q)->zone);
	free(*q);
	*q = NULL;
}

/* Drops the oldest while they are too old or there is no room for `more` bytes. */
static int
trim(struct quarantine *q, MDB_txn *txn, uint64_t more, uint64_t now_ms)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, q->items, &cursor);

	for (int n = 0; rc == 0 && n < TRIM_MOST; n++) {
		uint64_t at_ms;

		if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) != 0)
			break;
		memcpy(&at_ms, value.mv_data, sizeof at_ms);
		if (at_ms + q->max_age_ms > now_ms &&
			lmdb_used(txn, q->items) + more <= q->limit_bytes)
			break;
		rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return rc;
}

static int
put(struct quarantine *q, MDB_txn *txn, struct slice frame, uint64_t now_ms)
{
	const uint64_t number = lmdb_last(txn, q->items) + 1;
	MDB_val key = lmdb_val(&number, sizeof number);
	MDB_val value = {sizeof now_ms + frame.n, NULL};
	const int rc = mdb_put(txn, q->items, &key, &value, MDB_APPEND | MDB_RESERVE);

	if (rc == 0) {
		memcpy(value.mv_data, &now_ms, sizeof now_ms);
		memcpy((char *)value.mv_data + sizeof now_ms, frame.p, frame.n);
	}
	return rc;
}

static bool
fail(MDB_txn *txn, int rc, struct error *why)
{
	if (txn)
		mdb_txn_abort(txn);
	lmdb_trouble(rc, "quarantine", "full (quarantine.max_size)", why);
	return false;
}

bool
quarantine_put(struct quarantine *q, const struct slice *frames, size_t n, uint64_t now_ms,
	struct error *why)
{
	MDB_txn *txn = NULL;
	uint64_t bytes = 0;
	int rc = mdb_txn_begin(q->env, NULL, 0, &txn);

	for (size_t i = 0; i < n; i++)
		bytes += frames[i].n;
	if (rc == 0)
		rc = trim(q, txn, bytes, now_ms);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put(q, txn, frames[i], now_ms);
	if (rc != 0)
		return fail(txn, rc, why);
	rc = mdb_txn_commit(txn);
	return rc == 0 || fail(NULL, rc, why);
}

bool
quarantine_remove(struct quarantine *q, uint64_t number, struct error *why)
{
	MDB_val key = lmdb_val(&number, sizeof number);
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(q->env, NULL, 0, &txn);

	if (rc == 0)
		rc = mdb_del(txn, q->items, &key, NULL);
	if (lmdb_unless_missing(rc) != 0)
		return fail(txn, rc, why);
	rc = mdb_txn_commit(txn);
	return rc == 0 || fail(NULL, rc, why);
}

static bool
visit(struct quarantine *q, const MDB_val *key, const MDB_val *value, quarantine_visit *fn,
	void *arg)
{
	struct quarantined item;

	if (value->mv_size < sizeof item.at_ms)
		return true;
	memcpy(&item.number, key->mv_data, sizeof item.number);
	memcpy(&item.at_ms, value->mv_data, sizeof item.at_ms);
	msgpack_zone_clear(&q->zone);
	return !frame_unpack(&request_schema, (const char *)value->mv_data + sizeof item.at_ms,
		       value->mv_size - sizeof item.at_ms, &q->zone, &item.request, NULL) ||
	       fn(arg, &item);
}

bool
quarantine_walk(
	struct quarantine *q, uint64_t first, quarantine_visit *fn, void *arg, struct error *why)
{
	MDB_cursor *cursor = NULL;
	MDB_txn *txn = NULL;
	MDB_val key = {sizeof first, &first}, value;
	bool more = true;
	int rc = mdb_txn_begin(q->env, NULL, MDB_RDONLY, &txn);

	if (rc == 0)
		rc = mdb_cursor_open(txn, q->items, &cursor);
	if (rc != 0)
		return fail(txn, rc, why);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && more) {
		more = visit(q, &key, &value, fn, arg);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return true;
}

uint64_t
quarantine_count(struct quarantine *q)
{
	uint64_t count;
	MDB_txn *txn;

	if (mdb_txn_begin(q->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	count = lmdb_rows(txn, q->items);
	mdb_txn_abort(txn);
	return count;
}
