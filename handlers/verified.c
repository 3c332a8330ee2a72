/* verified - an address was verified, by its owner or by a check.
 * In: email_verified.  Out: recipients, verifications. */
#include "archive.h"
#include "kit.h"
#include "recipient.h"

static enum verdict_kind
verified(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD;
	if (!recipient_count(db, &in, SQL_RECIPIENT_VERIFIED, 0, why) ||
		!archive_verification(db, ev, in.email, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "verified", verified);
}
