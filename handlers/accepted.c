/* accepted - the sending service took the message; nothing is known yet of its way.
 * In: email_accepted.  Out: messages. */
#include "kit.h"
#include "message.h"

static enum verdict_kind
accepted(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	return message_is(db, &in, MESSAGE_ACCEPTED, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "accepted", accepted);
}
