/* trouble - see trouble.h. */
#include "trouble.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { REST_MS = 60000 };

static double *
figure(const struct trouble *t, enum metric_family family, enum store_cause cause)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	if (family == METRIC_FAMILY_TROUBLE)
		metric_label(labels, sizeof labels, "stage", slice_of(t->st->name));
	metric_label(labels, sizeof labels, "store", slice_of(t->store));
	metric_label(labels, sizeof labels, "cause", slice_of(cause_table[cause].word));
	return metric(t->st->metrics, family, labels);
}

void
trouble_open(struct trouble *t)
{
	figure(t, METRIC_FAMILY_TROUBLE, CAUSE_TROUBLE);
	figure(t, METRIC_FAMILY_REPLACED_AT, CAUSE_REPLACED);
	figure(t, METRIC_FAMILY_SAVED_AT, CAUSE_REMOVED);
}

void
trouble_is(struct trouble *t, enum store_cause cause, const struct error *why)
{
	if (cause == t->cause)
		return;
	if (t->cause != CAUSE_NONE)
		*figure(t, METRIC_FAMILY_TROUBLE, t->cause) = 0;
	if (cause == CAUSE_NONE)
		log_warn("store well again", LF_TEXT("store", t->store),
			LF_TEXT("was", cause_table[t->cause].word));
	else
		log_error("store in trouble", LF_TEXT("store", t->store),
			LF_TEXT("it_is", cause_table[cause].word), LF_TEXT("cause", why->text),
			LF_TEXT("do", cause_table[cause].advice));
	if (cause != CAUSE_NONE)
		*figure(t, METRIC_FAMILY_TROUBLE, cause) = 1;
	t->cause = cause;
}

void
trouble_met(struct trouble *t, enum store_cause cause, const struct error *why)
{
	trouble_is(t, cause, why);
	t->met_ms = clock_mono_ms();
}

void
trouble_rest(struct trouble *t)
{
	if (t->cause != CAUSE_NONE && clock_mono_ms() - t->met_ms > REST_MS)
		trouble_is(t, CAUSE_NONE, NULL);
}

void
trouble_was(struct trouble *t, enum store_cause cause, bool lost)
{
	log_error("store opened anew", LF_TEXT("store", t->store),
		LF_TEXT("it_was", cause_table[cause].word),
		LF_TEXT("do", lost ? cause_table[cause].advice
				   : "nothing: all that was in it has been saved"));
	*figure(t, lost ? METRIC_FAMILY_REPLACED_AT : METRIC_FAMILY_SAVED_AT, cause) =
		(double)clock_wall_ms() / 1e3;
}

void
trouble_found(struct trouble *t, enum store_cause cause, const struct error *why)
{
	log_error("stores do not agree", LF_TEXT("store", t->store),
		LF_TEXT("it_is", cause_table[cause].word), LF_TEXT("cause", why->text),
		LF_TEXT("do", cause_table[cause].advice));
	*figure(t, METRIC_FAMILY_REPLACED_AT, cause) = (double)clock_wall_ms() / 1e3;
}
