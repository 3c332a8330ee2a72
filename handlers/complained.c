/* complained - the recipient called the message spam: never write there again.
 * In: email_complained.  Out: messages, recipients, suppressions, compliance_log. */
#include "kit.h"
#include "message.h"
#include "recipient.h"
#include "suppression.h"

static enum verdict_kind
complained(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_is(db, &in, MESSAGE_COMPLAINED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_COMPLAINED, 0, why) ||
		!suppression_for_good(db, &in, CAUSE_COMPLAINT, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "complained", complained);
}
