/* statements - every statement that the state database runs, as one table.
 *
 * What a handler may do to the database stands here and nowhere else: a handler names a row and
 * gives its values in the order of ?1, ?2, ... Another database is another table with these names.
 */
#ifndef TROTLINE_STORE_STATE_STATEMENTS_H
#define TROTLINE_STORE_STATE_STATEMENTS_H

/* C(statement, column): in table `recipients` a counter, and last_<column>_at, the time of the
 * latest one. */
#define RECIPIENT_COUNTERS(C)                                                                      \
	C(RECIPIENT_DELIVERED, "delivered")                                                        \
	C(RECIPIENT_DEFERRED, "deferred")                                                          \
	C(RECIPIENT_BLOCKED, "blocked")                                                            \
	C(RECIPIENT_BOUNCED, "bounced")                                                            \
	C(RECIPIENT_COMPLAINED, "complained")                                                      \
	C(RECIPIENT_OPENED, "opened")                                                              \
	C(RECIPIENT_CLICKED, "clicked")                                                            \
	C(RECIPIENT_FORWARDED, "forwarded")                                                        \
	C(RECIPIENT_REPLIED, "replied")                                                            \
	C(RECIPIENT_UNSUBSCRIBED, "unsubscribed")                                                  \
	C(RECIPIENT_VERIFIED, "verified")

/* email, address, at, score to add */
#define RECIPIENT_SQL(column)                                                                      \
	"INSERT INTO recipients(email, address, " column ", last_" column "_at, score)"            \
	" VALUES(?1, ?2, 1, ?3, ?4)"                                                               \
	" ON CONFLICT(email) DO UPDATE SET " column " = " column " + 1,"                           \
	" last_" column "_at = max(ifnull(last_" column "_at, 0), excluded.last_" column "_at),"   \
	" score = score + excluded.score"

/* X(statement, SQL) */
#define STATEMENTS(X)                                                                              \
	X(BEGIN, "BEGIN IMMEDIATE")                                                                \
	X(COMMIT, "COMMIT")                                                                        \
	X(ROLLBACK, "ROLLBACK")                                                                    \
	X(EVENT_BEGIN, "SAVEPOINT event")                                                          \
	X(EVENT_KEEP, "RELEASE event")                                                             \
	X(EVENT_UNDO, "ROLLBACK TO event")                                                         \
	X(JOURNAL_GET, "SELECT id FROM journals WHERE journal = ?1")                               \
	X(JOURNAL_ADD, "INSERT INTO journals(journal) VALUES(?1)")                                 \
	X(APPLIED_ADD, "INSERT INTO applied(journal, seq, at, mark) VALUES(?1, ?2, ?3, ?4)"        \
		       " ON CONFLICT DO UPDATE SET at = excluded.at, mark = excluded.mark"         \
		       " WHERE mark <> excluded.mark")                                             \
	X(APPLIED_OLDEST, "SELECT at FROM applied ORDER BY journal, seq LIMIT 1")                  \
	X(APPLIED_FORGET,                                                                          \
		"DELETE FROM applied WHERE at < ?1 AND (journal, seq) <"                           \
		" (SELECT journal, seq FROM applied ORDER BY journal, seq LIMIT 1 OFFSET ?2)")     \
	X(MESSAGE_GET,                                                                             \
		"SELECT status, status_at FROM messages WHERE message_id = ?1 AND email = ?2")     \
	X(MESSAGE_SET,                                                                             \
		"INSERT INTO messages(message_id, email, campaign_id, user_id, status, status_at," \
		" detail, smtp_code, bounce_type, event_id) VALUES(?1, ?2, ?3, ?4, ?5, ?6,"        \
		" ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET"                                      \
		" campaign_id = ifnull(campaign_id, excluded.campaign_id),"                        \
		" user_id = ifnull(user_id, excluded.user_id), status = excluded.status,"          \
		" status_at = excluded.status_at, detail = excluded.detail,"                       \
		" smtp_code = excluded.smtp_code, bounce_type = excluded.bounce_type,"             \
		" event_id = excluded.event_id")                                                   \
	X(MESSAGE_FILL,                                                                            \
		"UPDATE messages SET campaign_id = ifnull(campaign_id, ?3),"                       \
		" user_id = ifnull(user_id, ?4) WHERE message_id = ?1 AND email = ?2"              \
		" AND (campaign_id IS NULL AND ?3 NOTNULL OR user_id IS NULL AND ?4 NOTNULL)")     \
	X(ENGAGEMENT_ADD,                                                                          \
		"INSERT INTO engagements(kind, email, message_id, campaign_id, user_id, url,"      \
		" user_agent, ip, at, source, event_id)"                                           \
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")                           \
	X(INTEREST_ADD,                                                                            \
		"INSERT INTO interests(user, kind, key, weight, last_at)"                          \
		" VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET"                            \
		" weight = weight + excluded.weight, last_at = max(last_at, excluded.last_at)")    \
	X(CONVERSION_ADD,                                                                          \
		"INSERT INTO conversions(name, email, message_id, campaign_id, user_id, url, at,"  \
		" source, event_id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                   \
	X(SUPPRESSION_GET, "SELECT since, until FROM suppressions WHERE email = ?1")               \
	X(SUPPRESSION_SET,                                                                         \
		"INSERT INTO suppressions(email, reason, since, until, event_id)"                  \
		" VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET reason = excluded.reason,"  \
		" since = excluded.since, until = excluded.until, event_id = excluded.event_id")   \
	X(SUPPRESSION_FIND,                                                                        \
		"SELECT email, reason, since, until, event_id FROM suppressions WHERE email = ?1") \
	X(SUPPRESSION_LIST,                                                                        \
		"SELECT email, reason, since, until, event_id FROM suppressions WHERE email > ?1"  \
		" AND (until IS NULL OR until > ?2) AND (?3 IS NULL OR reason = ?3)"               \
		" ORDER BY email LIMIT ?4")                                                        \
	X(SUPPRESSION_REMOVE, "DELETE FROM suppressions WHERE email = ?1")                         \
	X(SOFT_BOUNCE_ADD, "INSERT INTO soft_bounces(email, at, event_id) VALUES(?1, ?2, ?3)"      \
			   " ON CONFLICT DO NOTHING")                                              \
	X(SOFT_BOUNCE_NEWEST, "SELECT max(at), ifnull((SELECT last_delivered_at FROM recipients"   \
			      " WHERE email = ?1), 0) FROM soft_bounces WHERE email = ?1")         \
	X(SOFT_BOUNCE_FORGET, "DELETE FROM soft_bounces WHERE email = ?1 AND at <= ?2")            \
	X(SOFT_BOUNCE_COUNT, "SELECT count(*) FROM soft_bounces WHERE email = ?1")                 \
	X(COMPLIANCE_ADD, "INSERT INTO compliance_log(email, what, at, source, event_id, detail)"  \
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6)")                                       \
	X(VERIFICATION_ADD,                                                                        \
		"INSERT INTO verifications(type, email, result, at, source, event_id, data)"       \
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")                                             \
	X(SYSTEM_ADD, "INSERT INTO system_events(type, at, source, event_id, data)"                \
		      " VALUES(?1, ?2, ?3, ?4, ?5)")                                               \
	X(SUPPRESSION_LIFT, "DELETE FROM suppressions WHERE email = ?1 AND reason = 'unsubscribe'" \
			    " AND since <= ?2")                                                    \
	X(RECEIVED_ADD, "INSERT INTO received_events(type, at, source, event_id, data)"            \
			" VALUES(?1, ?2, ?3, ?4, ?5)")                                             \
	X(UNKNOWN_ADD, "INSERT INTO unknown_events(type, at, source, event_id, data)"              \
		       " VALUES(?1, ?2, ?3, ?4, ?5)")

#define STATEMENT_ENUM(name, text) SQL_##name,
enum statement { STATEMENTS(STATEMENT_ENUM) RECIPIENT_COUNTERS(STATEMENT_ENUM) SQL_COUNT };

#endif
