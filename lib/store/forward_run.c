/* forward_run - statements prepared, given their values, and run. */
#include <stdio.h>
#include <string.h>

#include "forward_private.h"

static sqlite3_stmt *
prepare(struct forward *f, const char *sql, struct error *why)
{
	size_t i = 0;

	while (i < FORWARD_STATEMENTS && f->kept[i].text && f->kept[i].text != sql)
		i++;
	if (i == FORWARD_STATEMENTS) {
		error_set(why, "forward.db: too many statements");
		return NULL;
	}
	if (!f->kept[i].stmt)
		f->kept[i].stmt = sql_prepare(f->db, sql, why);
	f->kept[i].text = f->kept[i].stmt ? sql : NULL;
	return f->kept[i].stmt;
}

static int
bind(sqlite3_stmt *stmt, int place, const struct forward_value *v)
{
	if (v->kind == VALUE_NUMBER)
		return sqlite3_bind_int64(stmt, place, (int64_t)v->number);
	if (!v->text.p)
		return sqlite3_bind_null(stmt, place);
	return sqlite3_bind_text64(stmt, place, v->text.p, v->text.n, SQLITE_STATIC, SQLITE_UTF8);
}

sqlite3_stmt *
forward_start(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	struct error *why)
{
	sqlite3_stmt *stmt = prepare(f, sql, why);

	for (size_t i = 0; stmt && i < n; i++)
		if (bind(stmt, (int)i + 1, &values[i]) != SQLITE_OK) {
			sql_fail(f->db, "giving it its values", why);
			forward_done(stmt);
			return NULL;
		}
	return stmt;
}

int
forward_step(struct forward *f, sqlite3_stmt *stmt, struct error *why)
{
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		f->trouble = sql_result(f->db);
		sql_fail(f->db, sqlite3_stmt_readonly(stmt) ? "reading" : "writing", why);
		return -1;
	}
}

void
forward_done(sqlite3_stmt *stmt)
{
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

uint64_t
forward_number(sqlite3_stmt *stmt, int column)
{
	return (uint64_t)sqlite3_column_int64(stmt, column);
}

struct slice
forward_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return (struct slice){text, (size_t)sqlite3_column_bytes(stmt, column)};
}

void
forward_copy(sqlite3_stmt *stmt, int column, char *out, size_t size)
{
	const struct slice text = slice_cut(forward_text(stmt, column), size - 1);

	snprintf(out, size, "%.*s", SLICE_ARG(text));
}

bool
forward_run(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	uint64_t *changed, struct error *why)
{
	sqlite3_stmt *stmt = forward_start(f, sql, values, n, why);
	int rc = stmt ? forward_step(f, stmt, why) : -1;

	if (changed)
		*changed = rc < 0 ? 0 : (uint64_t)sqlite3_changes64(f->db);
	if (stmt)
		forward_done(stmt);
	return rc >= 0;
}

bool
forward_ask_number(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	uint64_t *number, bool *found, struct error *why)
{
	sqlite3_stmt *stmt = forward_start(f, sql, values, n, why);
	int rc = stmt ? forward_step(f, stmt, why) : -1;

	*number = rc > 0 ? forward_number(stmt, 0) : 0;
	if (found)
		*found = rc > 0 && sqlite3_column_type(stmt, 0) != SQLITE_NULL;
	if (stmt)
		forward_done(stmt);
	return rc >= 0;
}

bool
forward_each(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	forward_row *fn, void *arg, struct error *why)
{
	sqlite3_stmt *stmt = forward_start(f, sql, values, n, why);
	int rc = -1;

	if (!stmt)
		return false;
	while ((rc = forward_step(f, stmt, why)) > 0 && fn(arg, stmt))
		;
	forward_done(stmt);
	return rc >= 0;
}

bool
forward_dest(struct forward *f, const char *name, uint64_t *dest, struct error *why)
{
	bool found;

	if (!forward_ask_number(f, "SELECT id FROM destination WHERE name = ?1",
		    VALUES(V_NAME(name)), dest, &found, why))
		return false;
	return found || error_set(why, "forward.db: knows no destination \"%s\"", name);
}

bool
forward_act(struct forward *f, bool *own, struct error *why)
{
	*own = !f->began;
	return f->began || forward_begin(f, why);
}

bool
forward_act_end(struct forward *f, bool own, bool good, struct error *why)
{
	if (!own)
		return good;
	if (good)
		return forward_commit(f, why) == STORE_OK;
	forward_rollback(f);
	return false;
}
