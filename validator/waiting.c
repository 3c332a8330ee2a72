/* waiting - see waiting.h. */
#include "waiting.h"

#include <stdlib.h>

static void
swap(struct job *a, struct job *b)
{
	const struct job kept = *a;

	*a = *b;
	*b = kept;
}

void
waiting_close(struct waiting *w)
{
	for (size_t i = 0; w->jobs && i < WAITING_MAX; i++)
		job_free(&w->jobs[i]);
	free(w->jobs);
	*w = (struct waiting){.count = 0};
}

static bool
make_room(struct waiting *w)
{
	if (w->jobs)
		return true;
	w->jobs = malloc(WAITING_MAX * sizeof *w->jobs);
	for (size_t i = 0; w->jobs && i < WAITING_MAX; i++)
		job_init(&w->jobs[i]);
	return w->jobs != NULL;
}

bool
waiting_take(struct waiting *w, struct job *job)
{
	if (w->count == WAITING_MAX || w->bytes + job->frame.size > WAITING_BYTES || !make_room(w))
		return false;
	w->bytes += job->frame.size;
	swap(&w->jobs[w->count++], job);
	return true;
}

static bool
is_due(const struct waiting *w, const struct job *job, uint64_t now_ms)
{
	return w->hasten || job->busy.again_ms <= now_ms;
}

bool
waiting_next(struct waiting *w, uint64_t now_ms, struct job *job)
{
	for (size_t i = 0; i < w->count; i++) {
		if (!is_due(w, &w->jobs[i], now_ms))
			continue;
		w->bytes -= w->jobs[i].frame.size;
		swap(&w->jobs[i], job);
		swap(&w->jobs[i], &w->jobs[--w->count]);
		return true;
	}
	return false;
}

bool
waiting_due(const struct waiting *w, uint64_t now_ms)
{
	bool due = false;

	for (size_t i = 0; i < w->count; i++)
		due |= is_due(w, &w->jobs[i], now_ms);
	return due;
}

uint64_t
waiting_ms(const struct waiting *w, uint64_t now_ms)
{
	uint64_t least = 0;

	for (size_t i = 0; i < w->count; i++) {
		const uint64_t again_ms = w->jobs[i].busy.again_ms;
		const uint64_t ms = again_ms > now_ms ? again_ms - now_ms : 1;

		if (least == 0 || ms < least)
			least = ms;
	}
	return least;
}
