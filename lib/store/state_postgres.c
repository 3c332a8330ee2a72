/* state_postgres - the engine of state.h over a PostgreSQL that several nodes share: transactions, events
 * entered, statements gathered or asked.
 *
 * In: statements by name, from the one thread of a handler process, or of who looks. Out: rows on the
 * server. State: the connection, what is gathered for it, and the numbers of the journals that were met.
 * A kill here costs the open transaction, which the server takes back; one whose COMMIT was under way is
 * in or not, and `applied` knows.
 *
 * A group of events costs two trips: all are entered (BEGIN rides along), then all that they change is
 * sent, with the COMMIT. Only what decides over a person's permission reads between, a trip each time.
 * The order in which all take their locks: `applied` and `known_ids`, `turns`, the person's tables,
 * `messages`, `recipients`, `interests`; each by key; rows of `soft_bounces` and what is forgotten are
 * passed over where another has them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_postgres_private.h"

/* ---- transactions ---- */

static void
begin_anew(struct state_db *db)
{
	db->began = true;
	db->sent_begin = db->turns_taken = false;
	db->failure = STATE_NO_FAILURE;
	pg_forget_gathered(db);
}

bool
postgres_begin(struct state_db *db, struct error *why)
{
	db->failure = STATE_NO_FAILURE;
	if (!pg_connect(db, why))
		return false;
	begin_anew(db);
	db->expected_n = 0;
	return true;
}

/* BEGIN goes with the first statement. */
bool
pg_need_begin(struct state_db *db, struct error *why)
{
	char timeout[PG_NUMBER_BYTES];

	if (!db->began || db->sent_begin)
		return true;
	if (!pg_send_plain(db, OWN(BEGIN), why))
		return false;
	db->sent_begin = true;
	if (!db->pooled)
		return true;
	snprintf(timeout, sizeof timeout, "%" PRIu64, db->cfg->database.timeout_ms);
	return pg_send(db, OWN(LOCAL), &(struct pg_param){.p = timeout}, 1, why);
}

/* Nothing of it is left. A rollback that fails is one as well: the connection is dropped. */
static void
take_back(struct state_db *db)
{
	const enum state_failure failure = db->failure;
	const enum store_cause cause = db->cause;

	pg_forget_gathered(db);
	if (db->conn)
		pg_sync(db, NULL, NULL); /* may end the connection */
	if (db->conn && db->sent_begin &&
		(!pg_send_plain(db, OWN(ROLLBACK), NULL) || !pg_sync(db, NULL, NULL)))
		pg_drop(db);
	if (cause == CAUSE_READ_ONLY)
		pg_drop(db); /* another of its hosts may take changes now */
	db->sent_begin = false;
	db->journals_n = 0; /* their rows may have gone too */
	db->failure = failure;
	db->cause = cause;
}

void
postgres_rollback(struct state_db *db)
{
	if (!db->began)
		return;
	take_back(db);
	db->began = false;
}

static bool
postgres_restart(struct state_db *db, struct error *why)
{
	take_back(db);
	begin_anew(db);
	return db->conn || error_set(why, "state database: the connection is gone");
}

static bool
postgres_lost(const struct state_db *db)
{
	return db->began && !db->conn;
}

static enum state_failure
postgres_failure(const struct state_db *db)
{
	return db->failure;
}

/* A transaction that has failed is taken back by COMMIT, which calls that a success. */
static bool
is_committed(struct state_db *db, PGresult *res, struct error *why)
{
	const bool good = res && strcmp(PQcmdStatus(res), "COMMIT") == 0;

	PQclear(res);
	if (good)
		return true;
	db->failure = STATE_OURS;
	return error_set(why, "state database: COMMIT: the server has taken it back");
}

bool
postgres_commit(struct state_db *db, struct error *why)
{
	PGresult *res = NULL;
	bool good = true;

	if (db->sent_begin || pg_gathered(db))
		good = pg_need_begin(db, why) && pg_send_gathered(db, why) &&
		       pg_send_plain(db, OWN(COMMIT), why) && pg_sync(db, &res, why) &&
		       is_committed(db, res, why);
	if (!good) {
		postgres_rollback(db);
		return false;
	}
	db->began = db->sent_begin = false;
	pg_forget_gathered(db);
	return true;
}

/* ---- opened and closed ---- */

static struct state_db *
new_db(const struct config *cfg, bool watches, struct error *why)
{
	struct state_db *db = calloc(1, sizeof *db);

	if (!db || !msgpack_zone_init(&db->zone, 4096)) {
		free(db);
		error_set(why, "out of memory");
		return NULL;
	}
	db->cfg = cfg;
	db->watches = watches;
	return db;
}

static struct state_db *
postgres_start(const struct config *cfg, struct error *why)
{
	struct state_db *db = new_db(cfg, false, why);

	if (db)
		pg_connect(db, why);
	return db;
}

static void
postgres_close(struct state_db **db_p)
{
	struct state_db *db = *db_p;

	if (!db)
		return;
	pg_drop(db);
	for (size_t i = 0; i < OWN_COUNT; i++)
		free(db->rows[i].cells);
	msgpack_zone_destroy(&db->zone);
	free(db->queue);
	free(db);
	*db_p = NULL;
}

static struct state_db *
postgres_watch(const struct config *cfg, bool *exists, struct error *why)
{
	struct state_db *db = new_db(cfg, true, why);

	*exists = true;
	if (db && pg_connect(db, why))
		return db;
	*exists = !db || !db->unmade;
	postgres_close(&db);
	return NULL;
}

static bool
postgres_is_open(const struct state_db *db)
{
	return db->conn != NULL;
}

/* ---- looking ---- */

static void
postgres_on_wait(struct state_db *db, state_waits *fn, void *arg)
{
	db->waits = fn;
	db->waits_arg = arg;
}

static void
postgres_sizes(const struct state_db *db, uint64_t *file, uint64_t *log)
{
	(void)db;
	*file = *log = 0;
}

static enum store_cause
postgres_cause(const struct state_db *db)
{
	return db->cause == CAUSE_NONE ? CAUSE_TROUBLE : db->cause;
}

static bool
postgres_look(struct state_db *db, struct error *why)
{
	if (db->began)
		return true;
	return pg_connect(db, why) && pg_send_plain(db, OWN(PING), why) && pg_sync(db, NULL, why);
}

/* What a server does with its files is not for us to see. */
static enum store_cause
postgres_news(struct state_db *db, bool *lost)
{
	(void)db;
	*lost = false;
	return CAUSE_NONE;
}

static uint64_t
postgres_lost_ms(const struct state_db *db)
{
	(void)db;
	return 0;
}

static void
postgres_look_until(struct state_db *db, uint64_t end_ms)
{
	db->end_ms = end_ms;
}

static enum state_row
postgres_applied_at(struct state_db *db, struct slice journal, uint64_t seq, uint64_t *at_ms)
{
	struct state_cell at = {.number = 0};
	const enum state_row row = postgres_get(
		db, OWN(APPLIED_ONE), STATE_VALUES(SV_TEXT(journal), SV_INT(seq)), &at, 1, NULL);

	*at_ms = (uint64_t)at.number;
	return row;
}

static bool
postgres_newest(struct state_db *db, struct slice journal, uint64_t *seq)
{
	struct state_cell newest = {.number = 0};
	const enum state_row row = postgres_get(
		db, OWN(APPLIED_NEWEST), STATE_VALUES(SV_TEXT(journal)), &newest, 1, NULL);

	*seq = (uint64_t)newest.number;
	return row != STATE_ROW_FAILED;
}

static bool
postgres_each_applied(
	struct state_db *db, struct slice journal, state_visit *fn, void *arg, struct error *why)
{
	return postgres_each(db, OWN(APPLIED_ALL), STATE_VALUES(SV_TEXT(journal)), 1, fn, arg, why);
}

static bool
postgres_each_marked(
	struct state_db *db, int64_t mark, state_visit *fn, void *arg, struct error *why)
{
	return postgres_each(db, OWN(APPLIED_MARKED), STATE_VALUES(SV_INT(mark)), 3, fn, arg, why);
}

struct faults {
	state_fault *fn;
	void *arg;
	bool sound;
};

static bool
tell_row(void *arg, const struct state_value *row)
{
	struct faults *faults = arg;
	char fault[256];

	faults->sound = false;
	snprintf(fault, sizeof fault, "%.*s", SLICE_ARG(row->text));
	faults->fn(faults->arg, fault);
	return true;
}

/* The server looks after its files; what it says of its indexes is told. */
static bool
postgres_check(struct state_db *db, state_fault *fn, void *arg)
{
	struct faults faults = {fn, arg, true};
	struct error why = {""};

	if (!postgres_each(db, OWN(CHECK), NULL, 0, 1, tell_row, &faults, &why)) {
		faults.sound = false;
		fn(arg, why.text);
	}
	return faults.sound;
}

const struct state_engine state_postgres = {
	.name = "postgresql",
	.start = postgres_start,
	.watch = postgres_watch,
	.close = postgres_close,
	.is_open = postgres_is_open,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.restart = postgres_restart,
	.lost = postgres_lost,
	.failure = postgres_failure,
	.expect = postgres_expect,
	.enter = postgres_enter,
	.event_begin = postgres_event_begin,
	.event_keep = postgres_event_keep,
	.event_undo = postgres_event_undo,
	.forget = postgres_forget,
	.run = postgres_run,
	.get = postgres_get,
	.each = postgres_each,
	.on_wait = postgres_on_wait,
	.sizes = postgres_sizes,
	.cause = postgres_cause,
	.look = postgres_look,
	.news = postgres_news,
	.lost_ms = postgres_lost_ms,
	.look_until = postgres_look_until,
	.applied_at = postgres_applied_at,
	.newest = postgres_newest,
	.each_applied = postgres_each_applied,
	.each_marked = postgres_each_marked,
	.check = postgres_check,
};
