/* message - see message.h. */
#include "message.h"

static const struct {
	const char *name;
	int rank;
} statuses[MESSAGE_STATUS_COUNT] = {
#define MESSAGE_ROW(status, name, rank) [MESSAGE_##status] = {name, rank},
	MESSAGE_STATUSES(MESSAGE_ROW)};

bool
message_replaces(const struct message_fact *fact, const char *status, int64_t at)
{
	const int rank = statuses[fact->status].rank;

	for (size_t i = 0; i < MESSAGE_STATUS_COUNT; i++)
		if (strcmp(status, statuses[i].name) == 0)
			return rank > statuses[i].rank ||
			       (rank == statuses[i].rank && !fact->implied && fact->at > at);
	return false;
}

static struct slice
detail(const struct input *in)
{
	return in->reason.p ? in->reason : in->diagnostic;
}

static bool
set(struct state *db, const struct input *in, const struct message_fact *fact, struct error *why)
{
	return state_run(db, SQL_MESSAGE_SET,
		STATE_VALUES(SV_TEXT(in->message_id), SV_TEXT(in->email), SV_TEXT(in->campaign_id),
			SV_TEXT(in->user_id), SV_TEXT(slice_of(statuses[fact->status].name)),
			SV_INT(fact->at), SV_TEXT(detail(in)),
			in->has_smtp_code ? SV_INT(in->smtp_code) : SV_NULL,
			SV_TEXT(slice_of(fact->bounce_type)), SV_TEXT(in->ev->id)),
		why);
}

static bool
fill(struct state *db, const struct input *in, struct error *why)
{
	if (!in->campaign_id.p && !in->user_id.p)
		return true;
	return state_run(db, SQL_MESSAGE_FILL,
		STATE_VALUES(SV_TEXT(in->message_id), SV_TEXT(in->email), SV_TEXT(in->campaign_id),
			SV_TEXT(in->user_id)),
		why);
}

bool
message_note(struct state *db, const struct input *in, const struct message_fact *fact,
	struct error *why)
{
	struct state_cell now[2]; /* status, status_at */
	enum state_row row;

	if (!in->message_id.p)
		return true;
	row = state_get(db, SQL_MESSAGE_GET,
		STATE_VALUES(SV_TEXT(in->message_id), SV_TEXT(in->email)), now, 2, why);
	if (row == STATE_ROW_FAILED)
		return false;
	if (row == STATE_NO_ROW || message_replaces(fact, now[0].text, now[1].number))
		return set(db, in, fact, why);
	return fill(db, in, why);
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
