/* state_sqlite_run - statements prepared, given their values, and run; what else is asked of them. */
#include <stdio.h>

#include "lib/base/clock.h"
#include "state_sqlite_private.h"

enum { COLUMNS_MAX = 16, LOOK_STEPS = 10000 };

enum store_cause
state_cause_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return CAUSE_NONE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return CAUSE_LOCKED;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return CAUSE_MALFORMED;
	case SQLITE_FULL:
		return CAUSE_FULL;
	case SQLITE_IOERR:
		return CAUSE_IO;
	case SQLITE_READONLY:
		return CAUSE_READ_ONLY;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return CAUSE_REFUSED;
	default:
		return CAUSE_TROUBLE;
	}
}

bool
state_fail(struct state_db *db, const char *what, struct error *why)
{
	if (!db->sqlite) {
		db->cause = CAUSE_TROUBLE;
		return error_set(why, "state database: %s: it is not open", what);
	}
	db->cause = state_cause_of(sqlite3_extended_errcode(db->sqlite));
	return error_set(why, "state database: %s: %s", what, sqlite3_errmsg(db->sqlite));
}

static sqlite3_stmt *
prepare(struct state_db *db, enum statement which, struct error *why)
{
	sqlite3_stmt **stmt = &db->prepared[which];

	if (!*stmt && sqlite3_prepare_v3(db->sqlite, state_sql[which].text, -1,
			      SQLITE_PREPARE_PERSISTENT, stmt, NULL) != SQLITE_OK)
		state_fail(db, state_sql[which].name, why);
	return *stmt;
}

/* The bytes stay the caller's: they outlive the run, and bindings are cleared after it. */
static int
bind(sqlite3_stmt *stmt, int place, const struct state_value *v)
{
	switch (v->kind) {
	case STATE_INT:
		return sqlite3_bind_int64(stmt, place, v->number);
	case STATE_TEXT:
		return sqlite3_bind_text64(
			stmt, place, v->text.p, v->text.n, SQLITE_STATIC, SQLITE_UTF8);
	case STATE_NULL:
		break;
	}
	return sqlite3_bind_null(stmt, place);
}

/* A statement with its values, ready to step, or NULL. */
static sqlite3_stmt *
start(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	sqlite3_stmt *stmt = prepare(db, which, why);

	if (!stmt)
		return NULL;
	if ((size_t)sqlite3_bind_parameter_count(stmt) != n) {
		error_set(why, "state database: %s: wrong number of values", state_sql[which].name);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (bind(stmt, (int)i + 1, &values[i]) != SQLITE_OK) {
			state_fail(db, state_sql[which].name, why);
			sqlite3_clear_bindings(stmt);
			return NULL;
		}
	return stmt;
}

static void
finish(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

bool
sqlite_run(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	sqlite3_stmt *stmt = start(db, which, values, n, why);
	int rc;

	if (!stmt)
		return false;
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		state_fail(db, state_sql[which].name, why);
	finish(stmt);
	return rc == SQLITE_DONE;
}

static void
read_cell(sqlite3_stmt *stmt, int column, struct state_cell *cell)
{
	const unsigned char *text;

	*cell = (struct state_cell){.null = sqlite3_column_type(stmt, column) == SQLITE_NULL};
	if (sqlite3_column_type(stmt, column) == SQLITE_TEXT) {
		text = sqlite3_column_text(stmt, column);
		snprintf(cell->text, sizeof cell->text, "%s", text ? (const char *)text : "");
	} else {
		cell->number = sqlite3_column_int64(stmt, column);
	}
}

enum state_row
sqlite_get(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct state_cell *cells, size_t columns, struct error *why)
{
	sqlite3_stmt *stmt = start(db, which, values, n, why);
	enum state_row row = STATE_NO_ROW;
	int rc;

	if (!stmt)
		return STATE_ROW_FAILED;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		row = STATE_ROW;
		for (size_t i = 0; i < columns; i++)
			read_cell(stmt, (int)i, &cells[i]);
	} else if (rc != SQLITE_DONE) {
		row = STATE_ROW_FAILED;
		state_fail(db, state_sql[which].name, why);
	}
	finish(stmt);
	return row;
}

static void
read_values(sqlite3_stmt *stmt, size_t columns, struct state_value *row)
{
	for (int i = 0; i < (int)columns; i++) {
		const int type = sqlite3_column_type(stmt, i);
		const char *text;

		row[i] = (struct state_value){.kind = STATE_NULL};
		if (type == SQLITE_INTEGER) {
			row[i] = SV_INT(sqlite3_column_int64(stmt, i));
		} else if (type != SQLITE_NULL) {
			text = (const char *)sqlite3_column_text(stmt, i);
			row[i].kind = STATE_TEXT;
			row[i].text = (struct slice){
				text ? text : "", (size_t)sqlite3_column_bytes(stmt, i)};
		}
	}
}

bool
sqlite_each(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why)
{
	sqlite3_stmt *stmt = start(db, which, values, n, why);
	struct state_value row[COLUMNS_MAX];
	bool more = true;
	int rc = SQLITE_ROW;

	if (!stmt)
		return false;
	while (more && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		read_values(stmt, columns < COLUMNS_MAX ? columns : COLUMNS_MAX, row);
		more = fn(arg, row);
	}
	if (more && rc != SQLITE_DONE)
		state_fail(db, state_sql[which].name, why);
	finish(stmt);
	return !more || rc == SQLITE_DONE;
}

enum state_row
sqlite_applied_at(struct state_db *db, struct slice journal, uint64_t seq, uint64_t *at_ms)
{
	struct state_cell at = {.number = 0};
	const enum state_row row = sqlite_get(
		db, OWN(APPLIED_ONE), STATE_VALUES(SV_TEXT(journal), SV_INT(seq)), &at, 1, NULL);

	*at_ms = (uint64_t)at.number;
	return row;
}

bool
sqlite_each_marked(struct state_db *db, int64_t mark, state_visit *fn, void *arg, struct error *why)
{
	return sqlite_each(db, OWN(APPLIED_MARKED), STATE_VALUES(SV_INT(mark)), 3, fn, arg, why);
}

static int
is_over(void *arg)
{
	const struct state_db *db = arg;

	return clock_mono_ms() >= db->end_ms;
}

void
sqlite_look_until(struct state_db *db, uint64_t end_ms)
{
	db->end_ms = end_ms;
	sqlite3_progress_handler(db->sqlite, LOOK_STEPS, is_over, db);
}

bool
sqlite_newest(struct state_db *db, struct slice journal, uint64_t *seq)
{
	struct state_cell newest = {.number = 0};
	const enum state_row row = sqlite_get(
		db, OWN(APPLIED_NEWEST), STATE_VALUES(SV_TEXT(journal)), &newest, 1, NULL);

	*seq = (uint64_t)newest.number;
	return row != STATE_ROW_FAILED;
}

bool
sqlite_each_applied(
	struct state_db *db, struct slice journal, state_visit *fn, void *arg, struct error *why)
{
	return sqlite_each(db, OWN(APPLIED_ALL), STATE_VALUES(SV_TEXT(journal)), 1, fn, arg, why);
}

struct faults {
	state_fault *fn;
	void *arg;
	bool sound;
};

static void
tell(struct faults *faults, const char *fault)
{
	faults->sound = false;
	faults->fn(faults->arg, fault);
}

static bool
tell_row(void *arg, const struct state_value *row)
{
	if (!slice_eq(row->text, slice_of("ok")))
		tell(arg, row->text.p);
	return true;
}

bool
sqlite_check(struct state_db *db, state_fault *fn, void *arg)
{
	struct faults faults = {fn, arg, true};
	struct error why = {""};

	if (!sqlite_each(db, OWN(CHECK), NULL, 0, 1, tell_row, &faults, &why))
		tell(&faults, why.text);
	return faults.sound;
}
