/* system - what the sending service says about itself and the account.
 * In: system_rate_limit, system_account_status, system_maintenance, system_error.  Out:
 * system_events. */
#include "archive.h"
#include "kit.h"

static enum verdict_kind
system_event(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	(void)cfg;
	return archive_event(db, ev, SQL_SYSTEM_ADD, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "system", system_event);
}
