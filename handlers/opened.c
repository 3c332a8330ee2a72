/* opened - the recipient opened the message, so it arrived.
 * In: email_opened.  Out: messages, recipients, engagements, interests. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
opened(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	if (input_is_anonymous(ev))
		return engagement_anonymous(db, ev, ENGAGEMENT_ANONYMOUS_OPEN, why);
	if (!input_read(&in, ev, why))
		return DEAD;
	if (field_bool(&ev->data, "machine", false))
		return engagement_by_machine(db, &in, ENGAGEMENT_MACHINE_OPEN, why) ? DONE : RETRY;
	if (!message_is(db, &in, MESSAGE_OPENED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_OPENED, cfg->scores.opened, why) ||
		!engagement_add(db, &in, ENGAGEMENT_OPEN, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "opened", opened);
}
