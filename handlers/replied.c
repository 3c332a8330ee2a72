/* replied - the recipient answered, so the message was opened.
 * In: email_replied.  Out: messages, recipients, engagements, interests. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
replied(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_was(db, &in, MESSAGE_OPENED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_REPLIED, 0, why) ||
		!engagement_add(db, &in, ENGAGEMENT_REPLY, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "replied", replied);
}
