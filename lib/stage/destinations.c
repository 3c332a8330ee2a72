/* destinations - see destinations.h. A state but `up` stands in the labels of a figure whose value is since
 * when it is so; one that is over has 0. */
#include "destinations.h"

#include <stdio.h>

#include "metrics_private.h"

/* The figures that are a number each. */
#define GAUGES(X)                                                                                  \
	X(FORWARD_PAUSED, paused)                                                                  \
	X(FORWARD_LAST, last_status)                                                               \
	X(FORWARD_LAG_EVENTS, lag_events)                                                          \
	X(FORWARD_LAG, lag_s)                                                                      \
	X(FORWARD_OWED, owed)                                                                      \
	X(FORWARD_DEAD, dead)                                                                      \
	X(FORWARD_DIED_AT, died_at_s)                                                              \
	X(FORWARD_GUARDED_AT, guarded_at_s)                                                        \
	X(FORWARD_MISSED_AT, missed_at_s)

/* One that is told of a destination; NULL after the last. */
static struct series *
next_trouble(struct series *s, const char *start)
{
	while (s && (s->family != METRIC_FAMILY_FORWARD_TROUBLE ||
			    strncmp(s->labels, start, strlen(start)) != 0))
		s = s->next;
	return s;
}

/* The value of a label. */
static void
read_label(const char *labels, const char *name, char *out, size_t size)
{
	const char *value = strstr(labels, name);

	value = value ? value + strlen(name) : "";
	snprintf(out, size, "%.*s", (int)strcspn(value, "\""), value);
}

static bool
read_trouble(const struct metrics *m, const char *labels, struct destination_figures *out)
{
	struct series *s = next_trouble(m->first, labels);

	while (s && s->values[0] <= 0)
		s = next_trouble(s->next, labels);
	if (!s)
		return false;
	read_label(s->labels, "state=\"", out->state, sizeof out->state);
	read_label(s->labels, "cause=\"", out->cause, sizeof out->cause);
	out->since_s = s->values[0];
	return true;
}

void
destination_read(const struct metrics *m, const char *name, struct destination_figures *out)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, "destination", slice_of(name));
	*out = (struct destination_figures){.state = ""};
#define READ(family, member)                                                                       \
	out->member = (__typeof__(out->member))metrics_sum(m, METRIC_FAMILY_##family, labels);
	GAUGES(READ)
	out->missed = metrics_sum(m, METRIC_FAMILY_FORWARD_MISSED, labels);
	if (!read_trouble(m, labels, out) && metrics_sum(m, METRIC_FAMILY_FORWARD_UP, labels) > 0)
		snprintf(out->state, sizeof out->state, "up");
}
