/* report - see report.h. */
#include "report.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "proto/types.h"

/* All series stand from the start at 0, so that a rate can be told from the first event on. */
static void
open_counters(struct metrics *m)
{
	char labels[160];

	for (size_t i = 0; i < event_types_count; i++)
		for (int o = OUTCOME_NEW; o <= OUTCOME_DUPLICATE; o++) {
			snprintf(labels, sizeof labels, "event_type=\"%s\",status=\"%s\"",
				event_types[i].name, outcome_name((enum job_outcome)o));
			metric(m, METRIC_FAMILY_EVENTS, labels);
		}
	for (int r = REFUSED_SIGNATURE; r <= REFUSED_UNAVAILABLE; r++) {
		snprintf(labels, sizeof labels, "error_type=\"%s\"", refusal_name((enum refusal)r));
		metric(m, METRIC_FAMILY_ERRORS, labels);
	}
}

/* When a source last had something accepted. */
static double *
last_accepted(struct metrics *m, struct slice source)
{
	char labels[96];

	snprintf(labels, sizeof labels, "source=\"%.*s\"", SLICE_ARG(source));
	return metric(m, METRIC_FAMILY_ACCEPTED, labels);
}

/* Silence is counted from the start of this process at the earliest. */
static void
open_sources(struct metrics *m, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		double *last = last_accepted(m, slice_of(cfg->sources[i].name));

		if (*last == 0)
			*last = (double)clock_wall_ms() / 1e3;
	}
}

void
report_open(struct metrics *m, const struct config *cfg)
{
	open_counters(m);
	open_sources(m, cfg);
	unable_open(m);
}

void
report_bad_frame(struct metrics *m, const struct error *why)
{
	bad_frame(m, "validator", why->text);
}

static void
count_event(struct metrics *m, const struct candidate *c, const struct event_type *type)
{
	char labels[160];

	snprintf(labels, sizeof labels, "event_type=\"%s\",status=\"%s\"",
		type ? type->name : "other", outcome_name(c->outcome));
	++*metric(m, METRIC_FAMILY_EVENTS, labels);
	if (c->outcome == OUTCOME_NEW || c->outcome == OUTCOME_DUPLICATE)
		return;
	snprintf(labels, sizeof labels, "error_type=\"%s\"", outcome_name(c->outcome));
	++*metric(m, METRIC_FAMILY_ERRORS, labels);
}

/* What is the sender's fault is a line each; ours comes for each request while it lasts, and is said once a
 * second. */
static void
report_refusal(struct metrics *m, struct report_state *state, const struct job *job)
{
	char labels[80];

	snprintf(labels, sizeof labels, "error_type=\"%s\"", refusal_name(job->refusal));
	++*metric(m, METRIC_FAMILY_ERRORS, labels);
	if (job->refusal == REFUSED_UNAVAILABLE || job->refusal == REFUSED_LATE)
		unable_tell(&state->unable, m,
			job->refusal == REFUSED_LATE ? UNABLE_LATE : UNABLE_STORE, job->rq.source,
			job->why.text, clock_mono_ms());
	else
		log_info("refused", LF_SLICE("source", job->rq.source),
			LF_TEXT("as", refusal_name(job->refusal)), LF_TEXT("cause", job->why.text));
}

void
report_job(struct metrics *m, struct report_state *state, struct notices *notices,
	const struct config *cfg, const struct job *job)
{
	bool any = false;

	if (job->source)
		lately_job(&state->lately, job, clock_mono_ms());
	if (job->refusal != REFUSED_NOT) {
		report_refusal(m, state, job);
		return;
	}
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];
		const struct event_type *type = c->type.p ? event_type_find(c->type) : NULL;

		any |= c->outcome == OUTCOME_NEW;
		count_event(m, c, type);
		notices_event(notices, cfg, job, c, type != NULL);
		log_info(outcome_name(c->outcome), LF_UINT("seq", c->seq),
			LF_SLICE("source", job->rq.source), LF_SLICE("id", c->id),
			LF_SLICE("type", c->type));
	}
	if (any)
		*last_accepted(m, job->rq.source) = (double)clock_wall_ms() / 1e3;
}
