/* figures - see figures.h. */
#include "figures.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"

static const char *
labels_of(const struct destination *d, char labels[METRIC_LABELS_MAX + 1])
{
	labels[0] = '\0';
	metric_label(labels, METRIC_LABELS_MAX + 1, "destination", slice_of(d->row.name));
	return labels;
}

static double *
of(struct metrics *m, enum metric_family family, const struct destination *d)
{
	char labels[METRIC_LABELS_MAX + 1];

	return metric(m, family, labels_of(d, labels));
}

/* One for each word of a label. */
static void
open_each(struct metrics *m, const struct destination *d, enum metric_family family,
	const char *label, const char *const *words, size_t n)
{
	char labels[METRIC_LABELS_MAX + 1];

	for (size_t i = 0; i < n; i++) {
		labels_of(d, labels);
		metric_label(labels, sizeof labels, label, slice_of(words[i]));
		metric_open(m, family, labels);
	}
}

void
figures_open(struct metrics *m, const struct destination *d)
{
	static const enum metric_family families[] = {METRIC_FAMILY_FORWARD_UP,
		METRIC_FAMILY_FORWARD_PAUSED, METRIC_FAMILY_FORWARD_DELIVERED,
		METRIC_FAMILY_FORWARD_DURATION, METRIC_FAMILY_FORWARD_LAG_EVENTS,
		METRIC_FAMILY_FORWARD_LAG, METRIC_FAMILY_FORWARD_OWED, METRIC_FAMILY_FORWARD_DEAD,
		METRIC_FAMILY_FORWARD_MISSED, METRIC_FAMILY_FORWARD_LAST,
		METRIC_FAMILY_FORWARD_DIED_AT, METRIC_FAMILY_FORWARD_GUARDED_AT,
		METRIC_FAMILY_FORWARD_MISSED_AT};
	char labels[METRIC_LABELS_MAX + 1];

	labels_of(d, labels);
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		metric_open(m, families[i], labels);
	open_each(
		m, d, METRIC_FAMILY_FORWARD_ATTEMPTS, "class", answer_class_words, ANSWER_CLASSES);
	open_each(m, d, METRIC_FAMILY_FORWARD_TROUBLE, "state", &forward_state_words[FORWARD_SLOW],
		FORWARD_STATES_COUNT - FORWARD_SLOW);
}

void
figures_answer(struct metrics *m, const struct item *item, enum answer_class what)
{
	char labels[METRIC_LABELS_MAX + 1];

	labels_of(item->to, labels);
	metric_observe(m, METRIC_FAMILY_FORWARD_DURATION, labels, (double)item->post.took_us / 1e6);
	*metric(m, METRIC_FAMILY_FORWARD_LAST, labels) = item->post.status;
	metric_label(labels, sizeof labels, "class", slice_of(answer_class_words[what]));
	++*metric(m, METRIC_FAMILY_FORWARD_ATTEMPTS, labels);
}

void
figures_done(struct metrics *m, const struct destination *d, uint64_t events)
{
	*of(m, METRIC_FAMILY_FORWARD_DELIVERED, d) += (double)events;
}

static double
now_s(void)
{
	return (double)clock_wall_ms() / 1e3;
}

void
figures_dead(struct metrics *m, const struct destination *d, bool guarded)
{
	*of(m, METRIC_FAMILY_FORWARD_DIED_AT, d) = now_s();
	if (guarded)
		*of(m, METRIC_FAMILY_FORWARD_GUARDED_AT, d) = now_s();
}

void
figures_missed(struct metrics *m, const struct destination *d, uint64_t events)
{
	*of(m, METRIC_FAMILY_FORWARD_MISSED, d) += (double)events;
	*of(m, METRIC_FAMILY_FORWARD_MISSED_AT, d) = now_s();
}

/* ---- what it is at ---- */

static bool
is_trouble(enum forward_state state)
{
	return state == FORWARD_DOWN || state == FORWARD_REFUSED || state == FORWARD_GONE;
}

/* Of one at a time: what was said before is over. */
static void
tell_trouble(struct metrics *m, struct destination *d)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	if (d->row.state != FORWARD_UP) {
		labels_of(d, labels);
		metric_label(labels, sizeof labels, "state",
			slice_of(forward_state_words[d->row.state]));
		metric_label(labels, sizeof labels, "cause", slice_of(d->trouble));
	}
	if (d->told[0] && strcmp(d->told, labels) != 0)
		*metric(m, METRIC_FAMILY_FORWARD_TROUBLE, d->told) = 0;
	snprintf(d->told, sizeof d->told, "%s", labels);
	if (labels[0])
		*metric(m, METRIC_FAMILY_FORWARD_TROUBLE, labels) = (double)d->row.state_ms / 1e3;
}

struct oldest {
	uint64_t received_ms;
};

static bool
take_oldest(void *arg, const struct history_event *event)
{
	((struct oldest *)arg)->received_ms = event->event->received;
	return false;
}

static uint64_t
first_of(const struct destination *d)
{
	const uint64_t taken = reading_taken(&d->reading);
	const struct item *waiting = d->waiting.first, *sent = d->under_way.first;
	uint64_t first = taken;

	if (waiting && waiting->owed.first && waiting->owed.first < first)
		first = waiting->owed.first;
	if (sent && sent->owed.first && sent->owed.first < first)
		first = sent->owed.first;
	return first;
}

static void
tell_lag(struct metrics *m, struct destination *d, struct history_view *view)
{
	struct history_look look = {.pos = first_of(d), .most = 1};
	const uint64_t now_ms = clock_wall_ms();
	struct oldest oldest = {now_ms};
	uint64_t first = 0, last = 0;

	if (!view || !reading_open(&d->reading, view, NULL, NULL) ||
		!history_range(view, &first, &last, NULL))
		return;
	if (look.pos <= last)
		history_read(view, d->reading.query, &look, take_oldest, &oldest, NULL);
	*of(m, METRIC_FAMILY_FORWARD_LAG_EVENTS, d) =
		first_of(d) > last ? 0 : (double)(last - first_of(d) + 1);
	*of(m, METRIC_FAMILY_FORWARD_LAG, d) =
		now_ms > oldest.received_ms ? (double)(now_ms - oldest.received_ms) / 1e3 : 0;
}

void
figures_tell(struct metrics *m, struct destination *d, struct history_view *view)
{
	*of(m, METRIC_FAMILY_FORWARD_UP, d) = !is_trouble(d->row.state);
	*of(m, METRIC_FAMILY_FORWARD_PAUSED, d) = d->row.paused;
	*of(m, METRIC_FAMILY_FORWARD_OWED, d) = (double)d->owing.count;
	*of(m, METRIC_FAMILY_FORWARD_DEAD, d) = (double)d->owing.letters;
	tell_trouble(m, d);
	tell_lag(m, d, view);
}

void
figures_close(struct metrics *m, struct destination *d)
{
	d->row.state = FORWARD_UP;
	tell_trouble(m, d);
	*of(m, METRIC_FAMILY_FORWARD_UP, d) = 1;
	*of(m, METRIC_FAMILY_FORWARD_PAUSED, d) = 0;
	*of(m, METRIC_FAMILY_FORWARD_OWED, d) = 0;
	*of(m, METRIC_FAMILY_FORWARD_DEAD, d) = 0;
	*of(m, METRIC_FAMILY_FORWARD_LAG, d) = 0;
	*of(m, METRIC_FAMILY_FORWARD_LAG_EVENTS, d) = 0;
}

/* Since when stands there from the first time on. */
void
figures_left_out(struct metrics *m, const char *name, bool is)
{
	char labels[METRIC_LABELS_MAX + 1] = "";
	double *since;

	metric_label(labels, sizeof labels, "destination", slice_of(name));
	metric_label(labels, sizeof labels, "state", slice_of("left out"));
	metric_label(labels, sizeof labels, "cause", slice_of("cannot be signed for"));
	since = metric(m, METRIC_FAMILY_FORWARD_TROUBLE, labels);
	*since = !is ? 0 : *since > 0 ? *since : now_s();
}
