/* bounce - what a failure says of the address, decided in one place for all providers and for the
 * native format. Pure.
 *
 * Hard needs a positive sign about the address: the receiver's own code or words, or the provider's
 * word for the receiver's answer. A word other than hard stands as it is; the answer may weaken a
 * hard one and never strengthens another. docs/providers/bounces.md shows the tables; a test holds
 * it to them. */
#ifndef TROTLINE_PROTO_BOUNCE_H
#define TROTLINE_PROTO_BOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/slice.h"

/* X(cause, what the event becomes, bounce class or NULL, in words). The first of a type and class is
 * what a name of that type says by itself. */
#define BOUNCE_CAUSES(X)                                                                           \
	X(HARD, "email_bounced", "hard", "the provider's own word for the receiver's answer")      \
	X(REFUSED, "email_bounced", "hard",                                                        \
		"refused for good (5xx), and nothing else is to blame")                            \
	X(ADDRESS, "email_bounced", "hard", "the receiver says that there is no such address")     \
	X(SOFT, "email_bounced", "soft", "the provider's own word")                                \
	X(GIVEN_UP, "email_bounced", "soft", "given up after soft failures")                       \
	X(FULL, "email_bounced", "soft", "the mailbox is full")                                    \
	X(TOO_LARGE, "email_bounced", "soft", "the message is too large")                          \
	X(TEMPORARY, "email_bounced", "soft", "a passing fault of a server or of the way to it")   \
	X(UNSAID, "email_bounced", "soft", "nothing says why")                                     \
	X(POLICY, "email_blocked", NULL, "refused for policy, reputation or content")              \
	X(SENDER, "email_blocked", NULL, "refused for the sender's address")                       \
	X(NOT_SENT, "email_rejected", NULL, "not sent, by the provider's own rules")               \
	X(SUPPRESSED, "email_rejected", NULL, "on the provider's own suppression list")            \
	X(FAULT, "email_failed", NULL, "not sent, by a fault on the sender's side")                \
	X(TRYING, "email_deferred", NULL, "the provider goes on trying, or may yet send it")       \
	X(UNDETERMINED, "email_bounced", "undetermined", "the provider does not know why")         \
	X(NO_SIGN, "email_bounced", "undetermined", "nothing is said about the address")           \
	X(NO_WORD, "email_bounced", "undetermined", "a word that stands in no table")              \
	X(COMPLAINT, "email_complained", NULL, "a complaint about this message")                   \
	X(NO_REPORT, "unknown", NULL, "a report whose word stands in no table")                    \
	X(NOTICE, "system_notice", NULL, "about no message that was sent")                         \
	X(ANSWER, "email_autoresponded", NULL, "an automatic answer")                              \
	X(OPTED_OUT, "email_unsubscribed", NULL, "an opt-out")                                     \
	X(OPTED_IN, "email_subscribed", NULL, "an opt-in")

#define BOUNCE_ENUM(cause, type, bounce_class, words) BOUNCE_##cause,
enum bounce_cause { BOUNCE_NONE, BOUNCE_CAUSES(BOUNCE_ENUM) BOUNCE_CAUSE_COUNT };

struct bounce_row {
	const char *name, *type, *bounce_class, *words; /* all NULL for BOUNCE_NONE */
};
extern const struct bounce_row bounce_rows[BOUNCE_CAUSE_COUNT];

/* A sign in the receiver's answer, by table: a text of it, and what it says. */
struct bounce_sign {
	const char *sign;
	enum bounce_cause cause;
};
/* Enhanced codes, exact ones before beginnings ("5.7."); reply codes; and words, as they stand in
 * an answer whose letters are small and whose other characters are blanks, the first that is found
 * in the order of the table. Each ends with a row of NULL. */
extern const struct bounce_sign bounce_enhanced[], bounce_replies[], bounce_texts[];

/* What is known of a failure. */
struct bounce_facts {
	enum bounce_cause word; /* the provider's; BOUNCE_NONE and BOUNCE_NO_SIGN: none that says
				 * anything of the address, so the answer alone tells */
	uint64_t code;          /* SMTP reply, 0 for none */
	struct slice enhanced, text; /* the receiver's answer, or what the provider says of it; the
				      * first 1024 bytes are read */
};

/* The decision. Never BOUNCE_NONE. */
enum bounce_cause bounce_judge(const struct bounce_facts *facts);

/* The same for an event in the native vocabulary: bounce_type and bounce_class, the first that is
 * a known word counts; facts->word is not read. */
enum bounce_cause bounce_native(
	struct slice type, struct slice bounce_class, const struct bounce_facts *facts);

/* What a cause is called as a class: hard, soft, undetermined, block, else rejected, failed, ... */
const char *bounce_label(enum bounce_cause cause);

#endif
