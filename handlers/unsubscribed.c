/* unsubscribed - the recipient wants no more: never write there again. The message that it came
 * from has arrived.
 * In: email_unsubscribed.  Out: messages, recipients, consents, suppressions, compliance_log. */
#include "kit.h"
#include "message.h"
#include "recipient.h"
#include "suppression.h"

static enum verdict_kind
unsubscribed(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_was(db, &in, MESSAGE_DELIVERED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_UNSUBSCRIBED, 0, why) ||
		!suppression_opt_out(db, &in, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "unsubscribed", unsubscribed);
}
