/* metrics_travel - figures on their way from process to process: rows of [family, labels, value], of a
 * histogram [family, labels, [buckets..., sum, count]]. */
#include <math.h>

#include "lib/base/map.h"
#include "metrics_private.h"

enum { LABELS_MAX = 8 };

/* No figure of ours is near it, and any number of them may be added up and told as a whole number. */
static const double NUMBER_MOST = 1e15;

static msgpack_object
array_object(msgpack_object *of, size_t n)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {(uint32_t)n, of}};
}

static bool
series_object(const struct series *s, msgpack_zone *zone, msgpack_object *out)
{
	const size_t n = metric_width(s->family);
	msgpack_object *row = msgpack_zone_malloc(zone, (3 + n) * sizeof *row);

	if (!row)
		return false;
	row[0] = object_of_text(slice_of(metric_table[s->family].family));
	row[1] = object_of_text(slice_of(s->labels));
	for (size_t i = 0; i < n; i++)
		row[3 + i] =
			(msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = s->values[i]};
	row[2] = metric_bounds(s->family) ? array_object(row + 3, n) : row[3];
	*out = array_object(row, 3);
	return true;
}

bool
metrics_object(const struct metrics *m, msgpack_zone *zone, msgpack_object *out)
{
	msgpack_object *rows = msgpack_zone_malloc(zone, (m->count + 1) * sizeof *rows);
	size_t n = 0;

	if (!rows)
		return false;
	for (const struct series *s = m->first; s; s = s->next)
		if (!series_object(s, zone, &rows[n++]))
			return false;
	*out = array_object(rows, n);
	return true;
}

/* How many bytes of s are a value up to its closing quote; s.n: it has none, or a character or an
 * escape that no page has. */
static size_t
value_end(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			return i;
		if (s.p[i] < ' ' || s.p[i] > '~')
			return s.n;
		if (s.p[i] == '\\' && (++i == s.n || !memchr("\\\"", s.p[i], 2)))
			return s.n;
	}
	return s.n;
}

/* Moves behind `name="value"`; false when it does not begin with that. */
static bool
skip_label(struct slice *s, struct slice *name)
{
	size_t i = 0;

	while (i < s->n && ((s->p[i] >= 'a' && s->p[i] <= 'z') || s->p[i] == '_'))
		i++;
	*name = (struct slice){s->p, i};
	if (i == 0 || s->n < i + 3 || memcmp(s->p + i, "=\"", 2) != 0)
		return false;
	i += 2;
	i += value_end((struct slice){s->p + i, s->n - i});
	if (i == s->n)
		return false;
	*s = (struct slice){s->p + i + 1, s->n - i - 1};
	return true;
}

/* A page on which a name stands twice in one line is refused whole; `le` is a histogram's own. */
static bool
is_taken(const struct slice *names, size_t newest)
{
	for (size_t i = 0; i < newest; i++)
		if (slice_eq(names[i], names[newest]))
			return true;
	return slice_is(names[newest], "le");
}

/* What another process sends must not break the page. */
static bool
labels_ok(struct slice labels)
{
	struct slice names[LABELS_MAX];
	size_t n = 0;

	while (labels.n) {
		if (n == LABELS_MAX || !skip_label(&labels, &names[n]) || is_taken(names, n))
			return false;
		n++;
		if (labels.n == 0)
			return true;
		if (labels.n == 1 || *labels.p != ',')
			return false;
		labels = (struct slice){labels.p + 1, labels.n - 1};
	}
	return true;
}

/* Rows of one family stand together: the one before is the likeliest. */
static enum metric_family
family_of(struct slice name)
{
	static size_t last;
	size_t i = 0;

	if (slice_is(name, metric_table[last].family))
		return (enum metric_family)last;
	while (i < METRIC_FAMILY_COUNT && !slice_is(name, metric_table[i].family))
		i++;
	last = i < METRIC_FAMILY_COUNT ? i : 0;
	return (enum metric_family)i;
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
	return fabs(*value) <= NUMBER_MOST;
}

/* The numbers of a row: one, or those of a histogram; 0: it has others, or too many. */
static size_t
numbers(const msgpack_object *obj, double values[METRIC_BOUNDS_MAX + 2])
{
	const msgpack_object_array *list = &obj->via.array;

	if (obj->type != MSGPACK_OBJECT_ARRAY)
		return number(obj, &values[0]);
	if (list->size < 2 || list->size > METRIC_BOUNDS_MAX + 2)
		return 0;
	for (uint32_t i = 0; i < list->size; i++)
		if (!number(&list->ptr[i], &values[i]))
			return 0;
	return list->size;
}

static bool
takes_place(enum metric_join join, bool first, double was, double is)
{
	return join == METRIC_MIN ? first || is < was : is > was;
}

static void
join_series(struct series *s, const double *values)
{
	const enum metric_join join = metric_table[s->family].join;

	for (size_t i = 0; i < metric_width(s->family); i++)
		if (join == METRIC_SUM)
			s->values[i] += values[i];
		else if (takes_place(join, !s->joined, s->values[i], values[i]))
			s->values[i] = values[i];
	s->joined = true;
}

/* Numbers that were read while they were counted may be of two moments: the buckets are counted from the
 * widest down, the count last. */
static void
mend_histogram(double *values, size_t bounds)
{
	for (size_t i = 1; i < bounds; i++)
		if (values[i] < values[i - 1])
			values[i] = values[i - 1];
	if (values[bounds + 1] < values[bounds - 1])
		values[bounds + 1] = values[bounds - 1];
}

static bool
is_wanted(enum metric_family family, unsigned which)
{
	if (metric_table[family].type != METRIC_GAUGE)
		return which & METRICS_COUNTERS;
	return which & (metric_table[family].join == METRIC_MAX ? METRICS_FACTS : METRICS_STATES);
}

bool
metric_is_known(struct slice name, struct slice labels, const double *values, size_t count,
	enum metric_family *family)
{
	*family = family_of(name);
	if (*family == METRIC_FAMILY_COUNT || count != metric_width(*family) || !labels_ok(labels))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!(fabs(values[i]) <= NUMBER_MOST))
			return false;
	return true;
}

void
metric_join(
	struct metrics *m, enum metric_family family, struct slice labels, const double *numbers)
{
	const struct metric_bounds *b = metric_bounds(family);
	double values[METRIC_BOUNDS_MAX + 2];
	struct series *s = metric_series(m, family, labels);

	if (!s)
		return;
	memcpy(values, numbers, metric_width(family) * sizeof *values);
	if (b)
		mend_histogram(values, b->n);
	join_series(s, values);
}

static struct slice
text_of(const msgpack_object *obj)
{
	return (struct slice){obj->via.str.ptr, obj->via.str.size};
}

static void
join_row(struct metrics *m, const msgpack_object_array *row, unsigned which)
{
	double values[METRIC_BOUNDS_MAX + 2] = {0};
	enum metric_family family;
	struct slice name, labels;

	if (row->size != 3 || row->ptr[0].type != MSGPACK_OBJECT_STR ||
		row->ptr[1].type != MSGPACK_OBJECT_STR)
		return;
	name = text_of(&row->ptr[0]);
	labels = text_of(&row->ptr[1]);
	family = family_of(name);
	if (family != METRIC_FAMILY_COUNT && is_wanted(family, which) &&
		metric_is_known(name, labels, values, numbers(&row->ptr[2], values), &family))
		metric_join(m, family, labels, values);
}

void
metrics_join(struct metrics *m, const msgpack_object *values, unsigned which)
{
	if (values->type != MSGPACK_OBJECT_ARRAY)
		return;
	for (uint32_t i = 0; i < values->via.array.size; i++) {
		const msgpack_object *row = &values->via.array.ptr[i];

		if (row->type == MSGPACK_OBJECT_ARRAY)
			join_row(m, &row->via.array, which);
	}
}
