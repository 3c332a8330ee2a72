/* state_sqlite_sql - the SQL of each statement; see state_statements.h for values and columns. */
#include "state_sqlite_private.h"

#define TEXT(prefix, name, sql) [prefix##name] = {#name, sql}

/* email, address, at, score to add */
#define RECIPIENT_SQL(column)                                                                      \
	"INSERT INTO recipients(email, address, " column ", last_" column "_at, score)"            \
	" VALUES(?1, ?2, 1, ?3, ?4)"                                                               \
	" ON CONFLICT(email) DO UPDATE SET " column " = " column " + 1,"                           \
	" last_" column "_at = max(ifnull(last_" column "_at, 0), excluded.last_" column "_at),"   \
	" score = score + excluded.score"

#define RECIPIENT(name, column) TEXT(SQL_, name, RECIPIENT_SQL(column)),

/* ?1 email, ?2 at, ?3 list */
#define LIFTABLE                                                                                   \
	"email = ?1 AND reason = 'unsubscribe'"                                                    \
	" AND NOT EXISTS (SELECT 1 FROM consents WHERE email = ?1 AND wanted = 0)"                 \
	" AND iif(event_id = 'operator', ?3 = '' AND since <= ?2,"                                 \
	" since <= (SELECT max(at) FROM consents WHERE email = ?1))"

/* ?1 email. With an empty first half, so that each counter's begins with UNION ALL. */
#define COUNT_SQL(statement, column)                                                               \
	" UNION ALL SELECT '" column "', " column ", last_" column "_at, address, score"           \
	" FROM recipients WHERE email = ?1"

/* Does the fact replace what is there? */
#define STRONGER MESSAGE_RANK("excluded.status") " > " MESSAGE_RANK("status")
#define NEWER "(excluded.status = status AND excluded.status_at > status_at)"

#define MESSAGE_TAKE(column, replaces)                                                             \
	column " = iif(" replaces ", excluded." column ", " column ")"

/* message, email, campaign, user, status, status_at, detail, smtp_code, bounce_type, event id */
#define MESSAGE_SQL(replaces)                                                                      \
	"INSERT INTO messages(message_id, email, campaign_id, user_id,"                            \
	" status, status_at, detail, smtp_code, bounce_type, event_id)"                            \
	" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET"               \
	" campaign_id = ifnull(campaign_id, excluded.campaign_id),"                                \
	" user_id = ifnull(user_id, excluded.user_id), " MESSAGE_TAKE("status_at",                 \
		replaces) ", " MESSAGE_TAKE("detail", replaces) ", " MESSAGE_TAKE("smtp_code",     \
		replaces) ", " MESSAGE_TAKE("bounce_type", replaces) ", " MESSAGE_TAKE("event_id", \
		replaces) ", " MESSAGE_TAKE("status",                                              \
		replaces) " WHERE " replaces                                                       \
			  " OR (campaign_id IS NULL AND excluded.campaign_id NOTNULL)"             \
			  " OR (user_id IS NULL AND excluded.user_id NOTNULL)"

#define MESSAGE_COLUMNS                                                                            \
	"email, status, status_at, detail, smtp_code, bounce_type, campaign_id, event_id"

const struct state_sql state_sql[OWN_COUNT] = {TEXT(OWN_, BEGIN, "BEGIN IMMEDIATE"),
	TEXT(OWN_, COMMIT, "COMMIT"), TEXT(OWN_, ROLLBACK, "ROLLBACK"),
	TEXT(OWN_, EVENT_BEGIN, "SAVEPOINT event"), TEXT(OWN_, EVENT_KEEP, "RELEASE event"),
	TEXT(OWN_, EVENT_UNDO, "ROLLBACK TO event"),
	TEXT(OWN_, JOURNAL_GET, "SELECT id FROM journals WHERE journal = ?1"),
	TEXT(OWN_, JOURNAL_ADD, "INSERT INTO journals(journal) VALUES(?1)"),
	TEXT(OWN_, APPLIED_ADD,
		"INSERT INTO applied(journal, seq, at, mark) VALUES(?1, ?2, ?3, ?4)"
		" ON CONFLICT DO UPDATE SET at = excluded.at, mark = excluded.mark"
		" WHERE mark <> excluded.mark"),
	TEXT(OWN_, APPLIED_OLDEST, "SELECT at FROM applied ORDER BY journal, seq LIMIT 1"),
	TEXT(OWN_, APPLIED_FORGET,
		"DELETE FROM applied WHERE at < ?1"
		" AND (journal, seq) < (SELECT journal, seq FROM applied ORDER BY journal, seq LIMIT 1 OFFSET ?2)"),
	TEXT(OWN_, APPLIED_ONE,
		"SELECT at FROM applied"
		" WHERE journal = (SELECT id FROM journals WHERE journal = ?1) AND seq = ?2"),
	TEXT(OWN_, APPLIED_ALL,
		"SELECT seq FROM applied"
		" WHERE journal = (SELECT id FROM journals WHERE journal = ?1) ORDER BY seq"),
	TEXT(OWN_, APPLIED_NEWEST,
		"SELECT max(seq) FROM applied"
		" WHERE journal = (SELECT id FROM journals WHERE journal = ?1)"),
	TEXT(OWN_, APPLIED_MARKED,
		"SELECT journals.journal, seq, at FROM journals JOIN applied ON applied.journal = journals.id"
		" WHERE mark = ?1 ORDER BY journals.id DESC"),
	TEXT(OWN_, CHECK, "PRAGMA quick_check(10)"),
	TEXT(SQL_, MESSAGE_NOTE, MESSAGE_SQL(STRONGER " OR " NEWER)),
	TEXT(SQL_, MESSAGE_IMPLY, MESSAGE_SQL(STRONGER)),
	TEXT(SQL_, ENGAGEMENT_ADD,
		"INSERT INTO engagements(kind, email, message_id, campaign_id, user_id,"
		" url, user_agent, ip, at, source, event_id)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
	TEXT(SQL_, INTEREST_ADD,
		"INSERT INTO interests(user, kind, key, weight, last_at) VALUES(?1, ?2, ?3, ?4, ?5)"
		" ON CONFLICT DO UPDATE SET"
		" weight = weight + excluded.weight, last_at = max(last_at, excluded.last_at)"),
	TEXT(SQL_, CONVERSION_ADD,
		"INSERT INTO conversions(name, email, message_id, campaign_id, user_id,"
		" url, at, source, event_id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
	TEXT(SQL_, SUPPRESSION_GET,
		"SELECT since, until, reason = 'unsubscribe' FROM suppressions WHERE email = ?1"),
	TEXT(SQL_, SUPPRESSION_SET,
		"INSERT INTO suppressions(email, reason, since, until, event_id)"
		" VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"
		" reason = excluded.reason, since = excluded.since, until = excluded.until,"
		" event_id = excluded.event_id"),
	TEXT(SQL_, SUPPRESSION_FIND,
		"SELECT email, reason, since, until, event_id FROM suppressions WHERE email = ?1"),
	TEXT(SQL_, SUPPRESSION_LIST,
		"SELECT email, reason, since, until, event_id FROM suppressions"
		" WHERE email > ?1 AND (until IS NULL OR until > ?2) AND (?3 IS NULL OR reason = ?3)"
		" ORDER BY email LIMIT ?4"),
	TEXT(SQL_, SUPPRESSION_REMOVE, "DELETE FROM suppressions WHERE email = ?1"),
	TEXT(SQL_, SOFT_BOUNCE_ADD,
		"INSERT INTO soft_bounces(email, at, event_id) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING"),
	TEXT(SQL_, SOFT_BOUNCE_NEWEST,
		"SELECT max(at), ifnull((SELECT last_delivered_at FROM recipients WHERE email = ?1), 0)"
		" FROM soft_bounces WHERE email = ?1"),
	TEXT(SQL_, SOFT_BOUNCE_FORGET, "DELETE FROM soft_bounces WHERE email = ?1 AND at <= ?2"),
	TEXT(SQL_, SOFT_BOUNCE_DELIVERED, "DELETE FROM soft_bounces WHERE email = ?1 AND at <= ?2"),
	TEXT(SQL_, SOFT_BOUNCE_COUNT, "SELECT count(*) FROM soft_bounces WHERE email = ?1"),
	TEXT(SQL_, COMPLIANCE_ADD,
		"INSERT INTO compliance_log(email, what, at, source, event_id, detail)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
	TEXT(SQL_, VERIFICATION_ADD,
		"INSERT INTO verifications(type, email, result, at, source, event_id, data)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
	TEXT(SQL_, SYSTEM_ADD,
		"INSERT INTO system_events(type, at, source, event_id, data) VALUES(?1, ?2, ?3, ?4, ?5)"),
	TEXT(SQL_, SUPPRESSION_LIFT, "DELETE FROM suppressions WHERE " LIFTABLE),
	TEXT(SQL_, SUPPRESSION_LIFT_LOG,
		"INSERT INTO compliance_log(email, what, at, source, event_id, detail)"
		" SELECT email, 'lifted', ?2, ?4, ?5, json_object('reason', reason, 'since', since,"
		" 'event_id', event_id, 'list', nullif(?3, '')) FROM suppressions WHERE " LIFTABLE),
	TEXT(SQL_, SUPPRESSION_OF_OPT_OUT,
		"INSERT OR IGNORE INTO suppressions(email, reason, since, until, event_id)"
		" SELECT email, 'unsubscribe', at, NULL, event_id FROM consents"
		" WHERE email = ?1 AND wanted = 0 ORDER BY list LIMIT 1"),
	TEXT(SQL_, SUPPRESSION_OF_SOFT_BOUNCES,
		"INSERT OR IGNORE INTO suppressions(email, reason, since, until, event_id)"
		" SELECT email, 'soft_bounces', max(at), max(at) + ?2, event_id FROM soft_bounces"
		" WHERE email = ?1 GROUP BY email HAVING count(*) >= ?3 AND max(at) + ?2 > ?4"),
	TEXT(SQL_, LIFTED_LAST,
		"SELECT what, at, source, event_id FROM compliance_log WHERE email = ?1"
		" AND what IN ('lifted', 'operator_lifted') ORDER BY id DESC LIMIT 1"),
	TEXT(SQL_, CONSENT_NEWER,
		"SELECT 1 FROM consents WHERE email = ?1 AND at > ?4"
		" AND (list = ?2 OR (list = '' AND wanted = 1 AND ?3 = 0))"),
	TEXT(SQL_, CONSENT_SET,
		"INSERT INTO consents(email, list, wanted, at, source, event_id)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET"
		" source = iif(wanted = excluded.wanted, source, excluded.source),"
		" event_id = iif(wanted = excluded.wanted, event_id, excluded.event_id),"
		" wanted = excluded.wanted, at = excluded.at"),
	TEXT(SQL_, CONSENT_COVER,
		"DELETE FROM consents WHERE email = ?1 AND list <> '' AND at <= ?2"),
	TEXT(SQL_, OPT_OUTS_REMOVE, "DELETE FROM consents WHERE email = ?1 AND wanted = 0"),
	TEXT(SQL_, RECEIVED_ADD,
		"INSERT INTO received_events(type, at, source, event_id, data) VALUES(?1, ?2, ?3, ?4, ?5)"),
	TEXT(SQL_, UNKNOWN_ADD,
		"INSERT INTO unknown_events(type, at, source, event_id, data) VALUES(?1, ?2, ?3, ?4, ?5)"),
	TEXT(SQL_, EFFECTS,
		"SELECT 'engagements', kind, email, message_id, at, source FROM engagements WHERE event_id = ?1"
		" UNION ALL SELECT 'conversions', name, email, message_id, at, source FROM conversions"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'compliance_log', what, email, NULL, at, source FROM compliance_log"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'suppressions', reason, email, NULL, since, NULL FROM suppressions"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'soft_bounces', 'soft_bounce', email, NULL, at, NULL FROM soft_bounces"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'consents', iif(wanted, 'wanted', 'unwanted'), email, NULL, at, source"
		" FROM consents WHERE event_id = ?1"
		" UNION ALL SELECT 'messages', status, email, message_id, status_at, NULL FROM messages"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'verifications', type, email, NULL, at, source FROM verifications"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'system_events', type, NULL, NULL, at, source FROM system_events"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'received_events', type, NULL, NULL, at, source FROM received_events"
		" WHERE event_id = ?1"
		" UNION ALL SELECT 'unknown_events', type, NULL, NULL, at, source FROM unknown_events"
		" WHERE event_id = ?1"),
	TEXT(SQL_, RECIPIENT_COUNTS,
		"SELECT NULL, NULL, NULL, NULL, NULL WHERE 0" RECIPIENT_COUNTERS(COUNT_SQL)),
	TEXT(SQL_, CONSENTS_OF,
		"SELECT list, wanted, at, source, event_id FROM consents WHERE email = ?1"
		" ORDER BY list LIMIT ?2"),
	TEXT(SQL_, MESSAGE_FIND,
		"SELECT " MESSAGE_COLUMNS " FROM messages WHERE message_id = ?1 AND email = ?2"),
	TEXT(SQL_, MESSAGE_LIST,
		"SELECT " MESSAGE_COLUMNS " FROM messages WHERE message_id = ?1"
		" ORDER BY email LIMIT ?2"),
	RECIPIENT_COUNTERS(RECIPIENT)};
