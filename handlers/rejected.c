/* rejected - the sending service did not send the message: its own refusal or its own failure.
 * In: email_rejected, email_failed.  Out: messages. */
#include "kit.h"
#include "message.h"

static enum verdict_kind
rejected(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	const bool failed = slice_is(ev->type, "email_failed");
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	return message_is(db, &in, failed ? MESSAGE_FAILED : MESSAGE_REJECTED, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "rejected", rejected);
}
