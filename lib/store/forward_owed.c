/* forward_owed - what a destination is still owed, and what of it is due. */
#include "forward_private.h"

/* So many due rows are sorted. Of more, at least every so-and-so-many-th is due, and they are met soon in the order
 * of their numbers. */
#define SORTED_MOST "2048"

#define OWED_NUMBERS(X) X(attempts) X(tries) X(due_ms) X(lane) X(began_ms) X(status) X(behind)
#define OWED_TEXTS(X) X(id) X(type) X(email) X(body)
#define COLUMN(column) ", " #column
#define PLACE(column) ", ?"
#define SET(column) #column " = excluded." #column ", "
#define KEEP(column) ", " #column " = ifnull(excluded." #column ", " #column ")"
#define NUMBER(column) , V_NUMBER(owed->column)
#define TEXT(column) , V_TEXT(owed->column)

bool
forward_owe(struct forward *f, const char *name, const struct forward_owed *owed, struct error *why)
{
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_run(f,
		       "INSERT INTO owed(dest, job, first, last" OWED_NUMBERS(COLUMN) OWED_TEXTS(
			       COLUMN) ") VALUES(?, ?, ?, ?" OWED_NUMBERS(PLACE)
			       OWED_TEXTS(PLACE) ") ON CONFLICT DO UPDATE SET " OWED_NUMBERS(
				       SET) "first = first" OWED_TEXTS(KEEP),
		       VALUES(V_NUMBER(dest), V_NUMBER(owed->job), V_NUMBER(owed->first),
			       V_NUMBER(owed->last) OWED_NUMBERS(NUMBER) OWED_TEXTS(TEXT)),
		       NULL, why);
}

bool
forward_settle(struct forward *f, const char *name, uint64_t job, uint64_t first, uint64_t last,
	struct error *why)
{
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_run(f,
		       "DELETE FROM owed WHERE dest = ?1 AND job = ?2 AND first = ?3 AND last = ?4",
		       VALUES(V_NUMBER(dest), V_NUMBER(job), V_NUMBER(first), V_NUMBER(last)), NULL,
		       why);
}

/* Cuts do not overlap: the last one that begins there or before has it, or none. */
bool
forward_owes(struct forward *f, const char *name, uint64_t pos, bool *owes, uint64_t *due_ms,
	struct error *why)
{
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_ask_number(f,
		       "SELECT iif(last >= ?2, due_ms, NULL) FROM owed WHERE dest = ?1 AND job = 0"
		       " AND first <= ?2 ORDER BY first DESC LIMIT 1",
		       VALUES(V_NUMBER(dest), V_NUMBER(pos)), due_ms, owes, why);
}

#define OWED_SQL(from) "SELECT job, first, last" OWED_NUMBERS(COLUMN) OWED_TEXTS(COLUMN) from

/* Each walks one index, and goes to the row for those few that are wanted. */
#define DUE_BY(index)                                                                              \
	OWED_SQL(" FROM owed WHERE (dest, job, first, last) IN (SELECT dest, job, first, last"     \
		 " FROM owed INDEXED BY " index " WHERE dest = ?1 AND due_ms <= ?2"                \
		 " ORDER BY first LIMIT ?3) ORDER BY first, job")
#define DUE_SORTED DUE_BY("owed_due")
#define DUE_AS_THEY_COME DUE_BY("owed_first")

struct visit {
	forward_visit_owed *fn;
	void *arg;
};

static bool
visit_owed(void *arg, sqlite3_stmt *row)
{
	const struct visit *v = arg;
	struct forward_owed owed = {.job = forward_number(row, 0),
		.first = forward_number(row, 1),
		.last = forward_number(row, 2)};
	int i = 3;

#define READ_NUMBER(column) owed.column = (__typeof__(owed.column))forward_number(row, i++);
#define READ_TEXT(column) owed.column = forward_text(row, i++);
	OWED_NUMBERS(READ_NUMBER)
	OWED_TEXTS(READ_TEXT)
	return v->fn(v->arg, &owed);
}

bool
forward_due(struct forward *f, const char *name, uint64_t now_ms, size_t most,
	forward_visit_owed *fn, void *arg, struct error *why)
{
	struct visit v = {fn, arg};
	uint64_t dest;
	bool many = false;

	if (!forward_dest(f, name, &dest, why) ||
		!forward_ask_number(f,
			"SELECT 1 FROM owed INDEXED BY owed_due WHERE dest = ?1"
			" AND due_ms <= ?2 LIMIT 1 OFFSET " SORTED_MOST,
			VALUES(V_NUMBER(dest), V_NUMBER(now_ms)), &(uint64_t){0}, &many, why))
		return false;
	return forward_each(f, many ? DUE_AS_THEY_COME : DUE_SORTED,
		VALUES(V_NUMBER(dest), V_NUMBER(now_ms), V_NUMBER(most)), visit_owed, &v, why);
}

#define LEAST                                                                                      \
	"SELECT first FROM owed INDEXED BY owed_least WHERE dest = ?1 AND body IS NULL"            \
	" ORDER BY first LIMIT 1"
#define EARLIEST                                                                                   \
	"SELECT due_ms FROM owed INDEXED BY owed_due WHERE dest = ?1"                              \
	" AND due_ms > 0 ORDER BY due_ms LIMIT 1"

bool
forward_owing(struct forward *f, const char *name, struct forward_owing *out, struct error *why)
{
	uint64_t dest;

	*out = (struct forward_owing){.count = 0};
	return forward_dest(f, name, &dest, why) &&
	       forward_ask_number(f, "SELECT owed FROM destination WHERE id = ?1",
		       VALUES(V_NUMBER(dest)), &out->count, NULL, why) &&
	       forward_ask_number(f, "SELECT letters FROM destination WHERE id = ?1",
		       VALUES(V_NUMBER(dest)), &out->letters, NULL, why) &&
	       forward_ask_number(f, LEAST, VALUES(V_NUMBER(dest)), &out->least, NULL, why) &&
	       forward_ask_number(f, EARLIEST, VALUES(V_NUMBER(dest)), &out->due_ms, NULL, why);
}

/* ---- in order of a recipient ---- */

#define FIRST_OF_LANE                                                                              \
	"SELECT first, began_ms FROM owed INDEXED BY owed_lane"                                    \
	" WHERE dest = ?1 AND lane = ?2 AND lane != 0 ORDER BY first LIMIT 1"
#define NEXT_OF_LANE                                                                               \
	OWED_SQL(" FROM owed INDEXED BY owed_lane WHERE dest = ?1 AND lane = ?2 AND lane != 0"     \
		 " AND behind = 1 ORDER BY first")
#define FREE_LANES                                                                                 \
	"UPDATE owed SET due_ms = 0 WHERE dest = ?1 AND behind = 1 AND NOT EXISTS"                 \
	" (SELECT 1 FROM owed AS o INDEXED BY owed_lane WHERE o.dest = owed.dest"                  \
	" AND o.lane = owed.lane AND o.lane != 0 AND o.behind = 0)"

static bool
see_lane(void *arg, sqlite3_stmt *row)
{
	struct forward_lane *lane = arg;

	lane->first = forward_number(row, 0);
	lane->began_ms = forward_number(row, 1);
	return false;
}

bool
forward_lane(struct forward *f, const char *name, uint64_t lane, struct forward_lane *out,
	struct error *why)
{
	uint64_t dest;

	*out = (struct forward_lane){.first = 0};
	return forward_dest(f, name, &dest, why) &&
	       forward_each(f, FIRST_OF_LANE, VALUES(V_NUMBER(dest), V_NUMBER(lane)), see_lane, out,
		       why);
}

bool
forward_lane_next(struct forward *f, const char *name, uint64_t lane, forward_visit_owed *fn,
	void *arg, struct error *why)
{
	struct visit v = {fn, arg};
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_each(f, NEXT_OF_LANE, VALUES(V_NUMBER(dest), V_NUMBER(lane)), visit_owed, &v,
		       why);
}

struct visit_lane {
	forward_visit_lane *fn;
	void *arg;
};

static bool
visit_lane(void *arg, sqlite3_stmt *row)
{
	const struct visit_lane *v = arg;

	return v->fn(v->arg, forward_number(row, 0), forward_number(row, 1));
}

bool
forward_lanes(
	struct forward *f, const char *name, forward_visit_lane *fn, void *arg, struct error *why)
{
	struct visit_lane v = {fn, arg};
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_each(f,
		       "SELECT lane, count(*) FROM owed INDEXED BY owed_lane"
		       " WHERE dest = ?1 AND lane != 0 GROUP BY lane",
		       VALUES(V_NUMBER(dest)), visit_lane, &v, why);
}

bool
forward_lanes_free(struct forward *f, const char *name, struct error *why)
{
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_run(f, FREE_LANES, VALUES(V_NUMBER(dest)), NULL, why);
}

bool
forward_shift(struct forward *f, const char *name, int64_t ms, struct error *why)
{
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_run(f,
		       "UPDATE owed SET due_ms = max(1, due_ms + ?2) WHERE dest = ?1 AND due_ms > 0",
		       VALUES(V_NUMBER(dest), V_NUMBER(ms)), NULL, why);
}
