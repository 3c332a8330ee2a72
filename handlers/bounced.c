/* bounced - a hard bounce suppresses the address for good; several soft ones do for a while. What says
 * nothing of the address counts towards nothing: an undetermined one is kept whole, and in the native
 * format a refusal for policy, or by the sender's own side, is noted as what it is.
 * In: email_bounced.  Out: messages, recipients, suppressions, soft_bounces, compliance_log,
 * unknown_events. */
#include "archive.h"
#include "kit.h"
#include "message.h"
#include "proto/bounce.h"
#include "recipient.h"
#include "suppression.h"

static enum bounce_cause
cause_of(const struct input *in)
{
	const struct slice reason = in->reason.n ? in->reason : in->diagnostic;
	const struct bounce_facts facts = {
		.code = in->has_smtp_code && in->smtp_code > 0 ? (uint64_t)in->smtp_code : 0,
		.enhanced = field_str(&in->ev->data, "smtp_enhanced"),
		.text = reason,
	};

	return bounce_native(field_str(&in->ev->data, "bounce_type"),
		field_str(&in->ev->data, "bounce_class"), &facts);
}

static bool
note(struct state *db, const struct input *in, const char *bounce_class, struct error *why)
{
	const struct message_fact fact = {
		.status = MESSAGE_BOUNCED,
		.at = in->at,
		.bounce_type = bounce_class,
	};

	return message_note(db, in, &fact, why);
}

static bool
count(struct state *db, const struct input *in, struct error *why)
{
	return recipient_count(db, in, SQL_RECIPIENT_BOUNCED, 0, why);
}

static bool
is_class(const char *bounce_class, const char *name)
{
	return strcmp(bounce_class, name) == 0;
}

static bool
apply(struct state *db, const struct input *in, const struct bounce_row *row,
	const struct config *cfg, struct error *why)
{
	const char *class = row->bounce_class;

	if (!class && is_class(row->type, "email_blocked"))
		return message_is(db, in, MESSAGE_BLOCKED, why) &&
		       recipient_count(db, in, SQL_RECIPIENT_BLOCKED, 0, why);
	if (!class)
		return message_is(db, in, MESSAGE_REJECTED, why);
	if (is_class(class, "hard"))
		return suppression_for_good(db, in, CAUSE_HARD_BOUNCE, why) &&
		       note(db, in, class, why) && count(db, in, why);
	if (is_class(class, "soft"))
		return suppression_soft_bounce(db, in, cfg, why) && note(db, in, class, why) &&
		       count(db, in, why);
	return archive_event(db, in->ev, SQL_UNKNOWN_ADD, why) && note(db, in, class, why);
}

static enum verdict_kind
bounced(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	if (!input_read(&in, ev, why))
		return DEAD;
	return apply(db, &in, &bounce_rows[cause_of(&in)], cfg, why) ? DONE : RETRY;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "bounced", bounced);
}
