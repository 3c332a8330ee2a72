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
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_postgres_private.h"

enum { FORGET_MS = 60000, FORGET_TIMES = 1000, JOURNAL_TRIES = 5, NUMBER_BYTES = 24 };

/* ---- one statement with its values ---- */

struct values {
	struct pg_param params[PG_COLUMNS_MAX];
	char numbers[PG_COLUMNS_MAX][NUMBER_BYTES];
	char *texts[PG_COLUMNS_MAX]; /* ended by NUL, as libpq wants them */
	msgpack_zone zone;
	size_t n;
};

static bool
put_value(struct values *v, size_t i, const struct state_value *value)
{
	struct slice text;

	v->params[i] = (struct pg_param){NULL, 0, false};
	if (value->kind == STATE_INT) {
		snprintf(v->numbers[i], sizeof v->numbers[i], "%" PRId64, value->number);
		v->params[i].p = v->numbers[i];
	} else if (value->kind == STATE_TEXT) {
		text = pg_text(value->text, &v->zone);
		v->texts[i] = text.p ? strndup(text.p, text.n) : NULL;
		v->params[i].p = v->texts[i];
		return v->texts[i] != NULL;
	}
	return true;
}

static void
values_close(struct values *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->texts[i]);
	msgpack_zone_destroy(&v->zone);
}

/* Good only with its own memory where it stands. */
static bool
values_open(struct values *v, const struct state_value *values, size_t n, struct error *why)
{
	bool good = n <= PG_COLUMNS_MAX;

	*v = (struct values){.n = 0};
	if (!good || !msgpack_zone_init(&v->zone, 256))
		return error_set(why, "state database: too many values, or out of memory");
	for (; good && v->n < n; v->n++)
		good = put_value(v, v->n, &values[v->n]);
	if (good)
		return true;
	values_close(v);
	return error_set(why, "out of memory");
}

static bool
send_values(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	struct values v;
	bool good;

	if (!values_open(&v, values, n, why))
		return false;
	good = pg_send(db, which, v.params, v.n, why);
	values_close(&v);
	return good;
}

static bool
send_plain(struct state_db *db, enum statement which, struct error *why)
{
	return pg_send(db, which, NULL, 0, why);
}

/* ---- transactions ---- */

static void
begin_anew(struct state_db *db)
{
	db->began = true;
	db->sent_begin = db->turns_taken = false;
	db->failure = STATE_NO_FAILURE;
	pg_forget_gathered(db);
}

static bool
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
static bool
need_begin(struct state_db *db, struct error *why)
{
	char timeout[NUMBER_BYTES];

	if (!db->began || db->sent_begin)
		return true;
	if (!send_plain(db, OWN(BEGIN), why))
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
		(!send_plain(db, OWN(ROLLBACK), NULL) || !pg_sync(db, NULL, NULL)))
		pg_drop(db);
	if (cause == CAUSE_READ_ONLY)
		pg_drop(db); /* another of its hosts may take changes now */
	db->sent_begin = false;
	db->journals_n = 0; /* their rows may have gone too */
	db->failure = failure;
	db->cause = cause;
}

static void
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

static bool
postgres_commit(struct state_db *db, struct error *why)
{
	PGresult *res = NULL;
	bool good = true;

	if (db->sent_begin || pg_gathered(db))
		good = need_begin(db, why) && pg_send_gathered(db, why) &&
		       send_plain(db, OWN(COMMIT), why) && pg_sync(db, &res, why) &&
		       is_committed(db, res, why);
	if (!good) {
		postgres_rollback(db);
		return false;
	}
	db->began = db->sent_begin = false;
	pg_forget_gathered(db);
	return true;
}

/* ---- people's turns ---- */

/* Which of the locks a person has; by the address in lower case. */
static int64_t
bucket_of(struct slice email)
{
	uint32_t hash = 2166136261U;

	for (size_t i = 0; i < email.n; i++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)email.p[i])) * 16777619U;
	return (hash ^ hash >> 16) % PG_BUCKETS;
}

static int
compare_buckets(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* "{1,2,3}" of all that this transaction is for, and of this one. The caller frees it. */
static char *
list_buckets(const struct state_db *db, struct slice email)
{
	const size_t room = db->expected_n + 1;
	int64_t *buckets = malloc(room * sizeof *buckets);
	char *text = malloc(room * NUMBER_BYTES + 3);
	size_t n = 0;

	for (size_t i = 0; buckets && text && i < room; i++)
		buckets[i] = bucket_of(i ? db->expected[i - 1].email : email);
	if (buckets && text) {
		qsort(buckets, room, sizeof *buckets, compare_buckets);
		text[n++] = '{';
		for (size_t i = 0; i < room; i++)
			n += (size_t)sprintf(text + n, i ? ",%" PRId64 : "%" PRId64, buckets[i]);
		memcpy(text + n, "}", 2);
	}
	free(buckets);
	return text;
}

static bool
takes_turns(enum statement which)
{
	switch ((int)which) {
	case SQL_SUPPRESSION_GET:
	case SQL_SUPPRESSION_SET:
	case SQL_SUPPRESSION_REMOVE:
	case SQL_SUPPRESSION_LIFT:
	case SQL_SUPPRESSION_LIFT_LOG:
	case SQL_SUPPRESSION_OF_OPT_OUT:
	case SQL_SUPPRESSION_OF_SOFT_BOUNCES:
	case SQL_CONSENT_NEWER:
	case SQL_CONSENT_SET:
	case SQL_CONSENT_COVER:
	case SQL_OPT_OUTS_REMOVE:
	case SQL_SOFT_BOUNCE_ADD:
	case SQL_SOFT_BOUNCE_NEWEST:
	case SQL_SOFT_BOUNCE_FORGET:
	case SQL_SOFT_BOUNCE_COUNT:
		return true;
	default:
		return false;
	}
}

static bool
is_expected(const struct state_db *db, int64_t bucket)
{
	for (size_t i = 0; i < db->expected_n; i++)
		if (bucket_of(db->expected[i].email) == bucket)
			return true;
	return false;
}

/* Once for all people of the transaction; for one whom nobody has announced, by himself. */
static bool
need_turns(struct state_db *db, enum statement which, struct slice email, struct error *why)
{
	char *list;
	bool good;

	if (!db->began || !takes_turns(which) ||
		(db->turns_taken && is_expected(db, bucket_of(email))))
		return true;
	list = list_buckets(db, email);
	if (!list)
		return error_set(why, "out of memory");
	good = pg_send(db, OWN(TURNS), &(struct pg_param){.p = list}, 1, why);
	free(list);
	db->turns_taken = true;
	return good;
}

/* ---- statements ---- */

/* The compliance log has its rows in the order in which things happened. */
static bool
log_before(struct state_db *db, enum statement which, struct error *why)
{
	return which != SQL_SUPPRESSION_LIFT_LOG || pg_send_rows(db, SQL_COMPLIANCE_ADD, why);
}

/* What a bounce adds, a delivery that commits meanwhile may have made void. */
static bool
settle_later(struct state_db *db, enum statement which, const struct state_value *values,
	struct error *why)
{
	return !db->began || which != SQL_SOFT_BOUNCE_ADD ||
	       pg_gather(db, OWN(SOFT_BOUNCES_SETTLE), values, 1) ||
	       error_set(why, "out of memory");
}

static bool
send_one(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	return need_begin(db, why) &&
	       need_turns(db, which, n ? values[0].text : (struct slice){NULL, 0}, why) &&
	       log_before(db, which, why) && send_values(db, which, values, n, why) &&
	       settle_later(db, which, values, why);
}

static bool
run_alone(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	bool good = postgres_begin(db, why);

	if (good && pg_sql[which].columns)
		good = pg_gather(db, which, values, n) || error_set(why, "out of memory");
	else if (good)
		good = send_one(db, which, values, n, why);
	if (good)
		return postgres_commit(db, why);
	postgres_rollback(db);
	return false;
}

static bool
postgres_run(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why)
{
	if (!db->began)
		return run_alone(db, which, values, n, why);
	if (pg_sql[which].columns)
		return pg_gather(db, which, values, n) || error_set(why, "out of memory");
	return send_one(db, which, values, n, why);
}

/* What is gathered is not what decides over a person; all else may ask for it. */
static bool
need_gathered(struct state_db *db, enum statement which, struct error *why)
{
	if (!db->began || takes_turns(which) || !pg_gathered(db))
		return true;
	return need_begin(db, why) && pg_send_gathered(db, why);
}

static void
read_cell(const PGresult *res, int column, struct state_cell *cell)
{
	const Oid type = PQftype(res, column);

	*cell = (struct state_cell){.null = PQgetisnull(res, 0, column)};
	if (cell->null)
		return;
	if (type == 20 || type == 23)
		cell->number = pg_number(res, 0, column);
	else
		snprintf(cell->text, sizeof cell->text, "%s", PQgetvalue(res, 0, column));
}

static enum state_row
postgres_get(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	struct state_cell *cells, size_t columns, struct error *why)
{
	PGresult *res = NULL;
	enum state_row row;

	if ((!db->began && !pg_connect(db, why)) || !need_gathered(db, which, why) ||
		!send_one(db, which, values, n, why) || !pg_sync(db, &res, why))
		return STATE_ROW_FAILED;
	row = PQntuples(res) > 0 ? STATE_ROW : STATE_NO_ROW;
	for (int i = 0; row == STATE_ROW && i < (int)columns; i++)
		read_cell(res, i, &cells[i]);
	PQclear(res);
	return row;
}

static bool
postgres_each(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why)
{
	struct values v;
	bool good;

	if ((!db->began && !pg_connect(db, why)) || !need_gathered(db, which, why) ||
		!need_begin(db, why) || !pg_sync(db, NULL, why) || !values_open(&v, values, n, why))
		return false;
	good = pg_each(db, which, v.params, v.n, columns, fn, arg, why);
	values_close(&v);
	return good;
}

/* ---- events ---- */

static void
postgres_expect(struct state_db *db, const struct state_event_key *keys, size_t n)
{
	db->expected = keys;
	db->expected_n = n;
}

static struct pg_journal *
find_journal(struct state_db *db, struct slice name)
{
	for (size_t i = 0; i < db->journals_n; i++)
		if (slice_eq(name, (struct slice){db->journals[i].name, WIDTH_JOURNAL}))
			return &db->journals[i];
	return NULL;
}

static void
keep_journal(struct state_db *db, struct slice name, int64_t id)
{
	struct pg_journal *to;

	if (db->journals_n == PG_JOURNALS)
		db->journals_n = 0;
	to = &db->journals[db->journals_n++];
	memcpy(to->name, name.p, WIDTH_JOURNAL);
	to->id = id;
}

/* A journal's first event makes its row, which two nodes may do at once; by itself where the transaction
 * has not gone out yet, so that nobody waits for that one. */
static bool
learn_journal(struct state_db *db, struct slice name, struct error *why)
{
	const bool began = db->began;
	enum state_row row = STATE_NO_ROW;
	struct state_cell id;

	db->began = began && db->sent_begin;
	for (int left = JOURNAL_TRIES; row == STATE_NO_ROW && left > 0; left--)
		row = postgres_get(db, OWN(JOURNAL), STATE_VALUES(SV_TEXT(name)), &id, 1, why);
	db->began = began;
	if (row == STATE_ROW)
		keep_journal(db, name, id.number);
	return row == STATE_ROW ||
	       (row == STATE_NO_ROW &&
		       error_set(why, "state database: the row of a journal does not stay"));
}

static bool
journal_number(struct state_db *db, struct slice name, int64_t *id, struct error *why)
{
	if (name.n != WIDTH_JOURNAL)
		return error_set(why, "state database: a journal's id has 16 digits");
	if (!find_journal(db, name) && !learn_journal(db, name, why))
		return false;
	*id = find_journal(db, name)->id;
	return true;
}

static struct slice
same_of(const struct state_db *db, const struct state_event_key *key)
{
	return db->cfg->database.known_ids && key->same.n == WIDTH_KEY ? key->same
								       : (struct slice){NULL, 0};
}

/* *id: its journal's number. */
static bool
gather_entry(struct state_db *db, const struct state_event_key *key, uint64_t now_ms, int64_t *id,
	struct error *why)
{
	struct state_value values[7];

	if (!journal_number(db, key->journal, id, why))
		return false;
	values[0] = SV_INT(*id);
	values[1] = SV_INT(key->seq);
	values[2] = SV_INT(key->mark);
	values[3] = SV_INT(now_ms);
	values[4] = SV_TEXT(same_of(db, key));
	values[5] = SV_INT(key->received_ms);
	values[6] = SV_INT(key->window_ms);
	return pg_gather(db, OWN(ENTER), values, 7) || error_set(why, "out of memory");
}

/* Two of a group with what makes them the same: which of them is in the other's window is for each
 * apart to tell. */
static bool
has_twin(const struct state_event_key *keys, size_t n, size_t which)
{
	for (size_t i = 0; i < n; i++)
		if (i != which && keys[which].same.n && slice_eq(keys[i].same, keys[which].same))
			return true;
	return false;
}

/* One of that identity; n: there is none. Rows mostly come in the order of the keys. ids: the numbers of
 * their journals. */
static size_t
place_of(const struct state_event_key *keys, const int64_t *ids, size_t n, int64_t journal,
	uint64_t seq, size_t hint)
{
	for (size_t i = 0; i < n; i++) {
		const size_t at = (hint + i) % n;

		if (keys[at].seq == seq && ids[at] == journal)
			return at;
	}
	return n;
}

enum { FRESH = 1, TOLD = 2 };

static enum state_event
judge(const struct state_db *db, const struct state_event_key *keys, size_t n, size_t i,
	unsigned heard)
{
	if (!(heard & FRESH))
		return STATE_APPLIED;
	if (heard & TOLD || !same_of(db, &keys[i]).p)
		return STATE_NEW;
	return has_twin(keys, n, i) ? STATE_FAILED : STATE_KNOWN;
}

static bool
hear(struct state_db *db, const PGresult *res, const struct state_event_key *keys,
	const int64_t *ids, size_t n, enum state_event *entered)
{
	unsigned char *heard = calloc(n + 1, 1);
	size_t at = 0;

	for (int row = 0; heard && row < PQntuples(res); row++) {
		at = place_of(keys, ids, n, pg_number(res, row, 1),
			(uint64_t)pg_number(res, row, 2), at < n ? at + 1 : 0);
		heard[at] |= pg_number(res, row, 0) == 0 ? FRESH : TOLD;
	}
	for (size_t i = 0; heard && i < n; i++)
		entered[i] = judge(db, keys, n, i, heard[i]);
	free(heard);
	return heard;
}

static bool
enter(struct state_db *db, const struct state_event_key *keys, int64_t *ids, size_t n,
	uint64_t now_ms, enum state_event *entered, struct error *why)
{
	PGresult *res = NULL;
	bool good = true;

	for (size_t i = 0; good && i < n; i++)
		good = gather_entry(db, &keys[i], now_ms, &ids[i], why);
	if (!good || !need_begin(db, why) || !pg_send_rows(db, OWN(ENTER), why) ||
		!pg_sync(db, &res, why))
		return false;
	good = hear(db, res, keys, ids, n, entered) || error_set(why, "out of memory");
	PQclear(res);
	return good;
}

static bool
postgres_enter(struct state_db *db, const struct state_event_key *keys, size_t n, uint64_t now_ms,
	enum state_event *entered, struct error *why)
{
	int64_t *ids = calloc(n + 1, sizeof *ids);
	const bool good = ids ? enter(db, keys, ids, n, now_ms, entered, why)
			      : error_set(why, "out of memory");

	free(ids);
	return good;
}

static bool
postgres_event_keep(struct state_db *db, struct error *why)
{
	return pg_send_gathered(db, why) && send_plain(db, OWN(EVENT_KEEP), why) &&
	       pg_sync(db, NULL, why);
}

static void
postgres_event_undo(struct state_db *db)
{
	bool blamed;

	pg_forget_gathered(db);
	if (!db->conn)
		return;
	pg_sync(db, NULL, NULL); /* what the event has asked for may fail only now */
	blamed = db->failure == STATE_BLAMED;
	if (!db->conn || !send_plain(db, OWN(EVENT_UNDO), NULL) ||
		!send_plain(db, OWN(EVENT_KEEP), NULL) || !pg_sync(db, NULL, NULL))
		pg_drop(db);
	else if (blamed)
		db->failure = STATE_NO_FAILURE;
	db->turns_taken = false;
	db->journals_n = 0;
}

static enum state_event
postgres_event_begin(
	struct state_db *db, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	enum state_event entered;
	int64_t id;

	if (!journal_number(db, key->journal, &id, why) || !need_begin(db, why) ||
		!send_plain(db, OWN(EVENT_BEGIN), why))
		return STATE_FAILED;
	if (!postgres_enter(db, key, 1, now_ms, &entered, why)) {
		postgres_event_undo(db);
		return STATE_FAILED;
	}
	if (entered != STATE_NEW && !postgres_event_keep(db, why))
		return STATE_FAILED;
	return entered;
}

static bool
use_indexes(struct state_db *db, const char *seqscan, struct error *why)
{
	return pg_send(db, OWN(BY_INDEX), &(struct pg_param){.p = seqscan}, 1, why);
}

/* Ids more seldom, and so more of them: they are found by their time alone. */
static bool
forget_known(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why)
{
	const struct state_value values[] = {SV_INT(before_ms), SV_INT(FORGET_TIMES * limit)};
	const uint64_t now_ms = clock_mono_ms();

	if (db->forgot_ms && now_ms - db->forgot_ms < FORGET_MS)
		return true;
	db->forgot_ms = now_ms;
	return use_indexes(db, "off", why) && send_values(db, OWN(KNOWN_FORGET), values, 2, why) &&
	       use_indexes(db, "on", why);
}

static bool
postgres_forget(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why)
{
	const struct state_value values[] = {SV_INT(before_ms), SV_INT(limit)};

	return need_begin(db, why) && send_values(db, OWN(APPLIED_FORGET), values, 2, why) &&
	       forget_known(db, before_ms, limit, why);
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
	return pg_connect(db, why) && send_plain(db, OWN(PING), why) && pg_sync(db, NULL, why);
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
