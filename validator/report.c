/* report - see report.h. */
#include "report.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "proto/types.h"

enum {
	LABELS_BYTES = 320,
	FROM_BYTES = 160,
	OPEN_MAX = 512, /* series of events that stand from the start */
};

/* from: `source="email"`, or "" for one that is none of ours, whose name may be anything. */
static double *
events_of(struct metrics *m, const char *type, enum job_outcome outcome, const char *from)
{
	char labels[LABELS_BYTES];

	snprintf(labels, sizeof labels, "event_type=\"%s\",status=\"%s\",%s", type,
		outcome_name(outcome), from);
	return metric(m, METRIC_FAMILY_EVENTS, labels);
}

static double *
errors_of(struct metrics *m, const char *type, const char *from)
{
	char labels[LABELS_BYTES];

	snprintf(labels, sizeof labels, "error_type=\"%s\"%s%s", type, *from ? "," : "", from);
	return metric(m, METRIC_FAMILY_ERRORS, labels);
}

static void
name_source(char *from, size_t size, struct slice source)
{
	*from = '\0';
	metric_label(from, size, "source", source);
}

/* Series stand from the start at 0, so that a rate can be told from the first event on. Where many sources
 * would make very many of them, a type's own come with its first event. */
static void
open_counters(struct metrics *m, const char *from, bool all_types)
{
	for (int o = OUTCOME_NEW; o <= OUTCOME_DUPLICATE; o++) {
		events_of(m, "other", (enum job_outcome)o, from);
		for (size_t i = 0; all_types && i < event_types_count; i++)
			events_of(m, event_types[i].name, (enum job_outcome)o, from);
	}
	for (int o = OUTCOME_MISSING; o <= OUTCOME_LARGE; o++)
		errors_of(m, outcome_name((enum job_outcome)o), from);
	for (int r = REFUSED_SIGNATURE; r <= REFUSED_UNAVAILABLE; r++)
		errors_of(m, refusal_name((enum refusal)r), from);
	metric_open(m, METRIC_FAMILY_SKEW, from);
}

/* Silence is counted from the start of this process, or from when the source came, at the earliest. */
void
report_open(struct metrics *m, const struct config *cfg)
{
	const bool all_types = 2 * event_types_count * cfg->sources_count <= OPEN_MAX;
	char from[FROM_BYTES];

	for (size_t i = 0; i < cfg->sources_count; i++) {
		double *last;

		name_source(from, sizeof from, slice_of(cfg->sources[i].name));
		open_counters(m, from, all_types);
		lately_open(m, cfg->sources[i].name);
		last = metric(m, METRIC_FAMILY_ACCEPTED, from);
		if (*last == 0)
			*last = (double)clock_wall_ms() / 1e3;
	}
	unable_open(m);
}

void
report_bad_frame(struct metrics *m, const struct error *why)
{
	bad_frame(m, "validator", why->text);
}

static void
count_event(struct metrics *m, const struct candidate *c, const struct event_type *type,
	const char *from, uint64_t now_ms)
{
	const double age_s = (double)((int64_t)now_ms - c->ts_ms) / 1e3;

	++*events_of(m, type ? type->name : "other", c->outcome, from);
	if (c->outcome == OUTCOME_NEW)
		metric_observe(m, METRIC_FAMILY_SKEW, from, age_s > 0 ? age_s : 0);
	else if (c->outcome != OUTCOME_DUPLICATE)
		++*errors_of(m, outcome_name(c->outcome), from);
}

/* What is the sender's fault is a line each; ours comes for each request while it lasts, and is said once a
 * second. */
static void
report_refusal(
	struct metrics *m, struct report_state *state, const struct job *job, const char *from)
{
	++*errors_of(m, refusal_name(job->refusal), from);
	if (job->refusal == REFUSED_UNAVAILABLE || job->refusal == REFUSED_LATE)
		unable_tell(&state->unable, m,
			job->refusal == REFUSED_LATE ? UNABLE_LATE : job->unable, job->rq.source,
			job->why.text, clock_mono_ms());
	else
		log_info("refused", LF_SLICE("source", job->rq.source),
			LF_TEXT("as", refusal_name(job->refusal)), LF_TEXT("cause", job->why.text));
}

void
report_job(struct metrics *m, struct report_state *state, struct notices *notices,
	const struct config *cfg, const struct job *job)
{
	const uint64_t now_ms = clock_wall_ms();
	char from[FROM_BYTES] = "";
	bool any = false;

	if (job->source) {
		name_source(from, sizeof from, job->rq.source);
		lately_job(&state->lately, job, clock_mono_ms());
	}
	if (job->refusal != REFUSED_NOT) {
		report_refusal(m, state, job, from);
		return;
	}
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];
		const struct event_type *type = c->type.p ? event_type_find(c->type) : NULL;

		any |= c->outcome == OUTCOME_NEW;
		count_event(m, c, type, from, now_ms);
		notices_event(notices, cfg, job, c, type != NULL);
		log_info(outcome_name(c->outcome), LF_UINT("seq", c->seq),
			LF_SLICE("source", job->rq.source), LF_SLICE("id", c->id),
			LF_SLICE("type", c->type));
	}
	if (any)
		*metric(m, METRIC_FAMILY_ACCEPTED, from) = (double)now_ms / 1e3;
}
