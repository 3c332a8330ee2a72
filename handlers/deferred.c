/* deferred - the recipient's server put the message off; it will be tried again.
 * In: email_deferred.  Out: messages, recipients. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
deferred(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!message_is(db, &in, MESSAGE_DEFERRED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_DEFERRED, 0, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "deferred", deferred);
}
