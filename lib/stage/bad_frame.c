/* bad_frame - see bad_frame.h. State: what the log was told within the second. */
#include "bad_frame.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum { SECOND_MS = 1000 };

static double *
figure(struct metrics *m, enum metric_family family, const char *stage)
{
	char labels[96] = "";

	metric_label(labels, sizeof labels, "stage", slice_of(stage));
	return metric(m, family, labels);
}

void
bad_frame_open(struct metrics *m, const char *stage)
{
	figure(m, METRIC_FAMILY_BAD_FRAMES, stage);
	figure(m, METRIC_FAMILY_BAD_FRAME_AT, stage);
}

void
bad_frame(struct metrics *m, const char *stage, const char *cause)
{
	static uint64_t since_ms, told, more;
	const uint64_t now_ms = clock_mono_ms();

	++*figure(m, METRIC_FAMILY_BAD_FRAMES, stage);
	*figure(m, METRIC_FAMILY_BAD_FRAME_AT, stage) = (double)clock_wall_ms() / 1e3;
	if (now_ms - since_ms >= SECOND_MS) {
		since_ms = now_ms;
		told = 0;
	}
	if (told == BAD_FRAMES_TOLD) {
		more++;
		return;
	}
	log_warn("bad frame", LF_TEXT("cause", cause), LF_UINT("more", more));
	told++;
	more = 0;
}
