/* received - mail that came in, and answers by machines to mail that went out.
 * In: email_received, email_autoresponded.  Out: received_events. */
#include "archive.h"
#include "kit.h"

static enum verdict_kind
received(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	(void)cfg;
	return archive_event(db, ev, SQL_RECEIVED_ADD, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "received", received);
}
