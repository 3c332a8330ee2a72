/* state_postgres_look - see state_online.h. */
#include <poll.h>
#include <stdio.h>

#include "state_online.h"
#include "state_postgres_dial.h"

static const char SETTINGS[] =
	"SELECT current_setting('server_version_num')::bigint,"
	" coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)::int,"
	" (SELECT bool_and(has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE'))::int"
	"  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
	"  AND n.nspname = current_schema() AND c.relname IN ('applied', 'messages', 'recipients')),"
	" pg_is_in_recovery()::int, (current_setting('transaction_read_only') = 'on')::int,"
	" current_setting('max_connections')::bigint"
	"  - current_setting('superuser_reserved_connections')::bigint,"
	" (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),"
	" (extract(epoch FROM clock_timestamp()) * 1000)::bigint,"
	" (to_regclass('trotline_version') IS NOT NULL)::int, pg_backend_pid(),"
	" current_setting('server_encoding'), current_setting('synchronous_commit'),"
	" current_setting('fsync'), current_setting('full_page_writes'),"
	" current_setting('synchronous_standby_names')";

enum { WAIT_MS = 2000 };

enum {
	AT_VERSION,
	AT_CREATE,
	AT_WRITE,
	AT_STANDBY,
	AT_READ_ONLY,
	AT_MAX,
	AT_USED,
	AT_CLOCK,
	AT_SCHEMA,
	AT_PID,
	AT_ENCODING,
	AT_COMMIT,
	AT_FSYNC,
	AT_PAGES,
	AT_STANDBYS
};

static void
copy_text(const PGresult *res, int column, char out[STATE_ONLINE_TEXT])
{
	snprintf(out, STATE_ONLINE_TEXT, "%s", PQgetvalue(res, 0, column));
}

static void
read_facts(const PGresult *res, struct state_online *out)
{
	out->version = pg_number(res, 0, AT_VERSION);
	out->may_create = pg_number(res, 0, AT_CREATE) == 1;
	out->may_write = PQgetisnull(res, 0, AT_WRITE) || pg_number(res, 0, AT_WRITE) == 1;
	out->standby = pg_number(res, 0, AT_STANDBY) == 1;
	out->read_only = pg_number(res, 0, AT_READ_ONLY) == 1;
	out->connections_max = pg_number(res, 0, AT_MAX);
	out->connections_free = out->connections_max - pg_number(res, 0, AT_USED);
	out->schema = pg_number(res, 0, AT_SCHEMA);
	copy_text(res, AT_ENCODING, out->encoding);
	copy_text(res, AT_COMMIT, out->synchronous_commit);
	copy_text(res, AT_FSYNC, out->fsync);
	copy_text(res, AT_PAGES, out->full_page_writes);
	copy_text(res, AT_STANDBYS, out->standbys);
}

static bool
ask_number(PGconn *conn, const char *sql, int64_t *number, struct error *why)
{
	PGresult *res = pg_ask(conn, sql, why);

	if (!res)
		return false;
	*number = pg_number(res, 0, 0);
	PQclear(res);
	return true;
}

/* ---- is a pooler between? ---- */

static const char PID[] = "SELECT pg_backend_pid()";

/* False: no answer within two seconds, so there is no process for it. */
static bool
answers(PGconn *conn, const char *sql, PGresult **res)
{
	const uint64_t end_ms = clock_mono_ms() + WAIT_MS;
	struct pollfd at = {.fd = PQsocket(conn), .events = POLLIN};

	*res = NULL;
	if (!PQsendQuery(conn, sql))
		return false;
	while (PQisBusy(conn)) {
		const uint64_t now_ms = clock_mono_ms();

		if (now_ms >= end_ms || poll(&at, 1, (int)(end_ms - now_ms)) <= 0 ||
			!PQconsumeInput(conn))
			return false;
	}
	*res = PQgetResult(conn);
	return true;
}

/* The second one, which stays inside a transaction. */
static enum state_pool
mode_by(PGconn *second, int64_t mine)
{
	PGresult *res;
	int64_t others;

	if (!answers(second, "BEGIN", &res))
		return POOL_SESSION; /* the first one keeps the server's process that there is */
	if (PQresultStatus(res) != PGRES_COMMAND_OK) {
		PQclear(res);
		return POOL_STATEMENT;
	}
	PQclear(res);
	while ((res = PQgetResult(second)))
		PQclear(res);
	if (!ask_number(second, PID, &others, NULL))
		return POOL_UNKNOWN;
	return others == mine ? POOL_TRANSACTION : POOL_SESSION;
}

/* Has a second connection of ours the server's process that the first one had a moment ago? Then that was lent for
 * a transaction only. */
static enum state_pool
mode_of(const struct config *cfg, PGconn *first)
{
	PGconn *second = pg_dial(cfg, NULL);
	enum state_pool pool = POOL_UNKNOWN;
	int64_t mine;

	if (second && ask_number(first, PID, &mine, NULL))
		pool = mode_by(second, mine);
	PQfinish(second);
	return pool;
}

/* ---- asked ---- */

static void
name_it(PGconn *conn, struct state_online *out)
{
	const char *host = PQhost(conn), *address = PQhostaddr(conn);

	out->local = *host == '/' || config_is_loopback(*address ? address : host);
	snprintf(out->server, sizeof out->server, "%.60s:%.8s/%.30s as %.20s", host, PQport(conn),
		PQdb(conn), PQuser(conn));
}

static bool
ask(PGconn *conn, struct state_online *out, int64_t *pid, struct error *why)
{
	const uint64_t before_ms = clock_wall_ms();
	PGresult *res = pg_ask(conn, SETTINGS, why);
	uint64_t after_ms;

	if (!res)
		return false;
	after_ms = clock_wall_ms();
	read_facts(res, out);
	*pid = pg_number(res, 0, AT_PID);
	out->clock_ms =
		pg_number(res, 0, AT_CLOCK) - (int64_t)(before_ms + (after_ms - before_ms) / 2);
	PQclear(res);
	if (out->schema &&
		!ask_number(conn, "SELECT version FROM trotline_version", &out->schema, NULL)) {
		out->schema = out->known; /* it must not be read */
		out->may_write = false;
	}
	return true;
}

bool
state_online(const struct config *cfg, struct state_online *out, struct error *why)
{
	const struct slice place = config_database_place(cfg->database.url);
	PGconn *conn = pg_dial(cfg, why);
	int64_t pid = 0;
	bool good;

	*out = (struct state_online){.known = pg_schema_version()};
	snprintf(out->server, sizeof out->server, "%.*s", SLICE_ARG(place));
	if (!conn)
		return false;
	name_it(conn, out);
	out->tls = PQsslInUse(conn) == 1;
	good = ask(conn, out, &pid, why);
	if (good && pid != PQbackendPID(conn))
		out->pool = mode_of(cfg, conn);
	PQfinish(conn);
	return good;
}
