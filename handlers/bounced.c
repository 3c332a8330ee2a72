/* bounced - a hard bounce suppresses the address for good; several soft ones do for a while.
 * In: email_bounced.  Out: messages, recipients, suppressions, soft_bounces, compliance_log. */
#include "kit.h"
#include "message.h"
#include "recipient.h"
#include "suppression.h"

static bool
note(struct state *db, const struct input *in, enum bounce_type type, struct error *why)
{
	const struct message_fact fact = {
		.status = MESSAGE_BOUNCED,
		.at = in->at,
		.bounce_type = type == BOUNCE_HARD ? "hard" : "soft",
	};

	return message_note(db, in, &fact, why) &&
	       recipient_count(db, in, SQL_RECIPIENT_BOUNCED, 0, why);
}

static enum verdict_kind
bounced(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;
	enum bounce_type type;
	bool suppressed;

	if (!input_read(&in, ev, why))
		return DEAD;
	type = bounce_type_of(field_str(&ev->data, "bounce_type"),
		field_str(&ev->data, "bounce_class"), in.smtp_code);
	suppressed = type == BOUNCE_HARD ? suppression_for_good(db, &in, CAUSE_HARD_BOUNCE, why)
					 : suppression_soft_bounce(db, &in, cfg, why);
	return suppressed && note(db, &in, type, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "bounced", bounced);
}
