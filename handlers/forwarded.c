/* forwarded - the recipient sent the message on, so it was opened.
 * In: email_forwarded.  Out: messages, recipients, engagements, interests. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
forwarded(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_was(db, &in, MESSAGE_OPENED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_FORWARDED, 0, why) ||
		!engagement_add(db, &in, ENGAGEMENT_FORWARD, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "forwarded", forwarded);
}
