/* metrics - see metrics.h.
 *
 * State: one list of series, one a family and set of labels, found through a hash table; the numbers of
 * counters stand in the image of a file, where there is one (metrics_keep.c). A histogram is one series that
 * keeps its numbers as they are published: cumulative buckets, then the sum, then the count; so joining is
 * adding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "metrics_private.h"

#define METRIC_ROW(id, family, type, join, help) {family, METRIC_##type, METRIC_##join, help},
const struct metric_row metric_table[METRIC_FAMILY_COUNT] = {METRIC_FAMILIES(METRIC_ROW)};

static const struct metric_bounds seconds = {
	14, {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
static const struct metric_bounds sizes = {
	13, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}};
/* 0: from the future. */
static const struct metric_bounds ages = {
	12, {0, 1, 5, 15, 60, 300, 900, 3600, 21600, 86400, 259200, 604800}};

const struct metric_bounds *
metric_bounds(enum metric_family family)
{
	if (metric_table[family].type != METRIC_HISTOGRAM)
		return NULL;
	if (family == METRIC_FAMILY_GROUP)
		return &sizes;
	return family == METRIC_FAMILY_SKEW ? &ages : &seconds;
}

size_t
metric_width(enum metric_family family)
{
	const struct metric_bounds *b = metric_bounds(family);

	return b ? b->n + 2 : 1;
}

/* Numbers on the page: a histogram has its bucket +Inf, too. */
static size_t
lines(enum metric_family family)
{
	return metric_width(family) + (metric_bounds(family) != NULL);
}

struct metrics *
metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->last = &m->first;
	m->most = METRICS_MAX;
	return m;
}

struct metrics *
metrics_new_joined(void)
{
	struct metrics *m = metrics_new();

	if (m)
		m->most = METRICS_JOINED_MAX;
	return m;
}

void
metrics_destroy(struct metrics **m)
{
	struct series *s = *m ? (*m)->first : NULL;

	if (!*m)
		return;
	metrics_file_close(*m);
	while (s) {
		struct series *next = s->next;

		free(s);
		s = next;
	}
	free(*m);
	*m = NULL;
}

static bool
is_escaped(char c)
{
	return c == '"' || c == '\\';
}

bool
metric_label(char *labels, size_t size, const char *name, struct slice value)
{
	const size_t start = strlen(labels);
	size_t need = start + strlen(",=\"\"") + strlen(name) + value.n + 1;
	char *to = labels + start;

	for (size_t i = 0; i < value.n; i++)
		need += is_escaped(value.p[i]);
	if (need > size)
		return false;
	to += snprintf(to, size - start, "%s%s=\"", start ? "," : "", name);
	for (size_t i = 0; i < value.n; i++) {
		const char c = value.p[i];

		if (is_escaped(c))
			*to++ = '\\';
		*to++ = (char)(c >= ' ' && c <= '~' ? c : '?');
	}
	memcpy(to, "\"", 2);
	return true;
}

static size_t
slot_of(enum metric_family family, struct slice labels)
{
	uint32_t hash = 2166136261U ^ (uint32_t)family;

	for (size_t i = 0; i < labels.n; i++)
		hash = (hash ^ (unsigned char)labels.p[i]) * 16777619U;
	return (hash ^ hash >> 16) % METRIC_SLOTS;
}

/* values: where its numbers stand; NULL: with it. */
static struct series *
series_new(enum metric_family family, struct slice labels, double *values)
{
	const size_t own = values ? 0 : metric_width(family) * sizeof *values;
	struct series *s = calloc(1, sizeof *s + own + labels.n + 1);

	if (!s)
		return NULL;
	s->family = family;
	s->values = values ? values : s->own;
	s->labels = (char *)s->own + own;
	memcpy(s->labels, labels.p, labels.n);
	return s;
}

static struct series *
series_add(struct metrics *m, size_t slot, enum metric_family family, struct slice labels,
	double *values)
{
	struct series *s;

	if (labels.n > METRIC_LABELS_MAX || m->published + lines(family) > m->most)
		return NULL;
	if (!values && m->file && metric_table[family].type != METRIC_GAUGE)
		values = metrics_file_add(m->file, family, labels, metric_width(family));
	s = series_new(family, labels, values);
	if (!s)
		return NULL;
	s->same = m->slots[slot];
	m->slots[slot] = s;
	*m->last = s;
	m->last = &s->next;
	m->published += lines(family);
	m->count++;
	m->counted = true;
	return s;
}

static struct series *
series_find(struct metrics *m, size_t slot, enum metric_family family, struct slice labels)
{
	struct series *s = m->slots[slot];

	while (s && (s->family != family || !slice_is(labels, s->labels)))
		s = s->same;
	return s;
}

struct series *
metric_series(struct metrics *m, enum metric_family family, struct slice labels)
{
	const size_t slot = slot_of(family, labels);
	struct series *s = series_find(m, slot, family, labels);

	return s ? s : series_add(m, slot, family, labels, NULL);
}

void
metric_attach(struct metrics *m, enum metric_family family, struct slice labels, double *values)
{
	const size_t slot = slot_of(family, labels);

	if (!series_find(m, slot, family, labels))
		series_add(m, slot, family, labels, values);
}

double *
metric(struct metrics *m, enum metric_family family, const char *labels)
{
	struct series *s =
		metric_bounds(family) ? NULL : metric_series(m, family, slice_of(labels));

	m->counted |= metric_table[family].type != METRIC_GAUGE;
	return s ? s->values : &m->spill;
}

void
metric_open(struct metrics *m, enum metric_family family, const char *labels)
{
	metric_series(m, family, slice_of(labels));
}

void
metric_observe(struct metrics *m, enum metric_family family, const char *labels, double value)
{
	const struct metric_bounds *b = metric_bounds(family);
	struct series *s = b ? metric_series(m, family, slice_of(labels)) : NULL;

	if (!s || !isfinite(value))
		return;
	m->counted = true;
	for (size_t i = b->n; i-- > 0 && value <= b->at[i];)
		s->values[i]++;
	s->values[b->n] += value;
	s->values[b->n + 1]++;
}

bool
metrics_counted(const struct metrics *m)
{
	return m->counted;
}

uint64_t
metrics_mark(const struct metrics *m)
{
	uint64_t mark = m->count, bits;

	for (const struct series *s = m->first; s; s = s->next)
		for (size_t i = 0; i < metric_width(s->family); i++) {
			memcpy(&bits, &s->values[i], sizeof bits);
			mark = (mark ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
			mark ^= mark >> 29;
		}
	return mark;
}

void
metrics_raise(struct metrics *m, const struct metrics *least)
{
	for (const struct series *s = least->first; s; s = s->next) {
		struct series *to = metric_table[s->family].type == METRIC_GAUGE
					    ? NULL
					    : metric_series(m, s->family, slice_of(s->labels));

		for (size_t i = 0; to && i < metric_width(s->family); i++)
			if (to->values[i] < s->values[i])
				to->values[i] = s->values[i];
	}
}

static double
sum_at(const struct metrics *m, enum metric_family family, const char *part, size_t at)
{
	double sum = 0;

	for (const struct series *s = m->first; s; s = s->next)
		if (s->family == family && strstr(s->labels, part))
			sum += s->values[at];
	return sum;
}

double
metrics_sum(const struct metrics *m, enum metric_family family, const char *part)
{
	const struct metric_bounds *b = metric_bounds(family);

	return sum_at(m, family, part, b ? b->n : 0);
}

double
metrics_count(const struct metrics *m, enum metric_family family, const char *part)
{
	const struct metric_bounds *b = metric_bounds(family);

	return b ? sum_at(m, family, part, b->n + 1) : 0;
}
