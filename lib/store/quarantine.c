/* quarantine - see quarantine.h. */
#include "quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elapsed.h"
#include "lib/base/clock.h"

enum { READERS = 32, TRIM_MOST = 64, TABLES = 3 };
enum { ROW_BYTES = 32, PAGE_BYTES = 4096, SMALL_BYTES = PAGE_BYTES / 2 };

struct quarantine {
	MDB_env *env;
	MDB_dbi items, shares, clock;
	msgpack_zone zone;
	uint64_t limit_bytes, share_bytes, max_age_ms;
};

static int
open_env(struct quarantine *q, const char *dir, uint64_t max_bytes, bool watch)
{
	const struct lmdb_table tables[TABLES] = {
		{"items", MDB_INTEGERKEY, &q->items, NULL},
		{"shares", LMDB_LATER, &q->shares, NULL},
		{"clock", MDB_INTEGERKEY | LMDB_LATER, &q->clock, NULL},
	};
	const struct lmdb_plan plan = {dir, max_bytes, READERS, watch, tables, TABLES};

	return lmdb_open(&plan, &q->env);
}

static uint64_t
sources_of(const struct config *cfg)
{
	uint64_t n = 0;

	for (size_t i = 0; i < cfg->sources_count; i++)
		n += cfg->sources[i].quarantine;
	return n ? n : 1;
}

static int count_shares(struct quarantine *q);

struct quarantine *
quarantine_open(const struct config *cfg, enum quarantine_use use, struct error *why)
{
	const bool watch = use == QUARANTINE_WATCH;
	struct quarantine *q = calloc(1, sizeof *q);
	char dir[4096], what[4200];
	int rc = q ? 0 : ENOMEM;

	snprintf(dir, sizeof dir, "%s/quarantine", cfg->data_dir);
	if (q) {
		msgpack_zone_init(&q->zone, 4096);
		q->limit_bytes = lmdb_limit(cfg->quarantine.max_bytes & ~(uint64_t)0xffff);
		q->share_bytes = q->limit_bytes / sources_of(cfg);
		q->max_age_ms = cfg->quarantine.max_age_ms;
		rc = open_env(q, dir, cfg->quarantine.max_bytes, watch);
	}
	if (rc == 0 && !watch)
		rc = count_shares(q);
	if (rc != 0) {
		snprintf(what, sizeof what, "cannot open the quarantine in %s", dir);
		lmdb_trouble(rc, what, "full (quarantine.max_size)", why);
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

static bool
unpack(struct quarantine *q, const MDB_val *value, struct quarantined *item)
{
	if (value->mv_size < sizeof item->at_ms)
		return false;
	memcpy(&item->at_ms, value->mv_data, sizeof item->at_ms);
	msgpack_zone_clear(&q->zone);
	return frame_unpack(&request_schema, (const char *)value->mv_data + sizeof item->at_ms,
		value->mv_size - sizeof item->at_ms, &q->zone, &item->request, NULL);
}

/* ---- shares ---- */

/* What a row of so many bytes takes: pages of its own, or two thirds of one between several. */
static uint64_t
cost(size_t value_bytes)
{
	const uint64_t n = value_bytes + ROW_BYTES;

	return n < SMALL_BYTES ? n + n / 2 : (n + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
}

static uint64_t
share_of(struct quarantine *q, MDB_txn *txn, struct slice source)
{
	MDB_val key = lmdb_val(source.p, source.n), value;
	uint64_t bytes = 0;

	if (mdb_get(txn, q->shares, &key, &value) == 0 && value.mv_size == sizeof bytes)
		memcpy(&bytes, value.mv_data, sizeof bytes);
	return bytes;
}

static int
set_share(struct quarantine *q, MDB_txn *txn, struct slice source, uint64_t bytes)
{
	MDB_val key = lmdb_val(source.p, source.n), value = lmdb_val(&bytes, sizeof bytes);

	if (bytes)
		return mdb_put(txn, q->shares, &key, &value, 0);
	return lmdb_unless_missing(mdb_del(txn, q->shares, &key, NULL));
}

/* A row leaves; one that cannot be read has no share. */
static int
give_back(struct quarantine *q, MDB_txn *txn, const MDB_val *value)
{
	struct quarantined item;
	uint64_t bytes, gone = cost(value->mv_size);

	if (!unpack(q, value, &item) || !item.request.source.n)
		return 0;
	bytes = share_of(q, txn, item.request.source);
	return set_share(q, txn, item.request.source, bytes > gone ? bytes - gone : 0);
}

static int
count_all(struct quarantine *q, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct quarantined item;
	int rc = mdb_cursor_open(txn, q->items, &cursor), put = 0;

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (rc == 0 && put == 0) {
		const uint64_t more = cost(value.mv_size);

		if (unpack(q, &value, &item) && item.request.source.n)
			put = set_share(q, txn, item.request.source,
				share_of(q, txn, item.request.source) + more);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return put ? put : lmdb_unless_missing(rc);
}

/* A store of an earlier version has none. */
static int
count_shares(struct quarantine *q)
{
	MDB_txn *txn;
	int rc = lmdb_begin(q->env, 0, &txn);

	if (rc != 0)
		return rc;
	if (lmdb_rows(txn, q->shares) == 0 && lmdb_rows(txn, q->items) > 0)
		rc = count_all(q, txn);
	if (rc == 0)
		return lmdb_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

/* ---- in and out ---- */

static void
look_at_clock(struct quarantine *q, MDB_txn *txn, struct elapsed *e)
{
	const struct elapsed_note now = elapsed_read();
	uint64_t last = lmdb_last(txn, q->items), at_ms;
	MDB_val key = lmdb_val(&last, sizeof last), value;

	elapsed_look(e, txn, q->clock, &now);
	if (!e->rebooted || mdb_get(txn, q->items, &key, &value) != 0 ||
		value.mv_size < sizeof at_ms)
		return;
	memcpy(&at_ms, value.mv_data, sizeof at_ms);
	elapsed_not_before(e, elapsed_at(e, last, at_ms));
}

static bool
is_old(const struct quarantine *q, const struct elapsed *e, const MDB_val *key,
	const MDB_val *value)
{
	uint64_t number, at_ms;

	memcpy(&number, key->mv_data, sizeof number);
	memcpy(&at_ms, value->mv_data, sizeof at_ms);
	return elapsed_at(e, number, at_ms) + q->max_age_ms <= e->now_ms;
}

/* Drops what is too old. */
static int
trim(struct quarantine *q, MDB_txn *txn, const struct elapsed *e)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, q->items, &cursor);

	if (rc != 0)
		return rc;
	for (int n = 0; rc == 0 && n < TRIM_MOST; n++) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc != 0 || !is_old(q, e, &key, &value))
			break;
		rc = give_back(q, txn, &value);
		if (rc == 0)
			rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc) ? rc : elapsed_trim(e, lmdb_first(txn, q->items));
}

static int
append(struct quarantine *q, MDB_txn *txn, struct slice frame)
{
	const uint64_t number = lmdb_last(txn, q->items) + 1, now_ms = clock_wall_ms();
	MDB_val key = lmdb_val(&number, sizeof number);
	MDB_val value = {sizeof now_ms + frame.n, NULL};
	const int rc = mdb_put(txn, q->items, &key, &value, MDB_APPEND | MDB_RESERVE);

	if (rc == 0) {
		memcpy(value.mv_data, &now_ms, sizeof now_ms);
		memcpy((char *)value.mv_data + sizeof now_ms, frame.p, frame.n);
	}
	return rc;
}

static int
put(struct quarantine *q, MDB_txn *txn, struct quarantine_new *item)
{
	const uint64_t more = cost(sizeof(uint64_t) + item->frame.n);
	const uint64_t bytes = share_of(q, txn, item->source) + more;
	int rc;

	item->full = bytes > q->share_bytes || lmdb_used(txn, q->items) + more > q->limit_bytes;
	if (item->full)
		return 0;
	rc = append(q, txn, item->frame);
	return rc ? rc : set_share(q, txn, item->source, bytes);
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
quarantine_put(struct quarantine *q, struct quarantine_new *items, size_t n, struct error *why)
{
	struct elapsed e;
	MDB_txn *txn = NULL;
	int rc = lmdb_begin(q->env, 0, &txn);

	if (rc == 0) {
		look_at_clock(q, txn, &e);
		rc = elapsed_write(&e, lmdb_last(txn, q->items) + 1);
	}
	if (rc == 0)
		rc = trim(q, txn, &e);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put(q, txn, &items[i]);
	if (rc != 0)
		return fail(txn, rc, why);
	rc = lmdb_commit(txn);
	return rc == 0 || fail(NULL, rc, why);
}

bool
quarantine_remove(struct quarantine *q, uint64_t number, struct error *why)
{
	MDB_val key = lmdb_val(&number, sizeof number), value;
	MDB_txn *txn = NULL;
	int rc = lmdb_begin(q->env, 0, &txn);

	if (rc == 0)
		rc = mdb_get(txn, q->items, &key, &value);
	if (rc == 0)
		rc = give_back(q, txn, &value);
	if (rc == 0)
		rc = mdb_del(txn, q->items, &key, NULL);
	if (lmdb_unless_missing(rc) != 0)
		return fail(txn, rc, why);
	rc = lmdb_commit(txn);
	return rc == 0 || fail(NULL, rc, why);
}

static bool
visit(struct quarantine *q, const MDB_val *key, const MDB_val *value, quarantine_visit *fn,
	void *arg)
{
	struct quarantined item;

	memcpy(&item.number, key->mv_data, sizeof item.number);
	return !unpack(q, value, &item) || fn(arg, &item);
}

bool
quarantine_walk(
	struct quarantine *q, uint64_t first, quarantine_visit *fn, void *arg, struct error *why)
{
	MDB_cursor *cursor = NULL;
	MDB_txn *txn = NULL;
	MDB_val key = {sizeof first, &first}, value;
	bool more = true;
	int rc = lmdb_begin(q->env, MDB_RDONLY, &txn);

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

	if (lmdb_begin(q->env, MDB_RDONLY, &txn) != 0)
		return 0;
	count = lmdb_rows(txn, q->items);
	mdb_txn_abort(txn);
	return count;
}

void
quarantine_survey(struct quarantine *q, uint64_t *count, uint64_t *oldest_ms)
{
	MDB_cursor *cursor = NULL;
	MDB_val key, value;
	struct elapsed e;
	uint64_t number, at_ms;
	MDB_txn *txn;

	*count = *oldest_ms = 0;
	if (lmdb_begin(q->env, MDB_RDONLY, &txn) != 0)
		return;
	*count = lmdb_rows(txn, q->items);
	if (*count > 0 && mdb_cursor_open(txn, q->items, &cursor) == 0) {
		look_at_clock(q, txn, &e);
		if (mdb_cursor_get(cursor, &key, &value, MDB_FIRST) == 0 &&
			value.mv_size >= sizeof at_ms) {
			memcpy(&number, key.mv_data, sizeof number);
			memcpy(&at_ms, value.mv_data, sizeof at_ms);
			at_ms = elapsed_at(&e, number, at_ms);
			*oldest_ms = e.now_ms > at_ms ? e.now_ms - at_ms : 0;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
}
