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

static enum metric_family
family_of(struct slice name)
{
	size_t i = 0;

	while (i < METRIC_FAMILY_COUNT && !slice_is(name, metric_table[i].family))
		i++;
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

/* The numbers of a row, as many as a series of the family has. */
static bool
numbers(const msgpack_object *obj, enum metric_family family, double values[METRIC_BOUNDS_MAX + 2])
{
	const msgpack_object_array *list = &obj->via.array;

	if (!metric_bounds(family))
		return number(obj, &values[0]);
	if (obj->type != MSGPACK_OBJECT_ARRAY || list->size != metric_width(family))
		return false;
	for (uint32_t i = 0; i < list->size; i++)
		if (!number(&list->ptr[i], &values[i]))
			return false;
	return true;
}

static void
join_series(struct series *s, const double *values)
{
	for (size_t i = 0; i < metric_width(s->family); i++)
		if (metric_table[s->family].join == METRIC_SUM)
			s->values[i] += values[i];
		else if (values[i] > s->values[i])
			s->values[i] = values[i];
}

static struct slice
text_of(const msgpack_object *obj)
{
	return (struct slice){obj->via.str.ptr, obj->via.str.size};
}

static void
join_row(struct metrics *m, const msgpack_object_array *row)
{
	double values[METRIC_BOUNDS_MAX + 2] = {0};
	enum metric_family family;
	struct series *s;

	if (row->size != 3 || row->ptr[0].type != MSGPACK_OBJECT_STR ||
		row->ptr[1].type != MSGPACK_OBJECT_STR)
		return;
	family = family_of(text_of(&row->ptr[0]));
	if (family == METRIC_FAMILY_COUNT || !labels_ok(text_of(&row->ptr[1])) ||
		!numbers(&row->ptr[2], family, values))
		return;
	s = metric_series(m, family, text_of(&row->ptr[1]));
	if (s)
		join_series(s, values);
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
