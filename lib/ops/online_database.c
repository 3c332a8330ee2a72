/* online_database - is the PostgreSQL server as it must be? See online.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/config/config_processes.h"
#include "lib/store/state_online.h"
#include "online_private.h"

enum { TEXT = 200, VERSION_LEAST = 130000, CLOCK_NOTE_MS = 2000, CLOCK_FAULT_MS = 30000 };

typedef void look(const struct online *o, const struct state_online *s);

static void
look_at_version(const struct online *o, const struct state_online *s)
{
	char is[TEXT];

	snprintf(is, sizeof is, "PostgreSQL %" PRId64 ".%" PRId64, s->version / 10000,
		s->version % 10000);
	online_tell(o, "version", s->version < VERSION_LEAST ? ONLINE_FAULT : ONLINE_GOOD, is,
		"13 or later", "upgrade the server");
}

static void
look_at_writing(const struct online *o, const struct state_online *s)
{
	const bool bad = s->standby || s->read_only;

	online_tell(o, "writing", bad ? ONLINE_FAULT : ONLINE_GOOD,
		s->standby     ? "it is a standby"
		: s->read_only ? "default_transaction_read_only is on"
			       : "takes changes",
		"takes changes",
		s->standby ? "let database.url lead to the primary, or name all hosts in it"
			   : "ALTER ROLE ... SET default_transaction_read_only = off");
}

static void
look_at_rights(const struct online *o, const struct state_online *s)
{
	const bool makes = s->schema < s->known;

	if (makes && !s->may_create)
		online_tell(o, "rights", ONLINE_FAULT, "the role may not make tables",
			"it may, or somebody else makes them first",
			"GRANT CREATE, USAGE ON SCHEMA public TO the role");
	else
		online_tell(o, "rights", s->may_write ? ONLINE_GOOD : ONLINE_FAULT,
			s->may_write ? "reads and writes the tables"
				     : "the role may not write the tables",
			"reads and writes the tables",
			"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the role");
}

static void
look_at_schema(const struct online *o, const struct state_online *s)
{
	char is[TEXT], should[TEXT];

	if (s->schema == 0)
		snprintf(is, sizeof is, "no tables yet: the first node that starts makes them");
	else
		snprintf(is, sizeof is, "version %" PRId64 "%s", s->schema,
			s->schema < s->known ? ": the first node that starts raises them" : "");
	snprintf(should, sizeof should, "at most %" PRId64, s->known);
	online_tell(o, "tables",
		s->schema > s->known    ? ONLINE_FAULT
		: s->schema == s->known ? ONLINE_GOOD
					: ONLINE_NOTE,
		is, should, "a newer Trotline has raised them: install that on this node too");
}

static void
look_at_encoding(const struct online *o, const struct state_online *s)
{
	online_tell(o, "encoding", strcmp(s->encoding, "UTF8") == 0 ? ONLINE_GOOD : ONLINE_FAULT,
		s->encoding, "UTF8", "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0");
}

static void
look_at_setting(
	const struct online *o, const char *name, const char *is, bool bad, const char *should)
{
	char how[TEXT];

	snprintf(how, sizeof how, "ALTER SYSTEM SET %s = on, then SELECT pg_reload_conf()", name);
	online_tell(o, name, bad ? ONLINE_FAULT : ONLINE_GOOD, is, should, how);
}

/* Handlers set the first one for themselves; who looks at the server must know all the same. */
static void
look_at_flush(const struct online *o, const struct state_online *s)
{
	look_at_setting(o, "synchronous_commit", s->synchronous_commit,
		strcmp(s->synchronous_commit, "off") == 0 ||
			strcmp(s->synchronous_commit, "local") == 0,
		"on, remote_write or remote_apply");
	look_at_setting(o, "fsync", s->fsync, strcmp(s->fsync, "on") != 0, "on");
	look_at_setting(o, "full_page_writes", s->full_page_writes,
		strcmp(s->full_page_writes, "on") != 0, "on");
}

static void
look_at_standbys(const struct online *o, const struct state_online *s)
{
	const bool none = s->standbys[0] == 0;

	online_tell(o, "synchronous_standby_names", none ? ONLINE_NOTE : ONLINE_GOOD,
		none ? "empty: a failover to a standby takes back what was applied last, and no node has it any more"
		     : s->standbys,
		"names a standby, where one may take over",
		"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (standby)', then SELECT pg_reload_conf()");
}

static void
look_at_tls(const struct online *o, const struct state_online *s)
{
	online_tell(o, "tls", s->tls || s->local ? ONLINE_GOOD : ONLINE_FAULT,
		s->tls     ? "used"
		: s->local ? "not used, and not needed: this machine"
			   : "not used",
		"used, but on this machine", "sslmode=verify-full in database.url");
}

static void
look_at_clock(const struct online *o, const struct state_online *s)
{
	const int64_t apart = s->clock_ms < 0 ? -s->clock_ms : s->clock_ms;
	char is[TEXT];

	snprintf(is, sizeof is, "%" PRId64 ".%03" PRId64 " s %s ours", apart / 1000, apart % 1000,
		s->clock_ms < 0 ? "behind" : "ahead of");
	online_tell(o, "clock",
		apart > CLOCK_FAULT_MS  ? ONLINE_FAULT
		: apart > CLOCK_NOTE_MS ? ONLINE_NOTE
					: ONLINE_GOOD,
		is, "within 2 s", "run NTP on this machine and on the server");
}

static void
look_at_pool(const struct online *o, const struct state_online *s)
{
	static const char *const modes[] = {
		[POOL_NONE] = "no pooler between",
		[POOL_SESSION] = "a pooler is between, in session mode",
		[POOL_TRANSACTION] =
			"a pooler is between, in transaction mode: nothing is prepared, and each group costs more",
		[POOL_STATEMENT] =
			"a pooler is between, in statement mode: there are no transactions",
		[POOL_UNKNOWN] = "a pooler is between; its mode could not be told",
	};

	online_tell(o, "pooler",
		s->pool == POOL_NONE || s->pool == POOL_SESSION ? ONLINE_GOOD
		: s->pool == POOL_UNKNOWN                       ? ONLINE_NOTE
								: ONLINE_FAULT,
		modes[s->pool], "none, or in session mode",
		"pool_mode = session for this database");
}

/* How many connections all processes of this node keep. */
static uint64_t
wanted(const struct config *cfg)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (plan[i].row->stores & OPENS_STATE)
			sum += plan[i].wanted;
	return sum;
}

static void
look_at_connections(const struct online *o, const struct state_online *s)
{
	const int64_t nodes = o->cfg->fleet_nodes_count ? (int64_t)o->cfg->fleet_nodes_count : 1;
	const int64_t need = (int64_t)wanted(o->cfg);
	char is[TEXT], should[TEXT];

	if (s->pool != POOL_NONE)
		return;
	snprintf(is, sizeof is, "%" PRId64 " of %" PRId64 " are free", s->connections_free,
		s->connections_max);
	snprintf(should, sizeof should, "%" PRId64 " for this node, %" PRId64 " for all %" PRId64,
		need, need * nodes, nodes);
	online_tell(o, "connections",
		s->connections_max < need * nodes ? ONLINE_FAULT
		: s->connections_free < need      ? ONLINE_NOTE
						  : ONLINE_GOOD,
		is, should, "raise max_connections, or lower the processes of handlers");
}

void
online_database(struct online *o)
{
	static look *const looks[] = {look_at_version, look_at_writing, look_at_rights,
		look_at_schema, look_at_encoding, look_at_flush, look_at_standbys, look_at_tls,
		look_at_clock, look_at_pool, look_at_connections};
	struct state_online s;
	struct error why = {""};

	o->of = "database";
	o->name = s.server;
	if (!state_online(o->cfg, &s, &why)) {
		online_tell(o, "reach", ONLINE_FAULT, why.text, "answers",
			"database.url, database.passfile, pg_hba.conf, or the way there");
		return;
	}
	online_tell(o, "reach", ONLINE_GOOD, "answers", "answers", "");
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
		looks[i](o, &s);
}
