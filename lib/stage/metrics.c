/* metrics - see metrics.h.
 *
 * State: one list of series, one a family and set of labels, found through a hash table. A
 * histogram is one series that keeps its numbers as they are published: cumulative buckets, then
 * the sum, then the count; so joining is adding. */
#include "metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define METRIC_ROW(id, family, type, join, help) {family, METRIC_##type, METRIC_##join, help},
const struct metric_row metric_table[METRIC_FAMILY_COUNT] = {METRIC_FAMILIES(METRIC_ROW)};

enum { BOUNDS_MAX = 16, SLOTS = 1024, SAMPLE_NAME_MAX = 80 };

struct bounds {
	size_t n;
	double at[BOUNDS_MAX];
};

static const struct bounds seconds = {
	14, {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
static const struct bounds sizes = {13, {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}};

struct series {
	struct series *next; /* in the order in which they were made */
	struct series *same; /* in the same slot of the hash table */
	enum metric_family family;
	char labels[METRIC_LABELS_MAX + 1];
	double values[]; /* one, or a bucket for each bound, the sum, the count */
};

struct metrics {
	struct series *first, **last;
	struct series *slots[SLOTS];
	size_t published; /* numbers, at most METRICS_MAX */
	double spill;
};

static const struct bounds *
bounds_of(enum metric_family family)
{
	return family == METRIC_FAMILY_GROUP ? &sizes : &seconds;
}

static bool
is_histogram(enum metric_family family)
{
	return metric_table[family].type == METRIC_HISTOGRAM;
}

/* Where a histogram's sum and count stand in its values, behind the buckets. */
static size_t
sum_place(const struct bounds *b)
{
	return b->n;
}

static size_t
count_place(const struct bounds *b)
{
	return b->n + 1;
}

/* Numbers that a series publishes: those of a histogram and its bucket +Inf. */
static size_t
width(enum metric_family family)
{
	return is_histogram(family) ? bounds_of(family)->n + 3 : 1;
}

struct metrics *
metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof *m);

	if (m)
		m->last = &m->first;
	return m;
}

void
metrics_destroy(struct metrics **m)
{
	struct series *s = *m ? (*m)->first : NULL;

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
	return (hash ^ hash >> 16) % SLOTS;
}

static struct series *
series_add(struct metrics *m, size_t slot, enum metric_family family, struct slice labels)
{
	struct series *s;

	if (labels.n > METRIC_LABELS_MAX || m->published + width(family) > METRICS_MAX)
		return NULL;
	s = calloc(1, sizeof *s + width(family) * sizeof *s->values);
	if (!s)
		return NULL;
	memcpy(s->labels, labels.p, labels.n);
	s->family = family;
	s->same = m->slots[slot];
	m->slots[slot] = s;
	*m->last = s;
	m->last = &s->next;
	m->published += width(family);
	return s;
}

/* NULL when there is no room for a new one. */
static struct series *
series_of(struct metrics *m, enum metric_family family, struct slice labels)
{
	const size_t slot = slot_of(family, labels);

	for (struct series *s = m->slots[slot]; s; s = s->same)
		if (s->family == family && slice_is(labels, s->labels))
			return s;
	return series_add(m, slot, family, labels);
}

double *
metric(struct metrics *m, enum metric_family family, const char *labels)
{
	struct series *s = is_histogram(family) ? NULL : series_of(m, family, slice_of(labels));

	return s ? s->values : &m->spill;
}

void
metric_observe(struct metrics *m, enum metric_family family, const char *labels, double value)
{
	struct series *s = is_histogram(family) ? series_of(m, family, slice_of(labels)) : NULL;
	const struct bounds *b = bounds_of(family);

	if (!s || !isfinite(value))
		return;
	for (size_t i = b->n; i-- > 0 && value <= b->at[i];)
		s->values[i]++;
	s->values[sum_place(b)] += value;
	s->values[count_place(b)]++;
}

/* One number as it is published. */
struct sample {
	char name[SAMPLE_NAME_MAX];
	char labels[METRIC_LABELS_MAX + 32];
	double value;
};

/* Number i of a histogram: the buckets, +Inf the last of them, the sum, the count. */
static void
histogram_sample(const struct series *s, size_t i, struct sample *out)
{
	const struct bounds *b = bounds_of(s->family);
	const char *suffix = i <= b->n ? "bucket" : i == b->n + 1 ? "sum" : "count";
	char bound[32] = "+Inf";

	snprintf(out->name, sizeof out->name, "%s_%s", metric_table[s->family].family, suffix);
	snprintf(out->labels, sizeof out->labels, "%s", s->labels);
	out->value = s->values[count_place(b)];
	if (i < b->n) {
		snprintf(bound, sizeof bound, "%g", b->at[i]);
		out->value = s->values[i];
	}
	if (i <= b->n)
		metric_label(out->labels, sizeof out->labels, "le", slice_of(bound));
	if (i == b->n + 1)
		out->value = s->values[sum_place(b)];
}

static void
sample_of(const struct series *s, size_t i, struct sample *out)
{
	if (is_histogram(s->family)) {
		histogram_sample(s, i, out);
		return;
	}
	snprintf(out->name, sizeof out->name, "%s", metric_table[s->family].family);
	snprintf(out->labels, sizeof out->labels, "%s", s->labels);
	out->value = s->values[0];
}

static bool
text_object(const char *text, msgpack_zone *zone, msgpack_object *out)
{
	const size_t n = strlen(text);
	char *copy = msgpack_zone_malloc_no_align(zone, n + 1);

	if (!copy)
		return false;
	memcpy(copy, text, n + 1);
	*out = (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)n, copy}};
	return true;
}

static bool
sample_object(const struct sample *from, msgpack_zone *zone, msgpack_object *out)
{
	msgpack_object *row = msgpack_zone_malloc(zone, 3 * sizeof *row);

	if (!row || !text_object(from->name, zone, &row[0]) ||
		!text_object(from->labels, zone, &row[1]))
		return false;
	row[2] = (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = from->value};
	*out = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {3, row}};
	return true;
}

bool
metrics_object(const struct metrics *m, msgpack_zone *zone, msgpack_object *out)
{
	msgpack_object *rows = msgpack_zone_malloc(zone, (m->published + 1) * sizeof *rows);
	uint32_t n = 0;
	struct sample one;

	if (!rows)
		return false;
	for (const struct series *s = m->first; s; s = s->next)
		for (size_t i = 0; i < width(s->family); i++) {
			sample_of(s, i, &one);
			if (!sample_object(&one, zone, &rows[n++]))
				return false;
		}
	*out = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {n, rows}};
	return true;
}

/* Moves behind `name="value"`; false when it does not begin with that. */
static bool
skip_label(struct slice *s)
{
	size_t i = 0;

	while (i < s->n && ((s->p[i] >= 'a' && s->p[i] <= 'z') || s->p[i] == '_'))
		i++;
	if (i == 0 || s->n < i + 3 || memcmp(s->p + i, "=\"", 2) != 0)
		return false;
	for (i += 2; i < s->n && s->p[i] != '"'; i++) {
		if (s->p[i] < ' ' || s->p[i] > '~')
			return false;
		i += s->p[i] == '\\';
	}
	if (i >= s->n)
		return false;
	*s = (struct slice){s->p + i + 1, s->n - i - 1};
	return true;
}

/* What another process sends must not break the page. */
static bool
labels_ok(struct slice labels)
{
	while (labels.n) {
		if (!skip_label(&labels))
			return false;
		if (labels.n == 0)
			return true;
		if (labels.n == 1 || *labels.p != ',')
			return false;
		labels = (struct slice){labels.p + 1, labels.n - 1};
	}
	return true;
}

/* The family of a published name, and what of the name follows the family's. */
static enum metric_family
family_of(struct slice name, struct slice *suffix)
{
	size_t i = 0;

	for (; i < METRIC_FAMILY_COUNT; i++) {
		const size_t n = strlen(metric_table[i].family);

		if (!slice_starts(name, metric_table[i].family))
			continue;
		*suffix = (struct slice){name.p + n, name.n - n};
		if (is_histogram((enum metric_family)i) ? suffix->n > 0 : suffix->n == 0)
			break;
	}
	return (enum metric_family)i;
}

/* Takes `le="x"` from the end of a bucket's labels; the index of that bound, or b->n. */
static size_t
take_bound(struct slice *labels, const struct bounds *b)
{
	char text[32];

	for (size_t i = 0; i < b->n; i++) {
		const size_t n = (size_t)snprintf(text, sizeof text, "le=\"%g\"", b->at[i]);

		if (labels->n < n || memcmp(labels->p + labels->n - n, text, n) != 0)
			continue;
		labels->n -= n;
		if (labels->n && labels->p[labels->n - 1] != ',')
			return b->n;
		labels->n -= labels->n > 0;
		return i;
	}
	return b->n;
}

/* Which of a histogram's values a published number is; false for a bucket with no bound of ours:
 * +Inf says nothing that the count does not. */
static bool
place_of(const struct bounds *b, struct slice suffix, struct slice *labels, size_t *at)
{
	if (slice_is(suffix, "_bucket")) {
		*at = take_bound(labels, b);
		return *at < b->n;
	}
	*at = slice_is(suffix, "_sum") ? sum_place(b) : count_place(b);
	return slice_is(suffix, "_sum") || slice_is(suffix, "_count");
}

static void
join_histogram(struct metrics *m, enum metric_family family, struct slice suffix,
	struct slice labels, double value)
{
	struct series *s;
	size_t at;

	if (!place_of(bounds_of(family), suffix, &labels, &at))
		return;
	s = series_of(m, family, labels);
	if (s)
		s->values[at] += value;
}

static void
join_plain(struct metrics *m, enum metric_family family, struct slice labels, double value)
{
	struct series *s = series_of(m, family, labels);

	if (!s)
		return;
	if (metric_table[family].join == METRIC_SUM)
		s->values[0] += value;
	else if (value > s->values[0])
		s->values[0] = value;
}

static bool
number(const msgpack_object *obj, double *value)
{
	if (obj->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		*value = (double)obj->via.u64;
	else if (obj->type == MSGPACK_OBJECT_FLOAT32 || obj->type == MSGPACK_OBJECT_FLOAT64)
		*value = obj->via.f64;
	else
		return false;
	return isfinite(*value);
}

static void
join_row(struct metrics *m, const msgpack_object_array *row)
{
	struct slice name, labels, suffix = {NULL, 0};
	enum metric_family family;
	double value;

	if (row->size != 3 || row->ptr[0].type != MSGPACK_OBJECT_STR ||
		row->ptr[1].type != MSGPACK_OBJECT_STR || !number(&row->ptr[2], &value))
		return;
	name = (struct slice){row->ptr[0].via.str.ptr, row->ptr[0].via.str.size};
	labels = (struct slice){row->ptr[1].via.str.ptr, row->ptr[1].via.str.size};
	family = family_of(name, &suffix);
	if (family == METRIC_FAMILY_COUNT || !labels_ok(labels))
		return;
	if (is_histogram(family))
		join_histogram(m, family, suffix, labels, value);
	else
		join_plain(m, family, labels, value);
}

void
metrics_join(struct metrics *m, const msgpack_object *values)
{
	if (values->type != MSGPACK_OBJECT_ARRAY)
		return;
	for (uint32_t i = 0; i < values->via.array.size; i++) {
		const msgpack_object *row = &values->via.array.ptr[i];

		if (row->type == MSGPACK_OBJECT_ARRAY)
			join_row(m, &row->via.array);
	}
}

static void
print_sample(FILE *out, const struct sample *one)
{
	char value[40];

	snprintf(value, sizeof value, "%.15g", one->value);
	if (strtod(value, NULL) != one->value)
		snprintf(value, sizeof value, "%.17g", one->value);
	if (one->labels[0])
		fprintf(out, "%s{%s} %s\n", one->name, one->labels, value);
	else
		fprintf(out, "%s %s\n", one->name, value);
}

static void
print_family(FILE *out, const struct metrics *m, enum metric_family family)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram"};
	const struct metric_row *row = &metric_table[family];
	struct sample one;
	bool headed = false;

	for (const struct series *s = m->first; s; s = s->next) {
		if (s->family != family)
			continue;
		if (!headed)
			fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->family, row->help,
				row->family, types[row->type]);
		headed = true;
		for (size_t i = 0; i < width(family); i++) {
			sample_of(s, i, &one);
			print_sample(out, &one);
		}
	}
}

char *
metrics_text(const struct metrics *m)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return NULL;
	for (size_t i = 0; i < METRIC_FAMILY_COUNT; i++)
		print_family(out, m, (enum metric_family)i);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
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
	return sum_at(m, family, part, is_histogram(family) ? sum_place(bounds_of(family)) : 0);
}

double
metrics_count(const struct metrics *m, enum metric_family family, const char *part)
{
	return is_histogram(family) ? sum_at(m, family, part, count_place(bounds_of(family))) : 0;
}
