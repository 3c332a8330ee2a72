/* delivered - the recipient's server took the message; earlier soft bounces no longer count.
 * In: email_delivered.  Out: messages, recipients, soft_bounces. */
#include "kit.h"
#include "message.h"
#include "recipient.h"
#include "suppression.h"

static enum verdict_kind
delivered(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_is(db, &in, MESSAGE_DELIVERED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_DELIVERED, 0, why) ||
		!suppression_delivered(db, &in, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "delivered", delivered);
}
