/* unable - see unable.h. */
#include "unable.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { APART_MS = 1000 };

static double *
figure(struct metrics *m, enum metric_family family, enum unable cause)
{
	char labels[METRIC_LABELS_MAX + 1] = "";

	metric_label(labels, sizeof labels, "cause", slice_of(unable_words[cause]));
	return metric(m, family, labels);
}

void
unable_open(struct metrics *m)
{
	for (int i = 0; i < UNABLE_COUNT; i++) {
		figure(m, METRIC_FAMILY_UNABLE, (enum unable)i);
		figure(m, METRIC_FAMILY_UNABLE_AT, (enum unable)i);
	}
}

void
unable_tell(struct unable_log *u, struct metrics *m, enum unable cause, struct slice source,
	const char *why, uint64_t now_ms)
{
	const uint64_t times = seldom_due(&u->lines[cause], APART_MS, now_ms);

	++*figure(m, METRIC_FAMILY_UNABLE, cause);
	*figure(m, METRIC_FAMILY_UNABLE_AT, cause) = (double)clock_wall_ms() / 1e3;
	if (times > 0)
		log_warn("unable to take requests", LF_TEXT("cause", unable_words[cause]),
			LF_TEXT("why", why), LF_SLICE("source", source), LF_UINT("times", times));
}
