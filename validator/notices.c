/* notices - see notices.h. */
#include "notices.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "providers/notice.h"

enum { KINDS_MAX = 16, QUIET_MS = 60000 };

static const char OTHER[] = "other";

/* A kind of a provider, or a source: when the log last had a line of it, and what came since. */
struct subject {
	struct subject *next;
	const char *provider; /* NULL: a source */
	char name[NOTICE_KIND_MAX + 1];
	uint64_t told_ms; /* monotonic; 0: never */
	uint64_t untold;
};

struct notices {
	struct metrics *figures;
	struct subject *subjects;
};

struct notices *
notices_new(struct metrics *figures)
{
	struct notices *n = calloc(1, sizeof *n);

	if (n)
		n->figures = figures;
	return n;
}

void
notices_destroy(struct notices **n)
{
	struct subject *s = *n ? (*n)->subjects : NULL;

	while (s) {
		struct subject *next = s->next;

		free(s);
		s = next;
	}
	free(*n);
	*n = NULL;
}

static bool
is_of(const struct subject *s, const char *provider)
{
	return s->provider == provider ||
	       (s->provider && provider && strcmp(s->provider, provider) == 0);
}

/* provider: a constant, or NULL for a source. NULL when memory is short. */
static struct subject *
subject_of(struct notices *n, const char *provider, const char *name)
{
	struct subject *s;
	size_t known = 0;

	for (s = n->subjects; s; s = s->next) {
		if (!is_of(s, provider))
			continue;
		if (strcmp(s->name, name) == 0)
			return s;
		known += strcmp(s->name, OTHER) != 0;
	}
	if (provider && known >= KINDS_MAX && strcmp(name, OTHER) != 0)
		return subject_of(n, provider, OTHER);
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	snprintf(s->name, sizeof s->name, "%s", name);
	s->provider = provider;
	s->next = n->subjects;
	return n->subjects = s;
}

/* Is a line due? *times: how many it is about. */
static bool
is_due(struct subject *s, uint64_t *times)
{
	const uint64_t now_ms = clock_mono_ms();

	s->untold++;
	if (s->told_ms && now_ms - s->told_ms < QUIET_MS)
		return false;
	*times = s->untold;
	s->untold = 0;
	s->told_ms = now_ms;
	return true;
}

static double *
figure(struct notices *n, enum metric_family family, const char *label, struct slice value)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, label, value);
	return metric(n->figures, family, labels);
}

static double *
kind_figure(struct notices *n, const char *provider, const char *kind)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, "provider", slice_of(provider));
	metric_label(labels, sizeof labels, "kind", slice_of(kind));
	return metric(n->figures, METRIC_FAMILY_UNKNOWN_KINDS, labels);
}

void
notices_open(struct notices *n, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		const struct config_source *source = &cfg->sources[i];

		kind_figure(n, source->provider, OTHER);
		figure(n, METRIC_FAMILY_NO_ADDRESS, "source", slice_of(source->name));
		figure(n, METRIC_FAMILY_NO_ADDRESS_AT, "source", slice_of(source->name));
	}
}

static void
tell_kind(struct notices *n, const struct job *job, struct slice kind, uint64_t seq)
{
	char name[NOTICE_KIND_MAX + 1];
	struct subject *s;
	uint64_t times;

	notice_kind(kind, name);
	s = subject_of(n, provider_find(job->source->provider)->name, name);
	if (!s)
		return;
	++*kind_figure(n, s->provider, s->name);
	if (is_due(s, &times))
		log_warn("unknown kind", LF_SLICE("source", job->rq.source),
			LF_TEXT("provider", s->provider), LF_TEXT("kind", name),
			LF_UINT("seq", seq), LF_UINT("times", times));
}

static void
tell_no_address(struct notices *n, const struct job *job, const struct candidate *c)
{
	struct subject *s = subject_of(n, NULL, job->source->name);
	uint64_t times;

	++*figure(n, METRIC_FAMILY_NO_ADDRESS, "source", job->rq.source);
	*figure(n, METRIC_FAMILY_NO_ADDRESS_AT, "source", job->rq.source) =
		(double)clock_wall_ms() / 1e3;
	if (s && is_due(s, &times))
		log_warn("no address", LF_SLICE("source", job->rq.source),
			LF_TEXT("provider", job->source->provider), LF_SLICE("type", c->type),
			LF_SLICE("id", c->id), LF_UINT("seq", c->seq), LF_UINT("times", times));
}

/* Does a handler of the operator's take the type? */
static bool
is_taken(const struct config *cfg, struct slice type)
{
	for (size_t i = 0; i < cfg->handlers_count; i++)
		for (size_t t = 0; t < cfg->handlers[i].types_count; t++)
			if (slice_is(type, cfg->handlers[i].types[t]))
				return true;
	return false;
}

void
notices_event(struct notices *n, const struct config *cfg, const struct job *job,
	const struct candidate *c, bool in_table)
{
	if (c->outcome != OUTCOME_NEW || !c->seq)
		return;
	if (c->unknown_kind.p)
		tell_kind(n, job, c->unknown_kind, c->seq);
	else if (!in_table && !is_taken(cfg, c->type))
		tell_kind(n, job, c->type, c->seq);
	if (c->no_address)
		tell_no_address(n, job, c);
}
