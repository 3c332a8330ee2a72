/* message - see message.h. */
#include "message.h"

#define MESSAGE_NAME(status, name, rank) [MESSAGE_##status] = (name),
static const char *const names[MESSAGE_STATUS_COUNT] = {MESSAGE_STATUSES(MESSAGE_NAME)};

static struct slice
detail(const struct input *in)
{
	return in->reason.p ? in->reason : in->diagnostic;
}

bool
message_note(struct state *db, const struct input *in, const struct message_fact *fact,
	struct error *why)
{
	if (!in->message_id.p)
		return true;
	return state_run(db, fact->implied ? SQL_MESSAGE_IMPLY : SQL_MESSAGE_NOTE,
		STATE_VALUES(SV_TEXT(in->message_id), SV_TEXT(in->email), SV_TEXT(in->campaign_id),
			SV_TEXT(in->user_id), SV_TEXT(slice_of(names[fact->status])),
			SV_INT(fact->at), SV_TEXT(detail(in)),
			in->has_smtp_code ? SV_INT(in->smtp_code) : SV_NULL,
			SV_TEXT(slice_of(fact->bounce_type)), SV_TEXT(in->ev->id)),
		why);
}

bool
message_is(struct state *db, const struct input *in, enum message_status status, struct error *why)
{
	return message_note(db, in, &(struct message_fact){.status = status, .at = in->at}, why);
}

bool
message_was(struct state *db, const struct input *in, enum message_status status, struct error *why)
{
	return message_note(db, in,
		&(struct message_fact){.status = status, .at = in->at, .implied = true}, why);
}
