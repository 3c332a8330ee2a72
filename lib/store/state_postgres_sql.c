/* state_postgres_sql - the SQL of each statement; see state_statements.h for values and columns, and
 * state_postgres_private.h for the letters.
 *
 * Two processes that change the same rows must come to them in the same order, or they wait for each
 * other: each statement's rows go by key, and the statements by table (state_postgres_gather.c). What
 * changes a person's permission reads first and is decided between, so it goes under a lock of its own,
 * `turns`, which is taken for all people of a group at once.
 *
 * @ stands for the rows: unnest() over the arrays that the columns are. */
#include "state_postgres_private.h"

/* A number that nothing else in the database takes a lock on. */
#define FORGET_LOCK "8390046715217045871"

#define TEXT(prefix, name, sql) [prefix##name] = {#name, NULL, sql}
#define ROWS(prefix, name, columns, sql) [prefix##name] = {#name, columns, sql}

/* clang-format off */
/* email, address, at, score to add, number */
#define RECIPIENT_SQL(column) \
	"INSERT INTO recipients AS r (email, address, last_" column "_at, score, " column ")" \
	" SELECT * FROM @ ON CONFLICT (email) DO UPDATE SET " column " = r." column " + excluded." column "," \
	" last_" column "_at = greatest(r.last_" column "_at, excluded.last_" column "_at, 0)," \
	" score = r.score + excluded.score"
#define RECIPIENT(name, column) ROWS(SQL_, name, "kf>+#", RECIPIENT_SQL(column)),

/* Does the fact replace what is there? */
#define STRONGER                                                                                   \
	"(m.status = chr(1) OR " MESSAGE_RANK("excluded.status") " > " MESSAGE_RANK("m.status") ")"
#define NEWER "(excluded.status = m.status AND excluded.status_at > m.status_at)"

#define MESSAGE_TAKE(column, replaces)                                                             \
	column " = CASE WHEN " replaces " THEN excluded." column " ELSE m." column " END"

/* message, email, campaign, user, status, status_at, detail, smtp_code, bounce_type, event id */
#define MESSAGE_SQL(replaces) \
	"INSERT INTO messages AS m (message_id, email, campaign_id, user_id," \
	" status, status_at, detail, smtp_code, bounce_type, event_id) SELECT * FROM @" \
	" ON CONFLICT (message_id, email) DO UPDATE SET" \
	" campaign_id = coalesce(m.campaign_id, excluded.campaign_id)," \
	" user_id = coalesce(m.user_id, excluded.user_id), " \
	MESSAGE_TAKE("status_at", replaces) ", " \
	MESSAGE_TAKE("detail", replaces) ", " \
	MESSAGE_TAKE("smtp_code", replaces) ", " \
	MESSAGE_TAKE("bounce_type", replaces) ", " \
	MESSAGE_TAKE("event_id", replaces) ", " \
	MESSAGE_TAKE("status", replaces) \
	" WHERE " replaces \
	" OR (m.campaign_id IS NULL AND excluded.campaign_id IS NOT NULL)" \
	" OR (m.user_id IS NULL AND excluded.user_id IS NOT NULL)"

/* clang-format on */
#define ARCHIVE_SQL(table)                                                                         \
	"INSERT INTO " table "(type, at, source, event_id, data)"                                  \
	" SELECT * FROM @"

/* $1 email, $2 at, $3 list */
#define LIFTABLE                                                                                   \
	"email = $1 AND reason = 'unsubscribe'"                                                    \
	" AND NOT EXISTS (SELECT 1 FROM consents WHERE email = $1 AND wanted = 0)"                 \
	" AND CASE WHEN event_id = 'operator' THEN $3 = '' AND since <= $2"                        \
	" ELSE since <= (SELECT max(at) FROM consents WHERE email = $1) END"

#define COUNT_SQL(statement, column)                                                               \
	" UNION ALL SELECT '" column "', " column ", last_" column "_at, address, score"           \
	" FROM recipients WHERE email = $1"

#define MESSAGE_COLUMNS                                                                            \
	"email, status, status_at, detail, smtp_code, bounce_type, campaign_id, event_id"

#define SUPPRESSION_COLUMNS "email, reason, since, until, event_id"

/* clang-format off */
const struct pg_sql pg_sql[OWN_COUNT] = {
	TEXT(OWN_, BEGIN, "BEGIN ISOLATION LEVEL READ COMMITTED"),
	TEXT(OWN_, LOCAL,
		"SELECT set_config('synchronous_commit', 'on', true),"
		" set_config('statement_timeout', $1, true),"
		" set_config('idle_in_transaction_session_timeout', '30s', true)"),
	TEXT(OWN_, COMMIT, "COMMIT"), TEXT(OWN_, ROLLBACK, "ROLLBACK"),
	TEXT(OWN_, EVENT_BEGIN, "SAVEPOINT event"),
	TEXT(OWN_, EVENT_KEEP, "RELEASE SAVEPOINT event"),
	TEXT(OWN_, EVENT_UNDO, "ROLLBACK TO SAVEPOINT event"),
	/* Without a lock on a row that others need too. No row: another has just made it; once more. */
	TEXT(OWN_, JOURNAL,
		"WITH old AS (SELECT id FROM journals WHERE journal = $1), new AS ("
		"INSERT INTO journals(journal) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM old)"
		" ON CONFLICT DO NOTHING RETURNING id)"
		" SELECT id FROM old UNION ALL SELECT id FROM new"),
	/* journal, seq, mark, at, what makes it the same (hex or NULL), received, window -> 0, journal, seq of
	 * each that was not applied; 1, journal, seq of each that is known under no other identity. Without
	 * a join: the planner of a prepared statement reckons with 10 rows, not with 512, and joins by loops.
	 * The window is looked up row by row only where the group has several. */
	ROWS(OWN_, ENTER, "KKiitii",
		"WITH given AS MATERIALIZED (SELECT journal, seq, mark, at, decode(same, 'hex') AS hash,"
		" received, span FROM @ AS g(journal, seq, mark, at, same, received, span)),"
		" fresh AS (INSERT INTO applied AS a (journal, seq, at, mark)"
		" SELECT journal, seq, at, mark FROM given ON CONFLICT (journal, seq) DO UPDATE"
		" SET at = excluded.at, mark = excluded.mark WHERE a.mark <> excluded.mark"
		" RETURNING journal, seq),"
		" told AS (INSERT INTO known_ids AS k (hash, journal, seq, at)"
		" SELECT DISTINCT ON (hash) hash, journal, seq, received FROM given"
		" WHERE hash IS NOT NULL ORDER BY hash, journal, seq ON CONFLICT (hash) DO UPDATE"
		" SET journal = excluded.journal, seq = excluded.seq, at = excluded.at"
		" WHERE (k.journal = excluded.journal AND k.seq = excluded.seq) OR k.at <= excluded.at -"
		" CASE WHEN (SELECT min(span) = max(span) FROM given) THEN (SELECT min(span) FROM given)"
		" ELSE (SELECT max(g.span) FROM given g WHERE g.hash = excluded.hash) END"
		" RETURNING journal, seq)"
		" SELECT 0, journal, seq FROM fresh UNION ALL SELECT 1, journal, seq FROM told"),
	TEXT(OWN_, TURNS,
		"SELECT 1 FROM turns WHERE bucket = ANY($1::bigint[]) ORDER BY bucket FOR UPDATE"),
	/* Where more than one statement is for a table: all its rows, in order, before any of them. */
	ROWS(OWN_, MESSAGES_LOCK, "kk",
		"INSERT INTO messages AS m (message_id, email, status, status_at, event_id)"
		" SELECT a, b, chr(1), 0, '' FROM @ AS g(a, b)"
		" ON CONFLICT (message_id, email) DO UPDATE SET status = m.status"),
	ROWS(OWN_, RECIPIENTS_LOCK, "kf",
		"INSERT INTO recipients AS r (email, address) SELECT * FROM @"
		" ON CONFLICT (email) DO UPDATE SET address = r.address"),
	/* After this transaction's rows of `recipients`, on which a delivery and a bounce of one address
	 * wait for each other: soft bounces that a delivery has made void meanwhile. */
	ROWS(OWN_, SOFT_BOUNCES_SETTLE, "k",
		"DELETE FROM soft_bounces WHERE ctid = ANY(ARRAY("
		"SELECT s.ctid FROM @ AS g(email) JOIN soft_bounces s USING (email)"
		" JOIN recipients r USING (email) WHERE s.at <= r.last_delivered_at"
		" FOR UPDATE OF s SKIP LOCKED))"),
	/* One process at a time, and nobody waits for it. A journal's oldest row tells whether to look on. Of the
	 * journals whose events this process is sent alone: what a node that is away holds, it may send yet. */
	TEXT(OWN_, APPLIED_FORGET,
		"DELETE FROM applied WHERE ctid = ANY(ARRAY(SELECT a.ctid"
		" FROM (SELECT pg_try_advisory_xact_lock(" FORGET_LOCK ") AS got) mine, journals j,"
		" LATERAL (SELECT at FROM applied WHERE journal = j.id ORDER BY seq LIMIT 1) o,"
		" LATERAL (SELECT ctid FROM applied WHERE journal = j.id AND at < $1::bigint AND seq <"
		" (SELECT seq FROM applied WHERE journal = j.id ORDER BY seq LIMIT 1 OFFSET $2::bigint)) a"
		" WHERE j.id = ANY($3::bigint[]) AND mine.got AND o.at < $1::bigint))"),
	/* By its small index, whatever the planner thinks of it. */
	TEXT(OWN_, BY_INDEX, "SELECT set_config('enable_seqscan', $1, true)"),
	TEXT(OWN_, KNOWN_FORGET,
		"DELETE FROM known_ids WHERE ctid = ANY(ARRAY(SELECT k.ctid"
		" FROM (SELECT pg_try_advisory_xact_lock(" FORGET_LOCK ") AS got) mine,"
		" LATERAL (SELECT ctid FROM known_ids WHERE at < $1::bigint LIMIT $2::bigint) k"
		" WHERE mine.got))"),
	TEXT(OWN_, APPLIED_ONE,
		"SELECT at FROM applied WHERE journal = (SELECT id FROM journals WHERE journal = $1)"
		" AND seq = $2::bigint"),
	TEXT(OWN_, APPLIED_ALL,
		"SELECT seq FROM applied WHERE journal = (SELECT id FROM journals WHERE journal = $1)"
		" ORDER BY seq"),
	TEXT(OWN_, APPLIED_NEWEST,
		"SELECT coalesce(max(seq), 0) FROM applied"
		" WHERE journal = (SELECT id FROM journals WHERE journal = $1)"),
	TEXT(OWN_, APPLIED_MARKED,
		"SELECT j.journal, a.seq, a.at FROM journals j JOIN applied a ON a.journal = j.id"
		" WHERE a.mark = $1::bigint ORDER BY j.id DESC"),
	TEXT(OWN_, CHECK,
		"SELECT 'index ' || c.relname || ' is not valid: REINDEX it' FROM pg_index i"
		" JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
		" WHERE NOT i.indisvalid AND pg_table_is_visible(t.oid)"),
	TEXT(OWN_, PING, "SELECT 1"),

	ROWS(SQL_, MESSAGE_NOTE, "kkffsWwWww", MESSAGE_SQL(STRONGER " OR " NEWER)),
	ROWS(SQL_, MESSAGE_IMPLY, "kkffSWwWww", MESSAGE_SQL(STRONGER)),
	ROWS(SQL_, ENGAGEMENT_ADD, "ttttttttitt",
		"INSERT INTO engagements(kind, email, message_id, campaign_id, user_id,"
		" url, user_agent, ip, at, source, event_id) SELECT * FROM @"),
	ROWS(SQL_, INTEREST_ADD, "kkk+>",
		"INSERT INTO interests AS i (\"user\", kind, key, weight, last_at)"
		" SELECT * FROM @"
		" ON CONFLICT (\"user\", kind, key) DO UPDATE SET"
		" weight = i.weight + excluded.weight, last_at = greatest(i.last_at, excluded.last_at)"),
	ROWS(SQL_, CONVERSION_ADD, "ttttttitt",
		"INSERT INTO conversions(name, email, message_id, campaign_id, user_id, url, at, source,"
		" event_id) SELECT * FROM @"),
	TEXT(SQL_, SUPPRESSION_GET,
		"SELECT since, until, (reason = 'unsubscribe')::int FROM suppressions WHERE email = $1"),
	TEXT(SQL_, SUPPRESSION_SET,
		"INSERT INTO suppressions(" SUPPRESSION_COLUMNS ")"
		" VALUES($1, $2, $3::bigint, $4::bigint, $5) ON CONFLICT (email) DO UPDATE SET"
		" reason = excluded.reason, since = excluded.since, until = excluded.until,"
		" event_id = excluded.event_id"),
	TEXT(SQL_, SUPPRESSION_FIND,
		"SELECT " SUPPRESSION_COLUMNS " FROM suppressions WHERE email = $1"),
	TEXT(SQL_, SUPPRESSION_LIST,
		"SELECT " SUPPRESSION_COLUMNS " FROM suppressions WHERE email > $1"
		" AND (until IS NULL OR until > $2::bigint) AND ($3::text IS NULL OR reason = $3)"
		" ORDER BY email LIMIT $4::bigint"),
	TEXT(SQL_, SUPPRESSION_REMOVE, "DELETE FROM suppressions WHERE email = $1"),
	TEXT(SQL_, SUPPRESSION_LIFT, "DELETE FROM suppressions WHERE " LIFTABLE),
	TEXT(SQL_, SUPPRESSION_LIFT_LOG,
		"INSERT INTO compliance_log(email, what, at, source, event_id, detail)"
		" SELECT email, 'lifted', $2::bigint, $4, $5, '{\"reason\":' || to_json(reason)"
		" || ',\"since\":' || since || ',\"event_id\":' || to_json(event_id) || ',\"list\":'"
		" || coalesce(to_json(nullif($3, ''))::text, 'null') || '}' FROM suppressions WHERE " LIFTABLE),
	TEXT(SQL_, SUPPRESSION_OF_OPT_OUT,
		"INSERT INTO suppressions(" SUPPRESSION_COLUMNS ")"
		" SELECT email, 'unsubscribe', at, NULL, event_id FROM consents"
		" WHERE email = $1 AND wanted = 0 ORDER BY list LIMIT 1 ON CONFLICT DO NOTHING"),
	TEXT(SQL_, SUPPRESSION_OF_SOFT_BOUNCES,
		"INSERT INTO suppressions(" SUPPRESSION_COLUMNS ")"
		" SELECT email, 'soft_bounces', max(at), max(at) + $2::bigint,"
		" (array_agg(event_id ORDER BY at DESC, event_id))[1] FROM soft_bounces"
		" WHERE email = $1 GROUP BY email"
		" HAVING count(*) >= $3::bigint AND max(at) + $2::bigint > $4::bigint"
		" ON CONFLICT DO NOTHING"),
	TEXT(SQL_, LIFTED_LAST,
		"SELECT what, at, source, event_id FROM compliance_log WHERE email = $1"
		" AND what IN ('lifted', 'operator_lifted') ORDER BY id DESC LIMIT 1"),
	TEXT(SQL_, CONSENT_NEWER,
		"SELECT 1 FROM consents WHERE email = $1 AND at > $4::bigint"
		" AND (list = $2 OR (list = '' AND wanted = 1 AND $3::bigint = 0))"),
	TEXT(SQL_, CONSENT_SET,
		"INSERT INTO consents AS c (email, list, wanted, at, source, event_id)"
		" VALUES($1, $2, $3::bigint, $4::bigint, $5, $6) ON CONFLICT (email, list) DO UPDATE SET"
		" source = CASE WHEN c.wanted = excluded.wanted THEN c.source ELSE excluded.source END,"
		" event_id = CASE WHEN c.wanted = excluded.wanted THEN c.event_id"
		" ELSE excluded.event_id END, wanted = excluded.wanted, at = excluded.at"),
	TEXT(SQL_, CONSENT_COVER,
		"DELETE FROM consents WHERE email = $1 AND list <> '' AND at <= $2::bigint"),
	TEXT(SQL_, OPT_OUTS_REMOVE, "DELETE FROM consents WHERE email = $1 AND wanted = 0"),
	TEXT(SQL_, SOFT_BOUNCE_ADD,
		"INSERT INTO soft_bounces(email, at, event_id) VALUES($1, $2::bigint, $3)"
		" ON CONFLICT DO NOTHING"),
	TEXT(SQL_, SOFT_BOUNCE_NEWEST,
		"SELECT max(at), coalesce((SELECT last_delivered_at FROM recipients WHERE email = $1), 0)"
		" FROM soft_bounces WHERE email = $1"),
	TEXT(SQL_, SOFT_BOUNCE_FORGET,
		"DELETE FROM soft_bounces WHERE email = $1 AND at <= $2::bigint"),
	ROWS(SQL_, SOFT_BOUNCE_DELIVERED, "k>",
		"DELETE FROM soft_bounces WHERE ctid = ANY(ARRAY("
		"SELECT s.ctid FROM @ AS g(email, at)"
		" JOIN soft_bounces s ON s.email = g.email AND s.at <= g.at FOR UPDATE OF s SKIP LOCKED))"),
	TEXT(SQL_, SOFT_BOUNCE_COUNT, "SELECT count(*) FROM soft_bounces WHERE email = $1"),
	ROWS(SQL_, COMPLIANCE_ADD, "ttittt",
		"INSERT INTO compliance_log(email, what, at, source, event_id, detail)"
		" SELECT * FROM @"),
	ROWS(SQL_, VERIFICATION_ADD, "tttittt",
		"INSERT INTO verifications(type, email, result, at, source, event_id, data)"
		" SELECT * FROM @"),
	ROWS(SQL_, SYSTEM_ADD, "tittt", ARCHIVE_SQL("system_events")),
	ROWS(SQL_, RECEIVED_ADD, "tittt", ARCHIVE_SQL("received_events")),
	ROWS(SQL_, UNKNOWN_ADD, "tittt", ARCHIVE_SQL("unknown_events")),
	TEXT(SQL_, EFFECTS,
		"SELECT 'engagements', kind, email, message_id, at, source FROM engagements WHERE event_id = $1"
		" UNION ALL SELECT 'conversions', name, email, message_id, at, source FROM conversions"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'compliance_log', what, email, NULL, at, source FROM compliance_log"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'suppressions', reason, email, NULL, since, NULL FROM suppressions"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'soft_bounces', 'soft_bounce', email, NULL, at, NULL FROM soft_bounces"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'consents', CASE wanted WHEN 1 THEN 'wanted' ELSE 'unwanted' END, email,"
		" NULL, at, source FROM consents WHERE event_id = $1"
		" UNION ALL SELECT 'messages', status, email, message_id, status_at, NULL FROM messages"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'verifications', type, email, NULL, at, source FROM verifications"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'system_events', type, NULL, NULL, at, source FROM system_events"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'received_events', type, NULL, NULL, at, source FROM received_events"
		" WHERE event_id = $1"
		" UNION ALL SELECT 'unknown_events', type, NULL, NULL, at, source FROM unknown_events"
		" WHERE event_id = $1"),
	TEXT(SQL_, RECIPIENT_COUNTS,
		"SELECT NULL::text, NULL::bigint, NULL::bigint, NULL::text, NULL::bigint"
		" WHERE false" RECIPIENT_COUNTERS(COUNT_SQL)),
	TEXT(SQL_, CONSENTS_OF,
		"SELECT list, wanted, at, source, event_id FROM consents WHERE email = $1"
		" ORDER BY list LIMIT $2::bigint"),
	TEXT(SQL_, MESSAGE_FIND,
		"SELECT " MESSAGE_COLUMNS " FROM messages WHERE message_id = $1 AND email = $2"),
	TEXT(SQL_, MESSAGE_LIST,
		"SELECT " MESSAGE_COLUMNS " FROM messages WHERE message_id = $1"
		" ORDER BY email LIMIT $2::bigint"),
	RECIPIENT_COUNTERS(RECIPIENT)};
/* clang-format on */
