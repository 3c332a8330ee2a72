/* forward_letters - what a destination was given up for: kept with its body, sent again or dropped. */
#include "forward_private.h"
#include "lib/base/units.h"

enum { AT_ONCE = 256 }; /* so that the stage's commit never waits long */

#define LETTER_NUMBERS(X) X(job) X(pos) X(attempts) X(began_ms) X(failed_ms) X(status)
#define LETTER_TEXTS(X) X(id) X(type) X(email) X(reason) X(answer) X(body)
#define COLUMN(column) ", " #column
#define PLACE(column) ", ?"

bool
forward_bury(
	struct forward *f, const char *name, const struct forward_letter *letter, struct error *why)
{
	uint64_t dest;

#define NUMBER(column) , V_NUMBER(letter->column)
#define TEXT(column) , V_TEXT(letter->column)
	return forward_dest(f, name, &dest, why) &&
	       forward_run(f,
		       "INSERT INTO letter(dest" LETTER_NUMBERS(COLUMN) LETTER_TEXTS(
			       COLUMN) ") VALUES(?" LETTER_NUMBERS(PLACE) LETTER_TEXTS(PLACE) ")",
		       VALUES(V_NUMBER(dest) LETTER_NUMBERS(NUMBER) LETTER_TEXTS(TEXT)), NULL, why);
}

struct visit {
	forward_visit_letter *fn;
	void *arg;
	uint64_t n;
};

static bool
visit_letter(void *arg, sqlite3_stmt *row)
{
	struct visit *v = arg;
	struct forward_letter letter = {.number = forward_number(row, 0)};
	int i = 1;

#define READ_NUMBER(column) letter.column = (__typeof__(letter.column))forward_number(row, i++);
#define READ_TEXT(column) letter.column = forward_text(row, i++);
	LETTER_NUMBERS(READ_NUMBER)
	LETTER_TEXTS(READ_TEXT)
	v->n++;
	return v->fn(v->arg, &letter);
}

#define LETTER_SQL "SELECT number" LETTER_NUMBERS(COLUMN) LETTER_TEXTS(COLUMN) " FROM letter "

bool
forward_letters(struct forward *f, const char *name, uint64_t below, size_t most,
	forward_visit_letter *fn, void *arg, struct error *why)
{
	struct visit v = {fn, arg, 0};
	uint64_t dest;

	return forward_dest(f, name, &dest, why) &&
	       forward_each(f,
		       LETTER_SQL "INDEXED BY letter_of WHERE dest = ?1 AND number < ?2"
				  " ORDER BY number DESC LIMIT ?3",
		       VALUES(V_NUMBER(dest), V_NUMBER(below ? below : INT64_MAX),
			       V_NUMBER(most > INT64_MAX ? INT64_MAX : most)),
		       visit_letter, &v, why);
}

static bool
number_of(struct slice which, uint64_t *number)
{
	char text[24];

	if (which.n == 0 || which.n >= sizeof text)
		return false;
	memcpy(text, which.p, which.n);
	text[which.n] = 0;
	return units_read_count(text, number);
}

bool
forward_letter(struct forward *f, const char *name, struct slice which, forward_visit_letter *fn,
	void *arg, bool *found, struct error *why)
{
	struct visit v = {fn, arg, 0};
	uint64_t dest, number;
	bool good = forward_dest(f, name, &dest, why);

	if (good && number_of(which, &number))
		good = forward_each(f, LETTER_SQL "WHERE number = ?1 AND dest = ?2",
			VALUES(V_NUMBER(number), V_NUMBER(dest)), visit_letter, &v, why);
	else if (good)
		good = forward_each(f,
			LETTER_SQL "INDEXED BY letter_id WHERE dest = ?1 AND id = ?2"
				   " ORDER BY number DESC LIMIT 1",
			VALUES(V_NUMBER(dest), V_TEXT(which)), visit_letter, &v, why);
	*found = v.n > 0;
	return good;
}

/* ---- an operator's ---- */

/* The next letters: those from `from` on, AT_ONCE of them. *last 0: there are none. */
static bool
next_letters(struct forward *f, uint64_t dest, uint64_t from, uint64_t *last, struct error *why)
{
	return forward_ask_number(f,
		"SELECT max(number) FROM (SELECT number FROM letter INDEXED BY letter_of"
		" WHERE dest = ?1 AND number >= ?2 ORDER BY number LIMIT ?3)",
		VALUES(V_NUMBER(dest), V_NUMBER(from), V_NUMBER(AT_ONCE)), last, NULL, why);
}

#define RANGE "dest = ?1 AND number BETWEEN ?2 AND ?3"

/* One whose event is on its way already, under another id or as the history has it, stays. */
static bool
send_again(struct forward *f, const struct forward_value *range, uint64_t *n, struct error *why)
{
	return forward_run(f,
		       "INSERT INTO owed(dest, job, first, last, id, type, email, body)"
		       " SELECT dest, 0, pos, pos, id, type, email, ifnull(body, '') FROM letter"
		       " INDEXED BY letter_of WHERE " RANGE " ON CONFLICT DO NOTHING",
		       range, 3, NULL, why) &&
	       forward_run(f,
		       "DELETE FROM letter INDEXED BY letter_of WHERE " RANGE
		       " AND EXISTS (SELECT 1 FROM owed WHERE owed.dest = letter.dest AND owed.job = 0"
		       " AND first = pos AND last = pos AND owed.id IS letter.id"
		       " AND owed.body IS letter.body)",
		       range, 3, n, why);
}

static bool
drop(struct forward *f, const struct forward_value *range, uint64_t *n, struct error *why)
{
	return forward_run(
		f, "DELETE FROM letter INDEXED BY letter_of WHERE " RANGE, range, 3, n, why);
}

typedef bool change(
	struct forward *f, const struct forward_value *range, uint64_t *n, struct error *why);

static bool
change_range(struct forward *f, change *fn, uint64_t dest, uint64_t first, uint64_t last,
	uint64_t *n, struct error *why)
{
	const struct forward_value range[] = {V_NUMBER(dest), V_NUMBER(first), V_NUMBER(last)};
	uint64_t changed = 0;
	bool own;

	if (!forward_act(f, &own, why) ||
		!forward_act_end(f, own, fn(f, range, &changed, why), why))
		return false;
	*n += changed;
	return true;
}

static bool
change_letters(struct forward *f, const char *name, uint64_t number, change *fn, uint64_t *n,
	struct error *why)
{
	uint64_t dest, last = 0;

	*n = 0;
	if (!forward_dest(f, name, &dest, why))
		return false;
	if (number)
		return change_range(f, fn, dest, number, number, n, why);
	for (uint64_t from = 1; next_letters(f, dest, from, &last, why) && last; from = last + 1)
		if (!change_range(f, fn, dest, from, last, n, why))
			return false;
	return last == 0;
}

bool
forward_letters_replay(
	struct forward *f, const char *name, uint64_t number, uint64_t *n, struct error *why)
{
	return change_letters(f, name, number, send_again, n, why);
}

bool
forward_letters_drop(
	struct forward *f, const char *name, uint64_t number, uint64_t *n, struct error *why)
{
	return change_letters(f, name, number, drop, n, why);
}
