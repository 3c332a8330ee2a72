/* metrics_text - figures as a Prometheus page, text format 0.0.4. */
#include <stdio.h>
#include <stdlib.h>

#include "metrics_private.h"

/* A line of the page; suffix and le: of a histogram's, else "". */
static void
print_line(FILE *out, const struct series *s, const char *suffix, const char *le, double value)
{
	char text[40], labels[METRIC_LABELS_MAX + 32];

	snprintf(labels, sizeof labels, "%s", s->labels);
	if (*le)
		metric_label(labels, sizeof labels, "le", slice_of(le));
	snprintf(text, sizeof text, "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof text, "%.17g", value);
	fprintf(out, "%s%s%s%s%s %s\n", metric_table[s->family].family, suffix, *labels ? "{" : "",
		labels, *labels ? "}" : "", text);
}

static void
print_histogram(FILE *out, const struct series *s, const struct metric_bounds *b)
{
	const double sum = s->values[b->n], count = s->values[b->n + 1];
	char le[32];

	for (size_t i = 0; i < b->n; i++) {
		snprintf(le, sizeof le, "%g", b->at[i]);
		print_line(out, s, "_bucket", le, s->values[i]);
	}
	print_line(out, s, "_bucket", "+Inf", count);
	print_line(out, s, "_sum", "", sum);
	print_line(out, s, "_count", "", count);
}

static void
print_head(FILE *out, const struct metric_row *row)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram"};

	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", row->family, row->help, row->family,
		types[row->type]);
}

static void
print_family(FILE *out, const struct metrics *m, enum metric_family family)
{
	const struct metric_bounds *b = metric_bounds(family);
	bool headed = false;

	for (const struct series *s = m->first; s; s = s->next) {
		if (s->family != family)
			continue;
		if (!headed)
			print_head(out, &metric_table[family]);
		headed = true;
		if (b)
			print_histogram(out, s, b);
		else
			print_line(out, s, "", "", s->values[0]);
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
