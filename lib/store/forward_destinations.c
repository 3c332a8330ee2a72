/* forward_destinations - each destination's row: the stage's part of it, and an operator's. */
#include <stdio.h>

#include "forward_private.h"

/* What the stage writes, all numbers; and what an operator does. */
#define STAGE_NUMBERS(X)                                                                           \
	X(next)                                                                                    \
	X(since_ms)                                                                                \
	X(state)                                                                                   \
	X(state_ms)                                                                                \
	X(status)                                                                                  \
	X(tried_ms) X(done_ms) X(delivered) X(died) X(missed) X(skipped)
#define OPERATOR_NUMBERS(X) X(paused) X(enable) X(skip_to)

#define COLUMN(column) ", " #column
#define COLUMNS "name, cause" STAGE_NUMBERS(COLUMN) OPERATOR_NUMBERS(COLUMN)

static void
read_destination(sqlite3_stmt *row, struct forward_destination *d)
{
	int i = 2;

	*d = (struct forward_destination){.name = ""};
	forward_copy(row, 0, d->name, sizeof d->name);
	forward_copy(row, 1, d->cause, sizeof d->cause);
#define READ(column) d->column = (__typeof__(d->column))forward_number(row, i++);
	STAGE_NUMBERS(READ)
	OPERATOR_NUMBERS(READ)
}

struct visit {
	forward_visit_destination *fn;
	void *arg;
};

static bool
visit_destination(void *arg, sqlite3_stmt *row)
{
	const struct visit *v = arg;
	struct forward_destination d;

	read_destination(row, &d);
	return v->fn(v->arg, &d);
}

bool
forward_destinations(struct forward *f, forward_visit_destination *fn, void *arg, struct error *why)
{
	struct visit v = {fn, arg};

	return forward_each(f, "SELECT " COLUMNS " FROM destination ORDER BY name", NULL, 0,
		visit_destination, &v, why);
}

struct found {
	struct forward_destination *out;
	bool found;
};

static bool
take_found(void *arg, sqlite3_stmt *row)
{
	struct found *in = arg;

	read_destination(row, in->out);
	in->found = true;
	return false;
}

bool
forward_find(struct forward *f, const char *name, struct forward_destination *out, bool *found,
	struct error *why)
{
	struct found in = {out, false};
	const bool good = forward_each(f, "SELECT " COLUMNS " FROM destination WHERE name = ?1",
		VALUES(V_NAME(name)), take_found, &in, why);

	*found = in.found;
	return good;
}

#define PLACE(column) ", ?"
#define SET(column) ", " #column " = excluded." #column

/* The last assignment of a column counts. */
#define STATE_UNLESS_ENABLED                                                                       \
	", state = CASE WHEN destination.enable = ? THEN excluded.state ELSE destination.state END"

/* An `enable` that the stage has not seen yet keeps the state that it gave. A request to skip that came in meanwhile is another one, and stays. */
bool
forward_put(
	struct forward *f, const struct forward_destination *d, bool clear_skip, struct error *why)
{
#define VALUE(column) , V_NUMBER(d->column)
	if (!forward_run(f,
		    "INSERT INTO destination(name, cause" STAGE_NUMBERS(COLUMN) ") VALUES(?, ?" STAGE_NUMBERS(
			    PLACE) ")"
				   " ON CONFLICT(name) DO UPDATE SET cause = excluded.cause" STAGE_NUMBERS(
					   SET) STATE_UNLESS_ENABLED,
		    VALUES(V_NAME(d->name), V_NAME(d->cause) STAGE_NUMBERS(VALUE),
			    V_NUMBER(d->enable)),
		    NULL, why))
		return false;
	return !clear_skip ||
	       forward_run(f, "UPDATE destination SET skip_to = 0 WHERE name = ?1 AND skip_to = ?2",
		       VALUES(V_NAME(d->name), V_NUMBER(d->skip_to)), NULL, why);
}

static bool
drop(struct forward *f, uint64_t dest, struct error *why)
{
	static const char *const all[] = {"DELETE FROM owed WHERE dest = ?1",
		"DELETE FROM letter WHERE dest = ?1", "DELETE FROM attempt WHERE dest = ?1",
		"DELETE FROM ask WHERE dest = ?1", "DELETE FROM job WHERE dest = ?1",
		"DELETE FROM destination WHERE id = ?1"};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!forward_run(f, all[i], VALUES(V_NUMBER(dest)), NULL, why))
			return false;
	return true;
}

bool
forward_forget(struct forward *f, const char *name, struct error *why)
{
	struct forward_destination d;
	uint64_t dest;
	bool found;

	if (!forward_find(f, name, &d, &found, why))
		return false;
	return !found || (forward_dest(f, name, &dest, why) && drop(f, dest, why));
}

/* ---- an operator's ---- */

static bool
change(struct forward *f, const char *sql, const char *name, uint64_t value, bool *found,
	struct error *why)
{
	uint64_t changed;
	const bool good = forward_run(f, sql, VALUES(V_NAME(name), V_NUMBER(value)), &changed, why);

	*found = changed > 0;
	return good;
}

bool
forward_pause(struct forward *f, const char *name, bool paused, bool *found, struct error *why)
{
	return change(
		f, "UPDATE destination SET paused = ?2 WHERE name = ?1", name, paused, found, why);
}

_Static_assert(FORWARD_DOWN == 2 && FORWARD_GONE == 4, "as the statement below has them");

/* While nobody delivers the state is what the next one begins with: it probes. */
bool
forward_enable(struct forward *f, const char *name, bool *found, struct error *why)
{
	return change(f,
		"UPDATE destination SET enable = enable + ?2, state = CASE state WHEN 4"
		" THEN 2 ELSE state END WHERE name = ?1",
		name, 1, found, why);
}

bool
forward_skip(struct forward *f, const char *name, uint64_t to, bool *found, struct error *why)
{
	return change(
		f, "UPDATE destination SET skip_to = ?2 WHERE name = ?1", name, to, found, why);
}
