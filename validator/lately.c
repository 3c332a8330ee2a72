/* lately - see lately.h. */
#include "lately.h"

#include <stdio.h>
#include <string.h>

enum { ROW_FORGOTTEN_MS = 600000 };

static enum refusal_word
cause_of_event(enum job_outcome outcome)
{
	switch (outcome) {
	case OUTCOME_NEW:
	case OUTCOME_DUPLICATE:
		return REFUSAL_CAUSE_NONE;
	case OUTCOME_OLD:
		return REFUSAL_CAUSE_STALE;
	case OUTCOME_FUTURE:
		return REFUSAL_CAUSE_CLOCK;
	case OUTCOME_LARGE:
		return REFUSAL_CAUSE_LARGE;
	default:
		return REFUSAL_CAUSE_FORMAT;
	}
}

/* One that is taken is enough; else the first one's cause stands for all. */
static enum refusal_word
cause_of_events(const struct job *job)
{
	for (size_t i = 0; i < job->count; i++)
		if (cause_of_event(job->events[i].outcome) == REFUSAL_CAUSE_NONE)
			return REFUSAL_CAUSE_NONE;
	return job->count ? cause_of_event(job->events[0].outcome) : REFUSAL_CAUSE_NONE;
}

enum refusal_word
lately_cause(const struct job *job)
{
	switch (job->refusal) {
	case REFUSED_NOT:
		return cause_of_events(job);
	case REFUSED_SIGNATURE:
	case REFUSED_QUARANTINED:
		return REFUSAL_CAUSE_SIGNATURE;
	case REFUSED_STALE:
		return job->ahead ? REFUSAL_CAUSE_CLOCK : REFUSAL_CAUSE_STALE;
	case REFUSED_JSON:
	case REFUSED_NO_ARRAY:
		return REFUSAL_CAUSE_FORMAT;
	case REFUSED_TOO_MANY:
		return REFUSAL_CAUSE_LARGE;
	case REFUSED_POLICY:
		return REFUSAL_CAUSE_POLICY;
	case REFUSED_LOOP:
		return REFUSAL_CAUSE_LOOP;
	case REFUSED_REPLAYED:
		return REFUSAL_CAUSE_REPLAYED;
	case REFUSED_SOURCE:
	case REFUSED_LATE:
	case REFUSED_UNAVAILABLE:
		break;
	}
	return REFUSAL_CAUSES_COUNT;
}

/* NULL: no room. */
static struct lately_source *
source_of(struct lately *l, struct slice name)
{
	struct lately_source *s = l->sources;

	while (s < l->sources + l->n && !slice_is(name, s->name))
		s++;
	if (s < l->sources + l->n)
		return s;
	if (l->n == CONFIG_SOURCES_MAX || name.n >= sizeof s->name)
		return NULL;
	l->n++;
	*s = (struct lately_source){.told = false};
	memcpy(s->name, name.p, name.n);
	return s;
}

void
lately_job(struct lately *l, const struct job *job, uint64_t now_ms)
{
	const enum refusal_word cause = lately_cause(job);
	struct lately_source *s;

	if (cause == REFUSAL_CAUSES_COUNT || !(s = source_of(l, job->rq.source)))
		return;
	if (cause == REFUSAL_CAUSE_NONE) {
		s->taken[l->step]++;
		memset(s->row, 0, sizeof s->row);
		return;
	}
	s->refused[l->step][cause]++;
	s->row[cause]++;
	s->refused_ms = now_ms;
}

/* A step further, for all; what stood there is 20 s old. */
static void
step(struct lately *l)
{
	l->step = (l->step + 1) % LATELY_STEPS;
	for (struct lately_source *s = l->sources; s < l->sources + l->n; s++) {
		s->taken[l->step] = 0;
		memset(s->refused[l->step], 0, sizeof s->refused[l->step]);
	}
}

static double *
figure(struct metrics *m, enum metric_family family, const char *source, const char *cause)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, "source", slice_of(source));
	if (cause)
		metric_label(labels, sizeof labels, "cause", slice_of(cause));
	return metric(m, family, labels);
}

void
lately_open(struct metrics *m, const char *source)
{
	const char *signature = refusal_causes[REFUSAL_CAUSE_SIGNATURE].word;

	figure(m, METRIC_FAMILY_TAKEN_LATELY, source, NULL);
	figure(m, METRIC_FAMILY_REFUSED_LATELY, source, signature);
	figure(m, METRIC_FAMILY_REFUSED_ROW, source, signature);
}

static unsigned
refused_of(const struct lately_source *s, size_t cause)
{
	unsigned n = 0;

	for (size_t i = 0; i < LATELY_STEPS; i++)
		n += s->refused[i][cause];
	return n;
}

/* What was never refused, and for what cause, needs no figure; one that is there stays. */
static void
tell(struct lately_source *s, struct metrics *m)
{
	unsigned taken = 0;

	for (size_t c = REFUSAL_CAUSE_NONE + 1; c < REFUSAL_CAUSES_COUNT; c++) {
		const unsigned refused = refused_of(s, c);
		const char *word = refusal_causes[c].word;

		if (!s->told_of[c] && s->row[c] + refused == 0)
			continue;
		s->told = s->told_of[c] = true;
		*figure(m, METRIC_FAMILY_REFUSED_LATELY, s->name, word) = refused;
		*figure(m, METRIC_FAMILY_REFUSED_ROW, s->name, word) = s->row[c];
	}
	for (size_t i = 0; i < LATELY_STEPS; i++)
		taken += s->taken[i];
	if (s->told || taken > 0)
		*figure(m, METRIC_FAMILY_TAKEN_LATELY, s->name, NULL) = taken;
}

void
lately_tick(struct lately *l, struct metrics *m, uint64_t now_ms)
{
	if (l->stepped_ms == 0)
		l->stepped_ms = now_ms;
	for (; now_ms - l->stepped_ms >= LATELY_STEP_MS; l->stepped_ms += LATELY_STEP_MS)
		step(l);
	for (struct lately_source *s = l->sources; s < l->sources + l->n; s++) {
		if (s->refused_ms && now_ms - s->refused_ms > ROW_FORGOTTEN_MS)
			memset(s->row, 0, sizeof s->row);
		tell(s, m);
	}
}
