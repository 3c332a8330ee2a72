/* subscribed - the recipient wants to be written to again: an earlier unsubscription ends, of a list
 * that one alone. A bounce or a complaint does not.
 * In: email_subscribed.  Out: consents, suppressions, compliance_log. */
#include "kit.h"
#include "suppression.h"

static enum verdict_kind
subscribed(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	if (!input_read(&in, ev, why))
		return DEAD;
	return suppression_lift(db, &in, cfg, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "subscribed", subscribed);
}
