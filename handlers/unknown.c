/* unknown - keeps what no other handler takes, complete, so that nothing accepted is lost.
 * In: every other type.  Out: unknown_events. */
#include "archive.h"
#include "kit.h"

static enum verdict_kind
unknown(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	(void)cfg;
	return archive_event(db, ev, SQL_UNKNOWN_ADD, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "unknown", unknown);
}
