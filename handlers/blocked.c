/* blocked - the message was refused for what it is or who sent it, not for the address.
 * In: email_blocked.  Out: messages, recipients. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
blocked(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_is(db, &in, MESSAGE_BLOCKED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_BLOCKED, 0, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "blocked", blocked);
}
