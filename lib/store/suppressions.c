/* suppressions - see suppressions.h. */
#include "suppressions.h"

#include <stdlib.h>

#include "lib/base/json.h"

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
	struct state_cell row[2]; /* since, until */
	struct suppression now;

	*changed = true;
	switch (state_get(db, SQL_SUPPRESSION_GET, STATE_VALUES(SV_TEXT(email)), row, 2, why)) {
	case STATE_ROW_FAILED:
		return false;
	case STATE_ROW:
		now.since = row[0].number;
		now.until = row[1].null ? SUPPRESSED_FOR_GOOD : row[1].number;
		*changed = suppression_join(&now, &next);
		break;
	case STATE_NO_ROW:
		break;
	}
	return !*changed || set(db, email, reason, next, event_id, why);
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
