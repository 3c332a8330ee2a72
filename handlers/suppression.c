/* suppression - see suppression.h. */
#include "suppression.h"

#include "lib/base/field.h"

#define CAUSE_NAME(cause, name) [CAUSE_##cause] = (name),
static const char *const cause_names[CAUSE_COUNT] = {SUPPRESSION_CAUSES(CAUSE_NAME)};

static bool
suppress(struct state *db, const struct input *in, const char *reason, struct suppression next,
	struct error *why)
{
	bool changed;

	return suppression_extend(db, in->email, slice_of(reason), next, in->ev->id, &changed, why);
}

static bool
log_event(struct state *db, const struct input *in, const char *what, struct error *why)
{
	const struct compliance entry = {
		.email = in->email,
		.what = what,
		.at = in->at,
		.source = in->ev->source,
		.event_id = in->ev->id,
		.detail = &in->ev->data,
	};

	return compliance_log(db, &entry, why);
}

bool
suppression_for_good(
	struct state *db, const struct input *in, enum suppression_cause cause, struct error *why)
{
	return log_event(db, in, cause_names[cause], why) &&
	       suppress(db, in, cause_names[cause],
		       (struct suppression){in->at, SUPPRESSED_FOR_GOOD}, why);
}

/* Enters this one, drops those that no longer count, and counts the rest. */
static bool
count_soft_bounces(struct state *db, const struct input *in, int64_t period_ms, int64_t *newest,
	int64_t *count, struct error *why)
{
	struct state_cell cells[2]; /* newest, last_delivered_at */

	if (!state_run(db, SQL_SOFT_BOUNCE_ADD,
		    STATE_VALUES(SV_TEXT(in->email), SV_INT(in->at), SV_TEXT(in->ev->id)), why) ||
		state_get(db, SQL_SOFT_BOUNCE_NEWEST, STATE_VALUES(SV_TEXT(in->email)), cells, 2,
			why) == STATE_ROW_FAILED)
		return false;
	*newest = cells[0].number;
	if (!soft_bounces_forget(
		    db, in->email, soft_bounce_floor(*newest, period_ms, cells[1].number), why) ||
		state_get(db, SQL_SOFT_BOUNCE_COUNT, STATE_VALUES(SV_TEXT(in->email)), cells, 1,
			why) == STATE_ROW_FAILED)
		return false;
	*count = cells[0].number;
	return true;
}

static struct consent
word_of(const struct input *in, bool wanted)
{
	return (struct consent){
		.email = in->email,
		.list = in->list,
		.wanted = wanted,
		.at = in->at,
		.source = in->ev->source,
		.event_id = in->ev->id,
	};
}

bool
suppression_opt_out(struct state *db, const struct input *in, struct error *why)
{
	const struct consent word = word_of(in, false);
	bool counts;

	if (!consent_tell(db, &word, &counts, why))
		return false;
	return counts ? suppression_for_good(db, in, CAUSE_UNSUBSCRIBE, why)
		      : log_event(db, in, cause_names[CAUSE_UNSUBSCRIBE], why);
}

static bool
show_soft_bounces(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why)
{
	return state_run(db, SQL_SUPPRESSION_OF_SOFT_BOUNCES,
		STATE_VALUES(SV_TEXT(in->email), SV_INT(cfg->suppression.soft_bounce_period_ms),
			SV_INT(cfg->suppression.soft_bounces), SV_INT(in->at)),
		why);
}

bool
suppression_lift(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why)
{
	const struct consent word = word_of(in, true);
	bool counts;

	return log_event(db, in, "subscribe", why) && consent_tell(db, &word, &counts, why) &&
	       (!counts || (consent_lift(db, &word, why) && show_soft_bounces(db, in, cfg, why)));
}

bool
suppression_soft_bounce(
	struct state *db, const struct input *in, const struct config *cfg, struct error *why)
{
	const int64_t period_ms = (int64_t)cfg->suppression.soft_bounce_period_ms;
	int64_t newest, count;

	if (!count_soft_bounces(db, in, period_ms, &newest, &count, why))
		return false;
	if ((uint64_t)count < cfg->suppression.soft_bounces)
		return true;
	return suppress(
		db, in, "soft_bounces", (struct suppression){newest, newest + period_ms}, why);
}

bool
suppression_delivered(struct state *db, const struct input *in, struct error *why)
{
	return state_run(db, SQL_SOFT_BOUNCE_DELIVERED,
		STATE_VALUES(SV_TEXT(in->email), SV_INT(in->at)), why);
}
