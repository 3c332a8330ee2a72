/* elapsed - see elapsed.h. */
#include "elapsed.h"

#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"

enum { SET_MS = 1000, BOOT_ID_LEN = 36 };

/* Its text, folded; 0 where it cannot be read, and then only the time since boot tells. */
static uint64_t
boot_id(void)
{
	static uint64_t id;
	char text[BOOT_ID_LEN + 1];

	if (id == 0 &&
		file_peek("/proc/sys/kernel/random/boot_id", text, sizeof text) == BOOT_ID_LEN)
		for (size_t i = 0; i < BOOT_ID_LEN; i++)
			id = id * 31 + (unsigned char)text[i];
	return id;
}

struct elapsed_note
elapsed_read(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (struct elapsed_note){
		.wall_ms = clock_wall_ms(),
		.boot_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000,
		.boot = boot_id(),
	};
}

static bool
newest(struct elapsed *e)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	bool found;

	if (mdb_cursor_open(e->txn, e->table, &cursor) != 0)
		return false;
	found = mdb_cursor_get(cursor, &key, &value, MDB_LAST) == 0 &&
		key.mv_size == sizeof e->from && value.mv_size == sizeof e->note;
	if (found) {
		memcpy(&e->from, key.mv_data, sizeof e->from);
		memcpy(&e->note, value.mv_data, sizeof e->note);
	}
	mdb_cursor_close(cursor);
	return found;
}

/* From here on it is ms. */
static void
set(struct elapsed *e, const struct elapsed_note *now, uint64_t ms)
{
	e->note = *now;
	e->note.ahead_ms = (int64_t)(now->wall_ms - ms);
	e->now_ms = ms;
	e->from = UINT64_MAX;
}

void
elapsed_look(struct elapsed *e, MDB_txn *txn, MDB_dbi table, const struct elapsed_note *now)
{
	uint64_t ms;
	int64_t off;

	*e = (struct elapsed){.txn = txn, .table = table};
	if (!newest(e)) {
		set(e, now, now->wall_ms);
		return;
	}
	e->rebooted = e->note.boot != now->boot || e->note.boot_ms > now->boot_ms;
	ms = e->note.wall_ms - (uint64_t)e->note.ahead_ms;
	if (!e->rebooted)
		ms += now->boot_ms - e->note.boot_ms;
	e->now_ms = now->wall_ms - (uint64_t)e->note.ahead_ms;
	off = (int64_t)(e->now_ms - ms);
	if (e->rebooted || off > SET_MS || off < -SET_MS)
		set(e, now, ms);
}

void
elapsed_not_before(struct elapsed *e, uint64_t ms)
{
	if (e->rebooted && ms > e->now_ms)
		set(e, &e->note, ms);
}

uint64_t
elapsed_at(const struct elapsed *e, uint64_t number, uint64_t at_ms)
{
	struct elapsed_note note = {.ahead_ms = 0};
	MDB_val key = lmdb_val(&number, sizeof number), value;
	uint64_t found;
	MDB_cursor *cursor;
	int rc;

	if (number >= e->from)
		return at_ms - (uint64_t)e->note.ahead_ms;
	if (mdb_cursor_open(e->txn, e->table, &cursor) != 0)
		return at_ms;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == 0)
		memcpy(&found, key.mv_data, sizeof found);
	if (rc != 0 || found != number)
		rc = mdb_cursor_get(cursor, &key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
	if (rc == 0 && value.mv_size == sizeof note)
		memcpy(&note, value.mv_data, sizeof note);
	mdb_cursor_close(cursor);
	return at_ms - (uint64_t)note.ahead_ms;
}

/* A store that was emptied may give numbers out again: what was noted of them is of rows that are gone. */
static int
forget_from(const struct elapsed *e, uint64_t first)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t from;
	int rc = mdb_cursor_open(e->txn, e->table, &cursor);

	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST)) == 0) {
		memcpy(&from, key.mv_data, sizeof from);
		if (from < first || (rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return lmdb_unless_missing(rc);
}

int
elapsed_write(struct elapsed *e, uint64_t first)
{
	MDB_val key = lmdb_val(&first, sizeof first);
	MDB_val value = lmdb_val(&e->note, sizeof e->note);
	int rc;

	if (e->from <= first)
		return 0;
	rc = forget_from(e, first);
	e->from = first;
	return rc ? rc : mdb_put(e->txn, e->table, &key, &value, 0);
}

int
elapsed_trim(const struct elapsed *e, uint64_t first)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t second = UINT64_MAX;
	int rc;

	if (lmdb_rows(e->txn, e->table) < 2)
		return 0;
	rc = mdb_cursor_open(e->txn, e->table, &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	if (rc == 0)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	if (rc == 0)
		memcpy(&second, key.mv_data, sizeof second);
	if (rc == 0 && second <= first)
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	if (rc == 0 && second <= first)
		rc = mdb_cursor_del(cursor, 0);
	mdb_cursor_close(cursor);
	return rc;
}
