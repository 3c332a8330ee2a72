/* explain - see explain.h. The decision's words are those of proto/bounce.h; what each type does
 * stands in docs/events.md. */
#include "explain.h"

#include <stdio.h>

#include "lib/config/config.h"

static const char GOOD[] = "suppresses the address for good";
static const char NOT_SENT[] = "it was not sent, which counts towards nothing";
static const char KEPT[] = "kept, and counts towards nothing";

static const struct {
	const char *type, *bounce_class; /* NULL: of any class */
	const char *does;
} effects[] = {
	{"email_bounced", "hard", GOOD},
	{"email_bounced", "soft", "counts 1 of " CONFIG_SOFT_BOUNCES},
	{"email_bounced", "block", "says nothing of the address, and counts towards nothing"},
	{"email_bounced", NULL, KEPT},
	{"email_blocked", NULL, "says nothing of the address, and counts towards nothing"},
	{"email_rejected", NULL, NOT_SENT},
	{"email_failed", NULL, NOT_SENT},
	{"email_deferred", NULL, "it may still arrive, which counts towards nothing"},
	{"email_complained", NULL, GOOD},
	{"email_unsubscribed", NULL, GOOD},
	{"email_subscribed", NULL, "ends an earlier opt-out"},
	{"email_accepted", NULL, "tells the message's status"},
	{"email_delivered", NULL, "earlier soft bounces no longer count"},
	{"email_opened", NULL, "scores " CONFIG_SCORE_OPENED},
	{"email_clicked", NULL, "scores " CONFIG_SCORE_CLICKED},
	{"email_forwarded", NULL, "tells that it was read"},
	{"email_replied", NULL, "tells that it was read"},
};

static const char *
effect(const struct normal *ev)
{
	if (ev->skipped)
		return "passed over: it is about mail that came in";
	if (ev->machine)
		return "scores nothing: a machine did it";
	for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
		if (slice_is(ev->type, effects[i].type) &&
			(!effects[i].bounce_class ||
				slice_is(ev->bounce_class, effects[i].bounce_class)))
			return effects[i].does;
	return KEPT;
}

static const char *
reason(const struct normal *ev)
{
	if (ev->cause)
		return bounce_rows[ev->cause].words;
	return slice_is(ev->type, "unknown") ? "its name stands in no table" : "its own name";
}

/* Our own words for a type; the native format's may be any. */
static struct slice
label(const struct normal *ev)
{
	static const char family[] = "email_";
	const size_t n = slice_starts(ev->type, family) ? sizeof family - 1 : 0;

	return ev->cause ? slice_of(bounce_label(ev->cause))
			 : (struct slice){ev->type.p + n, ev->type.n - n};
}

const char *
explain(const struct normal *ev, char out[EXPLAIN_MAX])
{
	const struct slice what = slice_cut(label(ev), EXPLAIN_MAX / 2);

	if (ev->fault)
		snprintf(out, EXPLAIN_MAX, "not taken: %s", event_fault_text(ev->fault));
	else
		snprintf(out, EXPLAIN_MAX, "%.*s: %s; %s", SLICE_ARG(what), reason(ev), effect(ev));
	return out;
}

bool
explain_is_decision(const struct normal *ev)
{
	return ev->cause != BOUNCE_NONE;
}
