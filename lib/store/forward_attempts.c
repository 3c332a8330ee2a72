/* forward_attempts - what was tried lately with which answer; and the tests that are asked for. */
#include "forward_private.h"

enum { ATTEMPTS_MOST = 10000, SPARE_PAGES = 4096, TIDIED_AT_ONCE = 4096 };
static const uint64_t ATTEMPTS_MS = (uint64_t)7 * 24 * 3600 * 1000;

#define ATTEMPT_NUMBERS(X) X(ask) X(at_ms) X(took_us) X(try) X(status)
#define ATTEMPT_TEXTS(X) X(id) X(type) X(reason) X(cause) X(answer)
#define COLUMN(column) ", " #column
#define PLACE(column) ", ?"

bool
forward_attempted(struct forward *f, const char *name, const struct forward_attempt *attempt,
	struct error *why)
{
	uint64_t dest;

#define NUMBER(column) , V_NUMBER(attempt->column)
#define TEXT(column) , V_TEXT(attempt->column)
	return forward_dest(f, name, &dest, why) &&
	       forward_run(f,
		       "INSERT INTO attempt(dest" ATTEMPT_NUMBERS(COLUMN) ATTEMPT_TEXTS(
			       COLUMN) ") VALUES(?" ATTEMPT_NUMBERS(PLACE) ATTEMPT_TEXTS(PLACE) ")",
		       VALUES(V_NUMBER(dest) ATTEMPT_NUMBERS(NUMBER) ATTEMPT_TEXTS(TEXT)), NULL,
		       why);
}

struct visit {
	forward_visit_attempt *fn;
	void *arg;
};

static bool
visit_attempt(void *arg, sqlite3_stmt *row)
{
	const struct visit *v = arg;
	struct forward_attempt attempt = {.number = forward_number(row, 0)};
	int i = 1;

#define READ_NUMBER(column) attempt.column = (__typeof__(attempt.column))forward_number(row, i++);
#define READ_TEXT(column) attempt.column = forward_text(row, i++);
	ATTEMPT_NUMBERS(READ_NUMBER)
	ATTEMPT_TEXTS(READ_TEXT)
	return v->fn(v->arg, &attempt);
}

#define ATTEMPT_SQL "SELECT number" ATTEMPT_NUMBERS(COLUMN) ATTEMPT_TEXTS(COLUMN) " FROM attempt "

bool
forward_attempts(struct forward *f, const char *name, struct slice id, uint64_t below, size_t most,
	forward_visit_attempt *fn, void *arg, struct error *why)
{
	struct visit v = {fn, arg};
	uint64_t dest;

	if (!forward_dest(f, name, &dest, why))
		return false;
	below = below ? below : INT64_MAX;
	most = most > INT64_MAX ? INT64_MAX : most;
	if (id.p)
		return forward_each(f,
			ATTEMPT_SQL "INDEXED BY attempt_id WHERE dest = ?1 AND id = ?2"
				    " AND number < ?3 ORDER BY number DESC LIMIT ?4",
			VALUES(V_NUMBER(dest), V_TEXT(id), V_NUMBER(below), V_NUMBER(most)),
			visit_attempt, &v, why);
	return forward_each(f,
		ATTEMPT_SQL "INDEXED BY attempt_of WHERE dest = ?1 AND number < ?2"
			    " ORDER BY number DESC LIMIT ?3",
		VALUES(V_NUMBER(dest), V_NUMBER(below), V_NUMBER(most)), visit_attempt, &v, why);
}

/* Pages that a backlog has left go back to the disk, where there are many of them. */
static bool
give_back(struct forward *f, struct error *why)
{
	uint64_t spare;

	return forward_ask_number(f, "PRAGMA freelist_count", NULL, 0, &spare, NULL, why) &&
	       (spare < SPARE_PAGES || sql_exec(f->db, "PRAGMA incremental_vacuum(1000)", why));
}

/* Of the oldest: as many as are too many. */
static bool
drop_many(struct forward *f, uint64_t dest, uint64_t *dropped, struct error *why)
{
	uint64_t count, many;

	*dropped = 0;
	if (!forward_ask_number(f, "SELECT attempts FROM destination WHERE id = ?1",
		    VALUES(V_NUMBER(dest)), &count, NULL, why))
		return false;
	many = count > ATTEMPTS_MOST ? count - ATTEMPTS_MOST : 0;
	many = many > TIDIED_AT_ONCE ? TIDIED_AT_ONCE : many;
	return !many || forward_run(f,
				"DELETE FROM attempt WHERE number IN (SELECT number FROM attempt"
				" INDEXED BY attempt_of WHERE dest = ?1 ORDER BY number LIMIT ?2)",
				VALUES(V_NUMBER(dest), V_NUMBER(many)), dropped, why);
}

bool
forward_tidy(struct forward *f, const char *name, uint64_t now_ms, struct error *why)
{
	const uint64_t before = now_ms > ATTEMPTS_MS ? now_ms - ATTEMPTS_MS : 0;
	uint64_t dest, many, old;

	if (!forward_dest(f, name, &dest, why) || !drop_many(f, dest, &many, why) ||
		!give_back(f, why))
		return false;
	return forward_run(f,
		       "DELETE FROM attempt WHERE at_ms < ?2 AND number IN (SELECT number FROM"
		       " attempt INDEXED BY attempt_of WHERE dest = ?1 ORDER BY number LIMIT ?3)",
		       VALUES(V_NUMBER(dest), V_NUMBER(before), V_NUMBER(TIDIED_AT_ONCE)), &old,
		       why) &&
	       (many == TIDIED_AT_ONCE || old == TIDIED_AT_ONCE);
}

/* ---- tests ---- */

bool
forward_ask(struct forward *f, const char *name, uint64_t pos, uint64_t *ask, struct error *why)
{
	uint64_t dest;

	*ask = 0;
	if (!forward_dest(f, name, &dest, why) ||
		!forward_run(f, "INSERT INTO ask(dest, pos) VALUES(?1, ?2)",
			VALUES(V_NUMBER(dest), V_NUMBER(pos)), NULL, why))
		return false;
	*ask = (uint64_t)sqlite3_last_insert_rowid(f->db);
	return true;
}

struct visit_asks {
	forward_visit_ask *fn;
	void *arg;
};

static bool
visit_ask(void *arg, sqlite3_stmt *row)
{
	const struct visit_asks *v = arg;
	char name[FORWARD_NAME];

	forward_copy(row, 0, name, sizeof name);
	return v->fn(v->arg, name, forward_number(row, 1), forward_number(row, 2));
}

bool
forward_asks(struct forward *f, forward_visit_ask *fn, void *arg, struct error *why)
{
	struct visit_asks v = {fn, arg};

	return forward_each(f,
		"SELECT name, ask, pos FROM ask JOIN destination ON id = dest ORDER BY ask", NULL,
		0, visit_ask, &v, why);
}

bool
forward_answered(struct forward *f, uint64_t ask, struct error *why)
{
	return forward_run(f, "DELETE FROM ask WHERE ask = ?1", VALUES(V_NUMBER(ask)), NULL, why);
}
