/* state_postgres_run - statements of the PostgreSQL engine, one by one: their values, people's turns, what is
 * gathered and what is asked at once. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_postgres_private.h"

/* ---- one statement with its values ---- */

struct values {
	struct pg_param params[PG_COLUMNS_MAX];
	char numbers[PG_COLUMNS_MAX][PG_NUMBER_BYTES];
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

bool
pg_send_values(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, struct error *why)
{
	struct values v;
	bool good;

	if (!values_open(&v, values, n, why))
		return false;
	good = pg_send(db, which, v.params, v.n, why);
	values_close(&v);
	return good;
}

bool
pg_send_plain(struct state_db *db, enum statement which, struct error *why)
{
	return pg_send(db, which, NULL, 0, why);
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
	char *text = malloc(room * PG_NUMBER_BYTES + 3);
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
	return pg_need_begin(db, why) &&
	       need_turns(db, which, n ? values[0].text : (struct slice){NULL, 0}, why) &&
	       log_before(db, which, why) && pg_send_values(db, which, values, n, why) &&
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

bool
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
	return pg_need_begin(db, why) && pg_send_gathered(db, why);
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

enum state_row
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

bool
postgres_each(struct state_db *db, enum statement which, const struct state_value *values, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why)
{
	struct values v;
	bool good;

	if ((!db->began && !pg_connect(db, why)) || !need_gathered(db, which, why) ||
		!pg_need_begin(db, why) || !pg_sync(db, NULL, why) ||
		!values_open(&v, values, n, why))
		return false;
	good = pg_each(db, which, v.params, v.n, columns, fn, arg, why);
	values_close(&v);
	return good;
}
