/* state_postgres_private - what the files of state.h's PostgreSQL engine share. */
#ifndef TROTLINE_STORE_STATE_POSTGRES_PRIVATE_H
#define TROTLINE_STORE_STATE_POSTGRES_PRIVATE_H

#include <libpq-fe.h>
#include <msgpack.h>

#include "lib/base/clock.h"
#include "proto/limits.h"
#include "state_private.h"

/* Statements that only the engine itself runs, behind those that others may name. */
enum {
	OWN_BEGIN = SQL_COUNT,
	OWN_LOCAL,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_EVENT_BEGIN,
	OWN_EVENT_KEEP,
	OWN_EVENT_UNDO,
	OWN_JOURNAL,
	OWN_ENTER,
	OWN_TURNS,
	OWN_MESSAGES_LOCK,
	OWN_RECIPIENTS_LOCK,
	OWN_SOFT_BOUNCES_SETTLE,
	OWN_APPLIED_FORGET,
	OWN_BY_INDEX,
	OWN_KNOWN_FORGET,
	OWN_APPLIED_ONE,
	OWN_APPLIED_ALL,
	OWN_APPLIED_NEWEST,
	OWN_APPLIED_MARKED,
	OWN_CHECK,
	OWN_PING,
	OWN_COUNT
};
#define OWN(name) ((enum statement)OWN_##name)

/* A statement that has `columns` is run for many rows at once, each column one array. A letter a column
 * says what it is, and what becomes of two rows with the same key, which are made one:
 *   k text, K number   the key; rows go in its order
 *   t text, i number   no key: each row is for itself
 *   f text             the first one that is not NULL stays
 *   + > number         their sum; the greater one
 *   w text, W number   of the row that wins: s is the status that says which one, S where one that
 *                      follows from another fact wins by rank alone, W behind it the time
 *   #                  no value is given for it: how many rows there were */
struct pg_sql {
	const char *name, *columns, *text;
};
extern const struct pg_sql pg_sql[OWN_COUNT];

enum {
	PG_COLUMNS_MAX = 16,
	PG_JOURNALS = 64,
	PG_BUCKETS = 4096,
	PG_RETRY_MS = 1000,
	PG_NUMBER_BYTES = 24,
	PG_WORDS_MAX = 300
};

/* libpq's words, which may go over several lines, on one. */
void pg_one_line(const char *words, char line[PG_WORDS_MAX]);

struct pg_cell {
	bool null;
	int64_t number;
	struct slice text;
};

/* Rows for one statement, by row. */
struct pg_rows {
	struct pg_cell *cells;
	size_t n, room; /* rows */
};

/* One parameter of a statement: NULL, a text, or an array in binary. */
struct pg_param {
	const char *p;
	size_t n;
	bool binary;
};

struct pg_journal {
	char name[WIDTH_JOURNAL];
	int64_t id;
};

struct state_db {
	const struct config *cfg;
	bool watches;      /* only looks */
	bool unmade;       /* and found no tables */
	PGconn *conn;      /* NULL: none just now */
	size_t first_host; /* of those that database.url names: it is tried before the others */
	bool pooled; /* a pooler stands between: no prepared statements, settings in each transaction */
	bool prepared[OWN_COUNT];

	int *queue; /* what was sent and not yet answered; -1 - n: the preparation of statement n */
	size_t queued, queue_room;
	bool preparing[OWN_COUNT];

	bool began, sent_begin, turns_taken;
	enum state_failure failure;
	enum store_cause cause;   /* of the last failure */
	enum store_cause refused; /* of the last connection that could not be made: */
	struct error why;
	uint64_t tried_ms;  /* when that was, monotonic; 0: never, or it was made */
	uint64_t forgot_ms; /* monotonic */

	struct pg_rows rows[OWN_COUNT];
	msgpack_zone zone; /* their texts */
	const struct state_event_key *expected;
	size_t expected_n;
	struct pg_journal journals[PG_JOURNALS];
	size_t journals_n;

	state_waits *waits; /* or NULL */
	void *waits_arg;
	uint64_t end_ms; /* of all looking; 0: none */
};

/* ---- state_postgres_connect.c ---- */

/* Connected, set up, and its tables there, made or raised where that is needed. False with the cause;
 * within PG_RETRY_MS of a failure the same again without asking. */
bool pg_connect(struct state_db *db, struct error *why);

/* Closes it: nothing that is under way on it will be known. */
void pg_drop(struct state_db *db);

/* ---- state_postgres_wire.c: trips over the connection ---- */

/* What has failed, and whose fault that is, unless something has before. */
void pg_note(struct state_db *db, enum store_cause cause, enum state_failure failure);

/* False. libpq's words, which may go over several lines, as one. */
bool pg_say(struct error *why, const char *what, const char *words);

/* Until the connection is ready for one of poll's events. False: not by the deadline. */
bool pg_wait_for(struct state_db *db, short events, uint64_t deadline_ms);

/* Asks for a statement to be run, on the connection that there is; it goes out with pg_sync at the latest, and so does its answer's
 * failure. False with the cause. */
bool pg_send(struct state_db *db, enum statement which, const struct pg_param *params, size_t n,
	struct error *why);

/* Sends all and waits for all answers. *last, where it is asked for: what the last one gave, the caller's
 * to PQclear; NULL at false, with the cause of the first failure. */
bool pg_sync(struct state_db *db, PGresult **last, struct error *why);

/* Runs commands apart from the queue, which must be empty; as pg_sync. */
bool pg_exec(struct state_db *db, const char *sql, PGresult **last, struct error *why);

/* Calls fn with each row as it comes in; the queue must be empty. */
bool pg_each(struct state_db *db, enum statement which, const struct pg_param *params, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why);

/* A number in a result. */
int64_t pg_number(const PGresult *res, int row, int column);

/* ---- state_postgres.c, as in state_private.h ---- */

bool postgres_begin(struct state_db *db, struct error *why);
bool postgres_commit(struct state_db *db, struct error *why);
void postgres_rollback(struct state_db *db);

/* BEGIN goes with the first statement. */
bool pg_need_begin(struct state_db *db, struct error *why);

/* ---- state_postgres_run.c ---- */

bool pg_send_values(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, struct error *why);
bool pg_send_plain(struct state_db *db, enum statement which, struct error *why);
bool postgres_run(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, struct error *why);
enum state_row postgres_get(struct state_db *db, enum statement which,
	const struct state_value *values, size_t n, struct state_cell *cells, size_t columns,
	struct error *why);
bool postgres_each(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, size_t columns, state_visit *fn, void *arg, struct error *why);

/* ---- state_postgres_events.c ---- */

void postgres_expect(struct state_db *db, const struct state_event_key *keys, size_t n);
bool postgres_enter(struct state_db *db, const struct state_event_key *keys, size_t n,
	uint64_t now_ms, enum state_event *entered, struct error *why);
enum state_event postgres_event_begin(
	struct state_db *db, const struct state_event_key *key, uint64_t now_ms, struct error *why);
bool postgres_event_keep(struct state_db *db, struct error *why);
void postgres_event_undo(struct state_db *db);
bool postgres_forget(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why);

/* ---- state_postgres_gather.c: rows that go together ---- */

/* Keeps a row for the statement, with copies of its texts. False: short of memory. */
bool pg_gather(
	struct state_db *db, enum statement which, const struct state_value *values, size_t n);
bool pg_gathered(const struct state_db *db);

/* Sends what is gathered, table by table and each in the order of its keys, and forgets it. */
bool pg_send_gathered(struct state_db *db, struct error *why);
bool pg_send_rows(struct state_db *db, enum statement which, struct error *why);
void pg_forget_gathered(struct state_db *db);

/* Text as PostgreSQL takes it: UTF-8, without NUL; what is not becomes U+FFFD. Copied into the zone only
 * where that is needed. */
struct slice pg_text(struct slice text, msgpack_zone *zone);

/* ---- state_postgres_schema.c ---- */

/* The version of the tables that this program knows. */
int64_t pg_schema_version(void);

bool pg_schema_prepare(struct state_db *db, struct error *why);

/* Are there tables that this program knows? False with the cause; sets db->unmade. */
bool pg_schema_look(struct state_db *db, struct error *why);

#endif
