/* archived - the recipient moved the message to an archive: it arrived, and it is worth keeping.
 * In: email_archived.  Out: messages, engagements. */
#include "input.h"
#include "kit.h"
#include "message.h"

static bool
note(struct state *db, const struct input *in, struct error *why)
{
	return state_run(db, SQL_ENGAGEMENT_ADD,
		STATE_VALUES(SV_TEXT(slice_of("archive")), SV_TEXT(in->email),
			SV_TEXT(in->message_id), SV_TEXT(in->campaign_id), SV_TEXT(in->user_id),
			SV_TEXT(in->url), SV_TEXT(in->user_agent), SV_TEXT(in->ip), SV_INT(in->at),
			SV_TEXT(in->ev->source), SV_TEXT(in->ev->id)),
		why);
}

static enum verdict_kind
archived(struct state *db, const struct event *ev, const struct config *cfg, struct error *why)
{
	struct input in;

	(void)cfg;
	if (!input_read(&in, ev, why))
		return DEAD; /* no usable address, now or ever; why says so */
	if (!in.message_id.p) {
		error_set(why, "data.message_id is missing");
		return DEAD;
	}
	if (!message_was(db, &in, MESSAGE_DELIVERED, why) || !note(db, &in, why))
		return RETRY; /* the database is in trouble; nothing of this event stays */
	return DONE;
}

int
main(int argc, char **argv)
{
	return handler_main(argc, argv, "archived", archived);
}
