/* state_postgres_dial - see state_postgres_dial.h. No state. */
#include "state_postgres_dial.h"

#include <stdio.h>

void
pg_one_line(const char *words, char line[PG_WORDS_MAX])
{
	size_t n = 0;

	for (; *words && n + 1 < PG_WORDS_MAX; words++)
		if (*words != '\n' && *words != '\t')
			line[n++] = *words;
		else if (n > 0 && line[n - 1] != ' ')
			line[n++] = ' ';
	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
}

bool
pg_blame(PGconn *conn, const char *what, struct error *why)
{
	char line[PG_WORDS_MAX];

	pg_one_line(PQerrorMessage(conn), line);
	return error_set(why, "%s: %s", what, line);
}

static void
hush(void *arg, const char *words)
{
	(void)arg;
	(void)words;
}

static PGconn *
dial(const struct config *cfg)
{
	const uint64_t seconds = cfg->database.timeout_ms / 1000;
	char timeout[24];
	const char *const keys[] = {"fallback_application_name", "connect_timeout", "dbname",
		"client_encoding", cfg->database.passfile ? "passfile" : NULL, NULL};
	const char *const values[] = {
		"trotline", timeout, cfg->database.url, "UTF8", cfg->database.passfile, NULL};

	snprintf(timeout, sizeof timeout, "%llu", (unsigned long long)(seconds < 2 ? 2 : seconds));
	return PQconnectdbParams(keys, values, 1);
}

PGconn *
pg_dial(const struct config *cfg, struct error *why)
{
	PGconn *conn;

	if (!cfg->database.url) {
		error_set(why,
			"database.url is not known here: is a variable that it names not set?");
		return NULL;
	}
	if (!state_url_check(cfg->database.url, why))
		return NULL;
	conn = dial(cfg);
	if (conn && PQstatus(conn) == CONNECTION_OK) {
		PQsetNoticeProcessor(conn, hush, NULL);
		return conn;
	}
	if (conn)
		pg_blame(conn, "cannot connect to the database", why);
	else
		error_set(why, "out of memory");
	PQfinish(conn);
	return NULL;
}

PGresult *
pg_ask(PGconn *conn, const char *sql, struct error *why)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) == PGRES_TUPLES_OK)
		return res;
	pg_blame(conn, "the database", why);
	PQclear(res);
	return NULL;
}

bool
pg_do(PGconn *conn, const char *sql, struct error *why)
{
	PGresult *res = PQexec(conn, sql);
	const ExecStatusType status = PQresultStatus(res);
	const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	PQclear(res);
	return good || pg_blame(conn, "the database", why);
}
