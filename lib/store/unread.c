/* unread - see unread.h. */
#include "unread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "elapsed.h"

enum { READERS = 64, EXPIRE_MOST = 64, ROW_BYTES = 256, TABLES = 4 };

static const char NEXT[] = "next";

struct unread {
	MDB_env *env;
	MDB_dbi items, marks, clock, meta;
	MDB_txn *write;
	struct elapsed elapsed; /* of `write` */
	msgpack_zone zone;      /* of the item that is shown */
	msgpack_zone removing;  /* of the one that goes, which may be the same */
	msgpack_sbuffer out;
	uint64_t limit_bytes, max_age_ms;
};

struct mark {
	unsigned char digest[16];
};

#define UNREAD_ROW(kind_, name_, max_, doc_)                                                       \
	{.name = #name_,                                                                           \
		.name_len = sizeof #name_ - 1,                                                     \
		.kind = FIELD_##kind_,                                                             \
		.offset = offsetof(struct unread_item, name_),                                     \
		.max = (max_),                                                                     \
		.doc = (doc_)},
static const struct frame_field fields[] = {UNREAD_FIELDS(UNREAD_ROW)};
static const struct frame_schema unread_schema = {
	"unread", fields, sizeof fields / sizeof *fields, FRAME_VERSION};

/* ---- open, close ---- */

static int
open_env(struct unread *u, const struct config *cfg, const char *dir, bool watch)
{
	const struct lmdb_table tables[TABLES] = {
		{"items", MDB_INTEGERKEY, &u->items, NULL},
		{"marks", 0, &u->marks, NULL},
		{"clock", MDB_INTEGERKEY | LMDB_LATER, &u->clock, NULL},
		{"meta", 0, &u->meta, NULL},
	};
	const struct lmdb_plan plan = {dir, cfg->unread.max_bytes, READERS, watch, tables, TABLES};

	return lmdb_open(&plan, &u->env);
}

bool
unread_is_there(const struct config *cfg)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/unread/data.mdb", cfg->data_dir);
	return access(path, F_OK) == 0 || errno != ENOENT;
}

struct unread *
unread_open(const struct config *cfg, enum unread_use use, struct error *why)
{
	struct unread *u = calloc(1, sizeof *u);
	char dir[4096], what[4200];
	int rc = u ? 0 : ENOMEM;

	snprintf(dir, sizeof dir, "%s/unread", cfg->data_dir);
	if (u) {
		msgpack_zone_init(&u->zone, 4096);
		msgpack_zone_init(&u->removing, 4096);
		msgpack_sbuffer_init(&u->out);
		u->limit_bytes = lmdb_limit(cfg->unread.max_bytes & ~(uint64_t)0xffff);
		u->max_age_ms = cfg->unread.max_age_ms;
		rc = open_env(u, cfg, dir, use == UNREAD_WATCH);
	}
	if (rc != 0) {
		snprintf(what, sizeof what, "cannot open what is unread in %s", dir);
		lmdb_trouble(rc, what, "full (unread.max_size)", why);
		unread_close(&u);
	}
	return u;
}

void
unread_close(struct unread **u)
{
	if (!*u)
		return;
	unread_abort(*u);
	lmdb_close(&(*u)->env);
	msgpack_zone_destroy(&(*u)->zone);
	msgpack_zone_destroy(&(*u)->removing);
	msgpack_sbuffer_destroy(&(*u)->out);
	free(*u);
	*u = NULL;
}

/* ---- a group ---- */

static enum store_rc
trouble(int rc, struct error *why)
{
	return lmdb_trouble(rc, "what is unread", "full (unread.max_size)", why);
}

/* The group is over. */
static enum store_rc
give_up(struct unread *u, int rc, struct error *why)
{
	unread_abort(u);
	trouble(rc, why);
	return STORE_FAILED;
}

static bool unpack(
	const MDB_val *key, const MDB_val *value, msgpack_zone *zone, struct unread_item *item);

static void
look_at_clock(struct unread *u, MDB_txn *txn, struct elapsed *e)
{
	const struct elapsed_note now = elapsed_read();
	const uint64_t last = lmdb_last(txn, u->items);
	MDB_val key = lmdb_val(&last, sizeof last), value;
	struct unread_item item;

	elapsed_look(e, txn, u->clock, &now);
	if (e->rebooted && mdb_get(txn, u->items, &key, &value) == 0 &&
		unpack(&key, &value, &u->zone, &item))
		elapsed_not_before(e, elapsed_at(e, last, item.at));
}

enum store_rc
unread_begin(struct unread *u, struct error *why)
{
	int rc = lmdb_begin(u->env, 0, &u->write);

	if (rc != 0) {
		u->write = NULL;
		return trouble(rc, why);
	}
	look_at_clock(u, u->write, &u->elapsed);
	rc = elapsed_write(&u->elapsed, lmdb_last(u->write, u->items) + 1);
	return rc == 0 ? STORE_OK : give_up(u, rc, why);
}

void
unread_abort(struct unread *u)
{
	if (u->write)
		mdb_txn_abort(u->write);
	u->write = NULL;
}

enum store_rc
unread_commit(struct unread *u, struct error *why)
{
	int rc;

	if (!u->write) {
		error_set(why, "what is unread: the group is over");
		return STORE_FAILED;
	}
	rc = lmdb_commit(u->write);
	u->write = NULL;
	return rc == 0 ? STORE_OK : trouble(rc, why);
}

static bool
mark_of(const struct unread_item *item, struct mark *mark)
{
	const struct slice parts[] = {item->source, item->reason, item->body};
	const char listed = item->listed ? 1 : 0;
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
		    EVP_DigestUpdate(ctx, &listed, 1) == 1;

	for (size_t i = 0; good && i < sizeof parts / sizeof *parts; i++)
		good = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) == 1 &&
		       EVP_DigestUpdate(ctx, "", 1) == 1;
	good = good && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (good)
		memcpy(mark->digest, digest, sizeof mark->digest);
	return good;
}

static int
read_number(MDB_txn *txn, MDB_dbi table, MDB_val key, uint64_t *number)
{
	MDB_val value;
	const int rc = mdb_get(txn, table, &key, &value);

	if (rc == 0 && value.mv_size != sizeof *number)
		return MDB_CORRUPTED;
	if (rc == 0)
		memcpy(number, value.mv_data, sizeof *number);
	return rc;
}

/* Numbers are never given out twice, so that an operator's list stays true. */
static int
next_number(struct unread *u, uint64_t *number)
{
	MDB_val key = lmdb_val(NEXT, sizeof NEXT), value;
	int rc = lmdb_unless_missing(read_number(u->write, u->meta, key, number));
	uint64_t next;

	if (rc == 0 && *number <= lmdb_last(u->write, u->items))
		*number = lmdb_last(u->write, u->items) + 1;
	next = *number + 1;
	value = lmdb_val(&next, sizeof next);
	return rc ? rc : mdb_put(u->write, u->meta, &key, &value, 0);
}

static int
append(struct unread *u, const struct mark *mark, uint64_t *number)
{
	MDB_val key = lmdb_val(mark, sizeof *mark), value;
	int rc = next_number(u, number);

	value = lmdb_val(number, sizeof *number);
	if (rc == 0)
		rc = mdb_put(u->write, u->marks, &key, &value, 0);
	key = lmdb_val(number, sizeof *number);
	value = lmdb_val(u->out.data, u->out.size);
	return rc ? rc : mdb_put(u->write, u->items, &key, &value, MDB_APPEND);
}

static uint64_t
used(const struct unread *u, MDB_txn *txn)
{
	return lmdb_used(txn, u->items) + lmdb_used(txn, u->marks) + lmdb_used(txn, u->clock) +
	       lmdb_used(txn, u->meta);
}

enum store_rc
unread_put(struct unread *u, const struct unread_item *item, uint64_t *number, struct error *why)
{
	struct mark mark = {{0}};
	int rc;

	if (!u->write)
		return give_up(u, EINVAL, why);
	msgpack_sbuffer_clear(&u->out);
	if (!mark_of(item, &mark) || !frame_pack(&unread_schema, item, &u->out))
		return give_up(u, ENOMEM, why);
	*number = 0;
	rc = read_number(u->write, u->marks, lmdb_val(&mark, sizeof mark), number);
	if (rc == 0)
		return STORE_OK;
	if (rc == MDB_NOTFOUND && used(u, u->write) + u->out.size + ROW_BYTES > u->limit_bytes)
		return trouble(MDB_MAP_FULL, why);
	rc = rc == MDB_NOTFOUND ? append(u, &mark, number) : rc;
	return rc == 0 ? STORE_OK : give_up(u, rc, why);
}

static bool
unpack(const MDB_val *key, const MDB_val *value, msgpack_zone *zone, struct unread_item *item)
{
	if (key->mv_size != sizeof item->number)
		return false;
	msgpack_zone_clear(zone);
	if (!frame_unpack(&unread_schema, value->mv_data, value->mv_size, zone, item, NULL))
		return false;
	memcpy(&item->number, key->mv_data, sizeof item->number);
	return true;
}

/* The mark only while it is this item's. */
static int
remove_row(struct unread *u, MDB_val key, const MDB_val *value)
{
	struct unread_item item;
	struct mark mark = {{0}};
	uint64_t number = 0;
	MDB_val name = lmdb_val(&mark, sizeof mark);

	if (unpack(&key, value, &u->removing, &item) && mark_of(&item, &mark) &&
		read_number(u->write, u->marks, name, &number) == 0 && number == item.number) {
		const int rc = mdb_del(u->write, u->marks, &name, NULL);

		if (rc != 0)
			return rc;
	}
	return mdb_del(u->write, u->items, &key, NULL);
}

enum store_rc
unread_remove(struct unread *u, uint64_t number, struct error *why)
{
	MDB_val key = lmdb_val(&number, sizeof number), value;
	int rc;

	if (!u->write)
		return give_up(u, EINVAL, why);
	rc = mdb_get(u->write, u->items, &key, &value);
	if (rc == 0)
		rc = remove_row(u, key, &value);
	return lmdb_unless_missing(rc) == 0 ? STORE_OK : give_up(u, rc, why);
}

/* ---- age ---- */

static bool
is_old(const struct unread *u, const struct elapsed *e, const struct unread_item *item,
	uint64_t now_ms)
{
	return elapsed_at(e, item->number, item->at) + u->max_age_ms <=
	       now_ms - (uint64_t)e->note.ahead_ms;
}

/* The oldest; one that cannot be made out is for fsck to tell, and stays. */
static bool
oldest(struct unread *u, MDB_txn *txn, uint64_t *from, struct unread_item *item)
{
	MDB_val key = lmdb_val(from, sizeof *from), value;
	MDB_cursor *cursor;
	bool found = false;
	int rc = mdb_cursor_open(txn, u->items, &cursor);

	if (rc != 0)
		return false;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && !(found = unpack(&key, &value, &u->zone, item)))
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	mdb_cursor_close(cursor);
	if (found)
		*from = item->number;
	return found;
}

static bool
any_is_old(struct unread *u, uint64_t now_ms)
{
	struct unread_item item;
	struct elapsed e;
	uint64_t from = 0;
	MDB_txn *txn;
	bool old;

	if (lmdb_begin(u->env, MDB_RDONLY, &txn) != 0)
		return false;
	look_at_clock(u, txn, &e);
	old = oldest(u, txn, &from, &item) && is_old(u, &e, &item, now_ms);
	mdb_txn_abort(txn);
	return old;
}

enum store_rc
unread_expire(struct unread *u, uint64_t now_ms, unread_visit *fn, void *arg, size_t *count,
	struct error *why)
{
	struct unread_item item;
	uint64_t from = 0;
	enum store_rc rc;

	*count = 0;
	if (!any_is_old(u, now_ms))
		return STORE_OK;
	rc = unread_begin(u, why);
	while (rc == STORE_OK && *count < EXPIRE_MOST && oldest(u, u->write, &from, &item) &&
		is_old(u, &u->elapsed, &item, now_ms)) {
		if (fn)
			fn(arg, &item);
		rc = unread_remove(u, item.number, why);
		++*count;
	}
	if (rc == STORE_OK && elapsed_trim(&u->elapsed, lmdb_first(u->write, u->items)) != 0)
		rc = give_up(u, EIO, why);
	return rc == STORE_OK ? unread_commit(u, why) : rc;
}

/* ---- a look ---- */

/* One walk over all rows from a number on; damaged counts those that cannot be made out. */
static int
walk(struct unread *u, uint64_t first, unread_visit *fn, void *arg, uint64_t *damaged)
{
	MDB_val key = lmdb_val(&first, sizeof first), value;
	MDB_cursor *cursor = NULL;
	struct unread_item item;
	MDB_txn *txn = NULL;
	bool more = true;
	int rc = lmdb_begin(u->env, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, u->items, &cursor);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && more) {
		if (unpack(&key, &value, &u->zone, &item))
			more = fn(arg, &item);
		else
			++*damaged;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return lmdb_unless_missing(rc);
}

bool
unread_walk(struct unread *u, uint64_t first, unread_visit *fn, void *arg, struct error *why)
{
	uint64_t damaged = 0;
	const int rc = walk(u, first, fn, arg, &damaged);

	return rc == 0 || (trouble(rc, why), false);
}

static bool
pass_over(void *arg, const struct unread_item *item)
{
	(void)arg;
	(void)item;
	return true;
}

bool
unread_stat(struct unread *u, bool whole, struct unread_stat *st)
{
	MDB_txn *txn;

	*st = (struct unread_stat){.limit_bytes = u->limit_bytes};
	if (lmdb_begin(u->env, MDB_RDONLY, &txn) != 0)
		return false;
	st->count = lmdb_rows(txn, u->items);
	st->used_bytes = used(u, txn);
	mdb_txn_abort(txn);
	return !whole || walk(u, 0, pass_over, NULL, &st->damaged) == 0;
}
