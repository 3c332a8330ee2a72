/* forward_private - what the files of forward.h's SQLite engine share.
 *
 * | table       | key                    | what                                                        |
 * |-------------|------------------------|-------------------------------------------------------------|
 * | destination | id, name               | its cursor and figures; how many rows of it the others have |
 * | owed        | dest, job, first, last | struct forward_owed                                         |
 * | letter      | number                 | struct forward_letter                                       |
 * | attempt     | number                 | struct forward_attempt                                      |
 * | ask         | ask                    | a test that is asked for                                    |
 * | job         | id                     | struct forward_job                                          |
 *
 * Triggers keep the counts, so that nobody counts rows. */
#ifndef TROTLINE_STORE_FORWARD_PRIVATE_H
#define TROTLINE_STORE_FORWARD_PRIVATE_H

#include "forward.h"
#include "guard.h"
#include "sql.h"

enum { FORWARD_STATEMENTS = 96 };

struct forward {
	sqlite3 *db;
	char path[PATH_ROOM];
	struct guard file;
	int lock; /* -1: does not deliver */
	bool began;
	enum store_rc trouble; /* of the open transaction: what a statement of it has met */
	struct {
		const char *text; /* as the caller has it: found by its address */
		sqlite3_stmt *stmt;
	} kept[FORWARD_STATEMENTS];
};

/* A statement's values, in the order of its parameters; numbers and texts. */
struct forward_value {
	enum { VALUE_NUMBER, VALUE_TEXT } kind;
	uint64_t number;
	struct slice text; /* absent: NULL */
};
#define V_NUMBER(n_) ((struct forward_value){.kind = VALUE_NUMBER, .number = (uint64_t)(n_)})
#define V_TEXT(s_) ((struct forward_value){.kind = VALUE_TEXT, .text = (s_)})
#define V_NAME(s_) V_TEXT(slice_of(s_))
#define VALUES(...)                                                                                \
	(const struct forward_value[]){__VA_ARGS__},                                               \
		sizeof((const struct forward_value[]){__VA_ARGS__}) / sizeof(struct forward_value)

/* ---- forward_run.c ---- */

/* A statement with its values, to be stepped and given to forward_done; NULL with the cause. sql is a literal
 * or static, and what values point to outlives the run. */
sqlite3_stmt *forward_start(struct forward *f, const char *sql, const struct forward_value *values,
	size_t n, struct error *why);
/* 1: there is a row; 0: the end; -1 with the cause. */
int forward_step(struct forward *f, sqlite3_stmt *stmt, struct error *why);
void forward_done(sqlite3_stmt *stmt);
/* Columns of the row. */
uint64_t forward_number(sqlite3_stmt *stmt, int column);
struct slice forward_text(sqlite3_stmt *stmt, int column);
void forward_copy(sqlite3_stmt *stmt, int column, char *out, size_t size);

/* Runs one that gives no rows. *changed (may be NULL): rows that it has changed. */
bool forward_run(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	uint64_t *changed, struct error *why);
/* The first number of the first row; *found (may be NULL): is there one? */
bool forward_ask_number(struct forward *f, const char *sql, const struct forward_value *values,
	size_t n, uint64_t *number, bool *found, struct error *why);
/* Each row to `fn`, until it returns false. */
typedef bool forward_row(void *arg, sqlite3_stmt *row);
bool forward_each(struct forward *f, const char *sql, const struct forward_value *values, size_t n,
	forward_row *fn, void *arg, struct error *why);

/* The number of a destination; false with the cause, also where there is none of that name. */
bool forward_dest(struct forward *f, const char *name, uint64_t *dest, struct error *why);
/* Several changes as one: in the transaction that is open, or one of their own. */
bool forward_act(struct forward *f, bool *own, struct error *why);
bool forward_act_end(struct forward *f, bool own, bool good, struct error *why);

/* ---- forward_schema.c ---- */

/* Makes or upgrades the tables (make), or says whether they are there. False with the cause: of a newer version. */
bool forward_schema(sqlite3 *db, bool make, bool *exists, struct error *why);

#endif
