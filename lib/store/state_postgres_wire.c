/* state_postgres_wire - trips to PostgreSQL: asked, waited for, and given up in time; and why one has failed.
 *
 * Statements go out together and are answered together (libpq's pipeline mode), so that a group costs two
 * trips. libpq is never waited in: it is non-blocking, sends and reads by turns (both sides would else
 * wait for each other), and who waits is told to beat. What takes longer than `database.timeout` ends
 * the connection, and so does a server that goes: PQgetResult says no more than NULL then, for ever. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/doing.h"
#include "state_postgres_private.h"

enum { WAIT_MS = 500, GRACE_MS = 1000, LOOK_MS = 600000, SQL_BYTES = 8192 };

/* ---- causes ---- */

static const struct {
	const char *code; /* SQLSTATE, or its class */
	enum store_cause cause;
	enum state_failure failure;
} states[] = {
	{"40", CAUSE_TROUBLE, STATE_AGAIN}, /* deadlock, serialisation */
	{"25006", CAUSE_READ_ONLY, STATE_OURS},
	{"57014", CAUSE_LOCKED, STATE_OURS}, /* took too long: mostly a lock */
	{"55P03", CAUSE_LOCKED, STATE_OURS},
	{"53100", CAUSE_FULL, STATE_OURS},
	{"58030", CAUSE_IO, STATE_OURS},
	{"XX", CAUSE_MALFORMED, STATE_OURS},
	{"42501", CAUSE_DENIED, STATE_OURS},
	{"28", CAUSE_DENIED, STATE_OURS},
	{"3D", CAUSE_DENIED, STATE_OURS}, /* no such database */
	{"57P", CAUSE_AWAY, STATE_OURS},
	{"08", CAUSE_AWAY, STATE_OURS},
	{"22", CAUSE_TROUBLE, STATE_BLAMED}, /* what the values are */
	{"23", CAUSE_TROUBLE, STATE_BLAMED},
	{"54", CAUSE_TROUBLE, STATE_BLAMED},
};

void
pg_note(struct state_db *db, enum store_cause cause, enum state_failure failure)
{
	db->cause = cause;
	if (db->failure == STATE_NO_FAILURE)
		db->failure = failure;
}

static void
note_code(struct state_db *db, const char *code)
{
	for (size_t i = 0; code && i < sizeof states / sizeof *states; i++)
		if (strncmp(code, states[i].code, strlen(states[i].code)) == 0) {
			pg_note(db, states[i].cause, states[i].failure);
			return;
		}
	pg_note(db, CAUSE_TROUBLE, STATE_OURS);
}

bool
pg_say(struct error *why, const char *what, const char *words)
{
	char line[PG_WORDS_MAX];

	pg_one_line(words, line);
	return error_set(why, "state database: %s: %s", what, line);
}

static bool
fail_result(struct state_db *db, const char *what, const PGresult *res, struct error *why)
{
	const char *words = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	note_code(db, PQresultErrorField(res, PG_DIAG_SQLSTATE));
	return pg_say(why, what, words ? words : PQresultErrorMessage(res));
}

/* The connection is over. */
static bool
fail_gone(struct state_db *db, const char *what, const char *words, struct error *why)
{
	pg_say(why, what, words && *words ? words : "the connection is gone");
	pg_note(db, CAUSE_AWAY, STATE_OURS);
	pg_drop(db);
	return false;
}

/* ---- waiting ---- */

static uint64_t
timeout_of(const struct state_db *db)
{
	return db->watches ? LOOK_MS : db->cfg->database.timeout_ms + GRACE_MS;
}

static uint64_t
deadline_of(const struct state_db *db)
{
	const uint64_t end_ms = clock_mono_ms() + timeout_of(db);

	return db->end_ms && db->end_ms < end_ms ? db->end_ms : end_ms;
}

/* False: the time is over. */
bool
pg_wait_for(struct state_db *db, short events, uint64_t deadline_ms)
{
	struct pollfd at = {.fd = PQsocket(db->conn), .events = events};
	const enum doing before = doing(DOING_DATABASE);
	int ready = 0;

	for (uint64_t now_ms = clock_mono_ms(); ready == 0 && now_ms < deadline_ms;
		now_ms = clock_mono_ms()) {
		const uint64_t left_ms = deadline_ms - now_ms;

		ready = poll(&at, 1, left_ms < WAIT_MS ? (int)left_ms : WAIT_MS);
		if (ready == 0 && db->waits)
			db->waits(db->waits_arg, CAUSE_NONE);
		if (ready < 0 && errno == EINTR)
			ready = 0;
	}
	doing(before);
	return ready > 0;
}

/* Sends what is to be sent, taking in what comes meanwhile. */
static bool
flush(struct state_db *db, uint64_t deadline_ms)
{
	int left;

	while ((left = PQflush(db->conn)) == 1)
		if (!pg_wait_for(db, POLLIN | POLLOUT, deadline_ms) || !PQconsumeInput(db->conn))
			return false;
	return left == 0;
}

/* A result, or the NULL that ends those of one statement. False: the time is over, or the connection. */
static bool
next_result(struct state_db *db, PGresult **res, uint64_t deadline_ms)
{
	while (PQisBusy(db->conn)) {
		if (!pg_wait_for(db, POLLIN, deadline_ms) || !PQconsumeInput(db->conn))
			return false;
	}
	*res = PQgetResult(db->conn);
	return *res || PQstatus(db->conn) == CONNECTION_OK;
}

/* ---- commands apart ---- */

static bool
is_good(const PGresult *res)
{
	const ExecStatusType status = PQresultStatus(res);

	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	       status == PGRES_SINGLE_TUPLE || status == PGRES_EMPTY_QUERY;
}

/* All results; *last stays the caller's. */
static bool
take_all(struct state_db *db, const char *what, PGresult **last, struct error *why)
{
	const uint64_t deadline_ms = deadline_of(db);
	PGresult *res;
	bool good = true;

	for (;;) {
		if (!next_result(db, &res, deadline_ms))
			return fail_gone(db, what, PQerrorMessage(db->conn), why);
		if (!res)
			return good;
		if (good && !is_good(res))
			good = fail_result(db, what, res, why);
		PQclear(*last);
		*last = res;
	}
}

bool
pg_exec(struct state_db *db, const char *sql, PGresult **last, struct error *why)
{
	PGresult *res = NULL;
	bool good;

	if (!PQsendQuery(db->conn, sql) || !flush(db, deadline_of(db)))
		return fail_gone(db, "asking it", PQerrorMessage(db->conn), why);
	good = take_all(db, "asking it", &res, why);
	if (good && last) {
		*last = res;
		return true;
	}
	PQclear(res);
	return good;
}

int64_t
pg_number(const PGresult *res, int row, int column)
{
	return row < PQntuples(res) ? strtoll(PQgetvalue(res, row, column), NULL, 10) : 0;
}

/* ---- the queue ---- */

/* With the rows' arrays in the place of @. */
static bool
write_sql(enum statement which, char text[SQL_BYTES])
{
	const struct pg_sql *sql = &pg_sql[which];
	const char *at = sql->columns ? strchr(sql->text, '@') : NULL;
	size_t n = 0;

	if (!at)
		return (size_t)snprintf(text, SQL_BYTES, "%s", sql->text) < SQL_BYTES;
	n += (size_t)snprintf(text, SQL_BYTES, "%.*sunnest(", (int)(at - sql->text), sql->text);
	for (size_t i = 0; n < SQL_BYTES && sql->columns[i]; i++)
		n += (size_t)snprintf(text + n, SQL_BYTES - n, "%s$%zu::%s[]", i ? ", " : "", i + 1,
			strchr("ktfwsS", sql->columns[i]) ? "text" : "bigint");
	if (n < SQL_BYTES)
		n += (size_t)snprintf(text + n, SQL_BYTES - n, ")%s", at + 1);
	return n < SQL_BYTES;
}

static bool
queue(struct state_db *db, int what)
{
	if (db->queued == db->queue_room) {
		const size_t room = db->queue_room ? 2 * db->queue_room : 64;
		int *grown = realloc(db->queue, room * sizeof *grown);

		if (!grown)
			return false;
		db->queue = grown;
		db->queue_room = room;
	}
	db->queue[db->queued++] = what;
	return true;
}

static bool
send_it(struct state_db *db, enum statement which, const struct pg_param *params, size_t n)
{
	const char *values[PG_COLUMNS_MAX];
	int lengths[PG_COLUMNS_MAX], formats[PG_COLUMNS_MAX];
	char name[16], text[SQL_BYTES];

	for (size_t i = 0; i < n; i++) {
		values[i] = params[i].p;
		lengths[i] = (int)params[i].n;
		formats[i] = params[i].binary;
	}
	snprintf(name, sizeof name, "t%d", (int)which);
	if (!write_sql(which, text))
		return false;
	if (db->pooled)
		return PQsendQueryParams(db->conn, text, (int)n, NULL, values, lengths, formats, 0);
	if (!db->prepared[which] && !db->preparing[which]) {
		if (!PQsendPrepare(db->conn, name, text, 0, NULL) || !queue(db, -1 - (int)which))
			return false;
		db->preparing[which] = true;
	}
	return PQsendQueryPrepared(db->conn, name, (int)n, values, lengths, formats, 0);
}

bool
pg_send(struct state_db *db, enum statement which, const struct pg_param *params, size_t n,
	struct error *why)
{
	if (n > PG_COLUMNS_MAX)
		return error_set(why, "state database: too many values");
	if (!db->conn)
		return fail_gone(db, pg_sql[which].name, NULL, why);
	if ((PQpipelineStatus(db->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(db->conn)) ||
		!send_it(db, which, params, n) || !queue(db, (int)which))
		return fail_gone(db, pg_sql[which].name, PQerrorMessage(db->conn), why);
	return true;
}

/* The results of one entry of the queue. *good: none has failed so far. False: the connection is gone. */
static bool
take_entry(struct state_db *db, int what, bool *good, PGresult **last, uint64_t deadline_ms,
	struct error *why)
{
	const enum statement which = (enum statement)(what < 0 ? -1 - what : what);
	PGresult *res;

	for (;;) {
		if (!next_result(db, &res, deadline_ms))
			return false;
		if (!res)
			return true;
		if (what < 0) {
			db->preparing[which] = false;
			db->prepared[which] = is_good(res);
		}
		if (*good && !is_good(res))
			*good = fail_result(db, pg_sql[which].name, res, why);
		PQclear(*last);
		*last = res;
	}
}

/* The mark that ends the queue. */
static bool
take_end(struct state_db *db, uint64_t deadline_ms)
{
	PGresult *res;
	bool end;

	if (!next_result(db, &res, deadline_ms) || !res)
		return false;
	end = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
	PQclear(res);
	return end && PQexitPipelineMode(db->conn) == 1;
}

bool
pg_sync(struct state_db *db, PGresult **last, struct error *why)
{
	const uint64_t deadline_ms = deadline_of(db);
	const size_t n = db->queued;
	PGresult *res = NULL;
	bool good = true, alive;

	if (last)
		*last = NULL;
	if (!db->conn)
		return fail_gone(db, "asking it", NULL, why);
	if (n == 0)
		return true;
	alive = PQpipelineSync(db->conn) == 1 && flush(db, deadline_ms);
	for (size_t i = 0; alive && i < n; i++)
		alive = take_entry(db, db->queue[i], &good, &res, deadline_ms, why);
	alive = alive && take_end(db, deadline_ms);
	db->queued = 0;
	if (!alive) {
		PQclear(res);
		return good ? fail_gone(db,
				      pg_sql[db->queue[n - 1] < 0 ? 0 : db->queue[n - 1]].name,
				      clock_mono_ms() >= deadline_ms ? "no answer in time"
								     : PQerrorMessage(db->conn),
				      why)
			    : fail_gone(db, "asking it", PQerrorMessage(db->conn), NULL);
	}
	if (good && last)
		*last = res;
	else
		PQclear(res);
	return good;
}

/* ---- rows as they come ---- */

static void
read_row(const PGresult *res, size_t columns, struct state_value *row)
{
	for (int i = 0; i < (int)columns && i < PQnfields(res); i++) {
		const Oid type = PQftype(res, i);

		row[i] = (struct state_value){.kind = STATE_NULL};
		if (PQgetisnull(res, 0, i))
			continue;
		if (type == 20 || type == 23) {
			row[i] = SV_INT(pg_number(res, 0, i));
		} else {
			row[i].kind = STATE_TEXT;
			row[i].text = (struct slice){
				PQgetvalue(res, 0, i), (size_t)PQgetlength(res, 0, i)};
		}
	}
}

/* Ends what still comes in. */
static void
cancel(struct state_db *db)
{
	PGcancel *handle = PQgetCancel(db->conn);
	char words[256];

	if (handle)
		PQcancel(handle, words, sizeof words);
	PQfreeCancel(handle);
}

static bool
fail_late(struct state_db *db, enum statement which, struct error *why)
{
	if (db->end_ms && clock_mono_ms() >= db->end_ms) {
		pg_drop(db);
		return error_set(why, "state database: %s: interrupted", pg_sql[which].name);
	}
	return fail_gone(db, pg_sql[which].name, PQerrorMessage(db->conn), why);
}

bool
pg_each(struct state_db *db, enum statement which, const struct pg_param *params, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why)
{
	struct state_value row[PG_COLUMNS_MAX];
	const char *values[PG_COLUMNS_MAX];
	PGresult *res;
	bool good = true, more = true;

	for (size_t i = 0; i < n; i++)
		values[i] = params[i].p;
	if (!PQsendQueryParams(db->conn, pg_sql[which].text, (int)n, NULL, values, NULL, NULL, 0) ||
		!PQsetSingleRowMode(db->conn) || !flush(db, deadline_of(db)))
		return fail_gone(db, pg_sql[which].name, PQerrorMessage(db->conn), why);
	for (;;) {
		if (!next_result(db, &res, deadline_of(db)))
			return fail_late(db, which, why);
		if (!res)
			return good;
		if (more && good && PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
			read_row(res, columns < PG_COLUMNS_MAX ? columns : PG_COLUMNS_MAX, row);
			more = fn(arg, row);
			if (!more)
				cancel(db);
		} else if (more && good && !is_good(res)) {
			good = fail_result(db, pg_sql[which].name, res, why);
		}
		PQclear(res);
	}
}
