/* state_postgres_connect - the way to PostgreSQL: where it leads and whether that may be, who is there, and
 * what the session must be. Waits for database.timeout at most, and beats meanwhile.
 *
 * With a pooler between (its process is not the one that answers) a session is not ours alone: what is
 * set goes with each transaction, and nothing is prepared. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "state_postgres_private.h"

enum { HOSTS_ROOM = 1024 };

static void
hush(void *arg, const char *words)
{
	(void)arg;
	(void)words;
}

static const char *
option_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options->keyword; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val ? options->val : "";
	return "";
}

/* Each of the hosts, which commas part, is this machine's. */
static bool
are_near(const char *hosts)
{
	while (*hosts) {
		const size_t n = strcspn(hosts, ",");
		char host[256];

		snprintf(host, sizeof host, "%.*s", (int)n, hosts);
		if (n > 0 && *host != '/' && *host != '@' && strcmp(host, "localhost") != 0 &&
			!config_is_loopback(host))
			return false;
		hosts += n + (hosts[n] == ',');
	}
	return true;
}

static bool
check_options(const PQconninfoOption *options, struct error *why)
{
	const char *mode = option_of(options, "sslmode");
	const char *address = option_of(options, "hostaddr");
	const char *hosts = *address ? address : option_of(options, "host");

	return are_near(hosts) || strcmp(mode, "require") == 0 ||
	       strncmp(mode, "verify-", 7) == 0 ||
	       error_set(why,
		       "database.url leads to %.100s without TLS: add sslmode=verify-full to it (or "
		       "require, which trusts whoever answers)",
		       hosts);
}

bool
state_url_check(const char *url, struct error *why)
{
	char *words = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &words);
	bool good;

	if (!options) { /* its words may quote a password */
		PQfreemem(words);
		return error_set(why, "database.url is neither a URL such as "
				      "postgresql://user@host/database nor libpq's keywords");
	}
	good = check_options(options, why);
	PQconninfoFree(options);
	return good;
}

static size_t
entries_of(const char *list)
{
	size_t n = 1;

	for (; *list; list++)
		n += *list == ',';
	return n;
}

static size_t
hosts_of(const PQconninfoOption *options)
{
	const char *address = option_of(options, "hostaddr");

	return entries_of(*address ? address : option_of(options, "host"));
}

/* The list from its entry `first` on, those before it behind; one entry is for all hosts. */
static const char *
turned(const char *list, size_t first, char room[HOSTS_ROOM])
{
	const char *at = list;

	for (first %= entries_of(list); first > 0; first--)
		at = strchr(at, ',') + 1;
	if (at == list || strlen(list) + 2 > HOSTS_ROOM)
		return list;
	snprintf(room, HOSTS_ROOM, "%s,%.*s", at, (int)(at - list - 1), list);
	return room;
}

static PGconn *
begin_connect(const struct state_db *db, const PQconninfoOption *options)
{
	static const char *const lists[] = {"host", "hostaddr", "port"};
	const struct config *cfg = db->cfg;
	const char *keys[12] = {"fallback_application_name", "tcp_user_timeout", "keepalives_idle"};
	const char *values[12] = {"trotline", NULL, "10"};
	char timeout[24], rooms[3][HOSTS_ROOM];
	size_t n = 3;

	snprintf(timeout, sizeof timeout, "%llu", (unsigned long long)cfg->database.timeout_ms);
	values[1] = timeout;
	keys[n] = "dbname";
	values[n++] = cfg->database.url;
	if (cfg->database.passfile) {
		keys[n] = "passfile";
		values[n++] = cfg->database.passfile;
	}
	if (!db->watches && hosts_of(options) > 1) {
		keys[n] = "target_session_attrs";
		values[n++] = "read-write";
	}
	for (size_t i = 0; i < 3; i++) {
		keys[n] = lists[i];
		values[n++] = turned(option_of(options, lists[i]), db->first_host, rooms[i]);
	}
	keys[n] = "client_encoding";
	values[n++] = "UTF8";
	return PQconnectStartParams(keys, values, 1);
}

static bool
finish_connect(struct state_db *db)
{
	const uint64_t deadline_ms = clock_mono_ms() + db->cfg->database.timeout_ms;
	PostgresPollingStatusType next = PGRES_POLLING_WRITING;

	while (next != PGRES_POLLING_OK) {
		if (next == PGRES_POLLING_FAILED ||
			!pg_wait_for(
				db, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms))
			return false;
		next = PQconnectPoll(db->conn);
	}
	return PQsetnonblocking(db->conn, 1) == 0;
}

/* What it says when it lets nobody in: there is no SQLSTATE to be had, but for the words. */
static enum store_cause
cause_of_refusal(const char *words)
{
	static const char *const denials[] = {"authentication failed", "no password supplied",
		"no pg_hba.conf entry", "does not exist", "permission denied", "is not permitted"};

	for (size_t i = 0; i < sizeof denials / sizeof *denials; i++)
		if (strstr(words, denials[i]))
			return CAUSE_DENIED;
	return CAUSE_AWAY;
}

static bool
fail_connect(struct state_db *db, struct error *why)
{
	const char *words = PQerrorMessage(db->conn);

	pg_say(why, "cannot connect", *words ? words : "no answer within database.timeout");
	pg_note(db, cause_of_refusal(words), STATE_OURS);
	pg_drop(db);
	return false;
}

/* What the session must be, whatever the server, the database and the role have set. Behind a pooler it is
 * other clients' too: there each transaction says so for itself. */
static bool
set_session(struct state_db *db, struct error *why)
{
	char sql[512];

	if (db->pooled)
		return true;
	snprintf(sql, sizeof sql,
		"SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '30s';"
		"SET statement_timeout = %llu; SET default_transaction_isolation = 'read committed';"
		"SET client_min_messages = warning%s",
		db->watches ? 0ULL : (unsigned long long)db->cfg->database.timeout_ms,
		db->watches ? "; SET default_transaction_read_only = on" : "");
	return pg_exec(db, sql, NULL, why);
}

static bool
set_up(struct state_db *db, struct error *why)
{
	PGresult *res = NULL;
	bool good = true;

	if (!pg_exec(db,
		    "SELECT pg_backend_pid(), (current_setting('server_encoding') = 'UTF8')::int,"
		    " (current_setting('transaction_read_only') = 'on')::int",
		    &res, why))
		return false;
	db->pooled = pg_number(res, 0, 0) != PQbackendPID(db->conn);
	if (pg_number(res, 0, 1) != 1) {
		pg_note(db, CAUSE_TROUBLE, STATE_OURS);
		good = error_set(why, "state database: its encoding is not UTF8: make another with "
				      "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0");
	} else if (pg_number(res, 0, 2) == 1 && !db->watches) {
		pg_note(db, CAUSE_READ_ONLY, STATE_OURS);
		good = error_set(why,
			"state database: the server takes no changes: it is a standby, or "
			"default_transaction_read_only is on");
	}
	PQclear(res);
	return good && set_session(db, why);
}

/* libpq goes on to the next host from one that refuses. From one that says nothing, as a machine without
 * power does, we do: it comes last then, here and when it is next connected. */
static bool
reach(struct state_db *db, const PQconninfoOption *options, struct error *why)
{
	bool silent = true;

	for (size_t left = hosts_of(options); silent && left > 0; left--) {
		db->conn = begin_connect(db, options);
		if (!db->conn)
			return error_set(why, "out of memory");
		PQsetNoticeProcessor(db->conn, hush, NULL);
		if (PQstatus(db->conn) != CONNECTION_BAD && finish_connect(db))
			return true;
		silent = PQstatus(db->conn) != CONNECTION_BAD;
		db->first_host += silent;
		fail_connect(db, why);
	}
	return false;
}

static bool
connect_anew(struct state_db *db, struct error *why)
{
	PQconninfoOption *options;
	bool good;

	if (!db->cfg->database.url)
		return error_set(why, "state database: database.url is not known to this program");
	if (!state_url_check(db->cfg->database.url, why))
		return false;
	options = PQconninfoParse(db->cfg->database.url, NULL);
	if (!options)
		return error_set(why, "out of memory");
	good = reach(db, options, why);
	PQconninfoFree(options);
	if (!good)
		return false;
	if (set_up(db, why) && (db->watches ? pg_schema_look(db, why) : pg_schema_prepare(db, why)))
		return true;
	pg_drop(db);
	return false;
}

bool
pg_connect(struct state_db *db, struct error *why)
{
	struct error cause = {""};

	if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
		return true;
	pg_drop(db);
	if (db->tried_ms && clock_mono_ms() - db->tried_ms < PG_RETRY_MS) {
		pg_note(db, db->refused, STATE_OURS);
		return error_set(why, "%s", db->why.text);
	}
	db->cause = CAUSE_TROUBLE;
	if (connect_anew(db, &cause)) {
		db->tried_ms = 0;
		return true;
	}
	db->refused = db->cause;
	db->why = cause;
	db->tried_ms = clock_mono_ms();
	return error_set(why, "%s", cause.text);
}

void
pg_drop(struct state_db *db)
{
	PQfinish(db->conn);
	db->conn = NULL;
	db->queued = 0;
	db->journals_n = 0;
	memset(db->prepared, 0, sizeof db->prepared);
	memset(db->preparing, 0, sizeof db->preparing);
}
