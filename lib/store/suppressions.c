/* suppressions - see suppressions.h. */
#include "suppressions.h"

#include <stdlib.h>

#include "lib/base/json.h"

static const char UNSUBSCRIPTION[] = "unsubscribe";

bool
suppression_join(const struct suppression *now, struct suppression *next)
{
	if (next->until <= now->until)
		return false;
	if (next->until != SUPPRESSED_FOR_GOOD && next->since <= now->until &&
		now->since < next->since)
		next->since = now->since;
	return true;
}

static bool
set(struct state *db, struct slice email, struct slice reason, struct suppression next,
	struct slice event_id, struct error *why)
{
	return state_run(db, SQL_SUPPRESSION_SET,
		STATE_VALUES(SV_TEXT(email), SV_TEXT(reason), SV_INT(next.since),
			next.until == SUPPRESSED_FOR_GOOD ? SV_NULL : SV_INT(next.until),
			SV_TEXT(event_id)),
		why);
}

bool
suppression_extend(struct state *db, struct slice email, struct slice reason,
	struct suppression next, struct slice event_id, bool *changed, struct error *why)
{
	struct state_cell row[3]; /* since, until, is it an unsubscription */
	struct suppression now;

	*changed = true;
	switch (state_get(db, SQL_SUPPRESSION_GET, STATE_VALUES(SV_TEXT(email)), row, 3, why)) {
	case STATE_ROW_FAILED:
		return false;
	case STATE_ROW:
		now.since = row[0].number;
		now.until = row[1].null ? SUPPRESSED_FOR_GOOD : row[1].number;
		*changed = suppression_join(&now, &next) ||
			   (next.until == now.until && row[2].number &&
				   !slice_is(reason, UNSUBSCRIPTION));
		break;
	case STATE_NO_ROW:
		break;
	}
	return !*changed || set(db, email, reason, next, event_id, why);
}

static struct slice
list_of(const struct consent *word)
{
	return word->list.p ? word->list : (struct slice){"", 0};
}

static bool
cover_lists(struct state *db, const struct consent *word, struct error *why)
{
	return word->list.p || !word->wanted ||
	       state_run(db, SQL_CONSENT_COVER,
		       STATE_VALUES(SV_TEXT(word->email), SV_INT(word->at)), why);
}

bool
consent_tell(struct state *db, const struct consent *word, bool *counts, struct error *why)
{
	const struct slice list = list_of(word);
	struct state_cell found[1];

	*counts = false;
	switch (state_get(db, SQL_CONSENT_NEWER,
		STATE_VALUES(SV_TEXT(word->email), SV_TEXT(list), SV_INT(word->wanted),
			SV_INT(word->at)),
		found, 1, why)) {
	case STATE_ROW_FAILED:
		return false;
	case STATE_ROW:
		return true;
	case STATE_NO_ROW:
		break;
	}
	*counts = true;
	return cover_lists(db, word, why) &&
	       state_run(db, SQL_CONSENT_SET,
		       STATE_VALUES(SV_TEXT(word->email), SV_TEXT(list), SV_INT(word->wanted),
			       SV_INT(word->at), SV_TEXT(word->source), SV_TEXT(word->event_id)),
		       why);
}

bool
consent_lift(struct state *db, const struct consent *word, struct error *why)
{
	const struct slice list = list_of(word);

	return state_run(db, SQL_SUPPRESSION_LIFT_LOG,
		       STATE_VALUES(SV_TEXT(word->email), SV_INT(word->at), SV_TEXT(list),
			       SV_TEXT(word->source), SV_TEXT(word->event_id)),
		       why) &&
	       state_run(db, SQL_SUPPRESSION_LIFT,
		       STATE_VALUES(SV_TEXT(word->email), SV_INT(word->at), SV_TEXT(list)), why);
}

int64_t
soft_bounce_floor(int64_t newest, int64_t period_ms, int64_t delivered_at)
{
	const int64_t old = newest - period_ms;

	return old > delivered_at ? old : delivered_at;
}

bool
soft_bounces_forget(struct state *db, struct slice email, int64_t up_to, struct error *why)
{
	return state_run(
		db, SQL_SOFT_BOUNCE_FORGET, STATE_VALUES(SV_TEXT(email), SV_INT(up_to)), why);
}

bool
compliance_log(struct state *db, const struct compliance *entry, struct error *why)
{
	char *detail = json_write(entry->detail, false);
	bool added;

	if (!detail)
		return error_set(why, "out of memory");
	added = state_run(db, SQL_COMPLIANCE_ADD,
		STATE_VALUES(SV_TEXT(entry->email), SV_TEXT(slice_of(entry->what)),
			SV_INT(entry->at), SV_TEXT(entry->source), SV_TEXT(entry->event_id),
			SV_TEXT(slice_of(detail))),
		why);
	free(detail);
	return added;
}
