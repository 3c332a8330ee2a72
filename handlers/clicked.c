/* clicked - the recipient followed a link, so the message arrived; some links are conversions.
 * In: email_clicked.  Out: messages, recipients, engagements, interests, conversions. */
#include "kit.h"
#include "message.h"
#include "recipient.h"

static enum verdict_kind
clicked(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	if (input_is_anonymous(ev))
		return engagement_anonymous(db, ev, ENGAGEMENT_ANONYMOUS_CLICK, why);
	if (!input_read(&in, ev, why))
		return DEAD;
	if (field_bool(&ev->data, "machine", false))
		return engagement_by_machine(db, &in, ENGAGEMENT_MACHINE_CLICK, why) ? DONE : RETRY;
	if (!message_is(db, &in, MESSAGE_CLICKED, why) ||
		!recipient_count(db, &in, SQL_RECIPIENT_CLICKED, cfg->scores.clicked, why) ||
		!engagement_add(db, &in, ENGAGEMENT_CLICK, why) ||
		!conversions_add(db, &in, cfg, why))
		return RETRY;
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "clicked", clicked);
}
