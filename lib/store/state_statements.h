/* state_statements - what a handler, or whoever looks, may ask of the state database, by name.
 *
 * Values are given in the order that stands here, and columns come in the order behind the arrow.
 * Each engine has its own words for them (state_sqlite_sql.c, state_postgres_sql.c).
 * Times are ms since 1970. What is added stands beside what is there, what is set in its place. */
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

/* What became of a message, one status for each message and recipient. The rule: a status of higher rank
 * replaces one of lower rank however late it comes in; the same status replaces itself only when it is
 * newer; nothing else changes anything. So the order in which events arrive does not matter, and none
 * takes a message back. A status that stands in no row is kept: a newer version or a person put it there.
 *
 * Being accepted by the sending service says least; that it did not send at all is final unless the
 * message is heard of again. Being put off or refused for now says less than having arrived; being
 * opened or clicked proves having arrived. A bounce outranks these: a server that took the message
 * may return it later, and machines that scan mail open and click. A complaint comes from the
 * person and outranks all. Ranks differ, so that two facts of the same time have one winner.
 *
 * X(status, name in the database, rank as the text that SQL takes) */
#define MESSAGE_STATUSES(X)                                                                        \
	X(ACCEPTED, "accepted", "5")                                                               \
	X(DEFERRED, "deferred", "10")                                                              \
	X(BLOCKED, "blocked", "20")                                                                \
	X(REJECTED, "rejected", "22")                                                              \
	X(FAILED, "failed", "24")                                                                  \
	X(DELIVERED, "delivered", "30")                                                            \
	X(OPENED, "opened", "40")                                                                  \
	X(CLICKED, "clicked", "50")                                                                \
	X(BOUNCED, "bounced", "60")                                                                \
	X(COMPLAINED, "complained", "70")

/* The rank of the status in that column. */
#define MESSAGE_WHEN(status, name, rank) " WHEN '" name "' THEN " rank
#define MESSAGE_RANK(column) "CASE " column MESSAGE_STATUSES(MESSAGE_WHEN) " ELSE 1000 END"

#define STATEMENT_ENUM(name, column) SQL_##name,

enum statement {
	/* message, email, campaign, user, status, status_at, detail, smtp_code, bounce_type, event id: by the
	 * rule of MESSAGE_STATUSES. A campaign or user that the row has already stays, and one that it has
	 * not yet is filled in also where the status stays. */
	SQL_MESSAGE_NOTE,
	/* The same of what follows from another fact: it never replaces the same status. */
	SQL_MESSAGE_IMPLY,
	/* kind, email, message, campaign, user, url, user_agent, ip, at, source, event id. */
	SQL_ENGAGEMENT_ADD,
	/* user, kind, key, weight, at: added to the weight; the later time stays. */
	SQL_INTEREST_ADD,
	/* name, email, message, campaign, user, url, at, source, event id. */
	SQL_CONVERSION_ADD,
	/* email -> since, until (NULL: for good), is it an unsubscription (0 or 1). */
	SQL_SUPPRESSION_GET,
	/* email, reason, since, until, event id: in place of what was there. */
	SQL_SUPPRESSION_SET,
	/* email -> email, reason, since, until, event id. */
	SQL_SUPPRESSION_FIND,
	/* email to begin after, now, reason or NULL, limit -> rows like FIND's that are not over, by email
	 * (in the order of its bytes). */
	SQL_SUPPRESSION_LIST,
	/* email. */
	SQL_SUPPRESSION_REMOVE,
	/* email, at, list ('': all mail): an unsubscription that is not younger than the latest word, once
	 * no opt-out stands; one of an operator's not for a list, and not when it is younger than `at`. */
	SQL_SUPPRESSION_LIFT,
	/* email, at, list, source, event id: what LIFT would take away goes into the compliance log as
	 * `lifted`, of that event. */
	SQL_SUPPRESSION_LIFT_LOG,
	/* email: an opt-out that stands, as the suppression. */
	SQL_SUPPRESSION_OF_OPT_OUT,
	/* email, period, number, now: soft bounces that still count, as the suppression, where they are
	 * enough, it is not over by now, and no other stands. */
	SQL_SUPPRESSION_OF_SOFT_BOUNCES,
	/* email -> what, at, source, event id of the latest lifting in the compliance log. */
	SQL_LIFTED_LAST,
	/* email, list, wanted, at -> a row when a younger word stands against it. */
	SQL_CONSENT_NEWER,
	/* email, list, wanted, at, source, event id. */
	SQL_CONSENT_SET,
	/* email, at: words about lists that are not younger than one about all mail. */
	SQL_CONSENT_COVER,
	/* email: all opt-outs. */
	SQL_OPT_OUTS_REMOVE,
	/* email, at, event id: once each. */
	SQL_SOFT_BOUNCE_ADD,
	/* email -> the latest time or NULL, the last delivery or 0; always a row. */
	SQL_SOFT_BOUNCE_NEWEST,
	/* email, the latest to go. */
	SQL_SOFT_BOUNCE_FORGET,
	/* email, a delivery: soft bounces that are not younger than it. */
	SQL_SOFT_BOUNCE_DELIVERED,
	/* email -> number. */
	SQL_SOFT_BOUNCE_COUNT,
	/* email, what, at, source, event id, detail (JSON). */
	SQL_COMPLIANCE_ADD,
	/* type, email, result, at, source, event id, data (JSON). */
	SQL_VERIFICATION_ADD,
	/* type, at, source, event id, data (JSON); so the next two. */
	SQL_SYSTEM_ADD,
	SQL_RECEIVED_ADD,
	SQL_UNKNOWN_ADD,
	/* event id -> table, what it says there (a kind, status, type or reason), email or NULL, message or
	 * NULL, at, source or NULL: the rows that come from the event. Reads all of these tables. */
	SQL_EFFECTS,
	/* email -> name of a counter, how many, last time or NULL, address as it was written, score: a row
	 * for each counter, none where the address is not known. */
	SQL_RECIPIENT_COUNTS,
	/* email, limit -> list ('': all mail), wanted, at, source, event id. */
	SQL_CONSENTS_OF,
	/* message, email -> email, status, status_at, detail, smtp_code, bounce_type, campaign, event id. */
	SQL_MESSAGE_FIND,
	/* message, limit -> the same of all its recipients, by email. */
	SQL_MESSAGE_LIST,
	/* email (lower case, the key), address (as it was written), at, score to add: one more in the
	 * column, the later time in last_<column>_at. */
	RECIPIENT_COUNTERS(STATEMENT_ENUM) SQL_COUNT
};

#endif
