/* watch - see watch.h. */
#include "watch.h"

#include <string.h>

bool
watch_time(struct watch *w, uint64_t now_ms)
{
	const bool in_time = w->looked_ms == 0 || now_ms - w->looked_ms < WATCH_GAP_MS;

	for (size_t i = 0; !in_time && i < w->n; i++)
		watch_anew(&w->list[i], now_ms);
	w->looked_ms = now_ms;
	return in_time;
}

static struct watched *
place_of(struct watch *w, const char *name, size_t instance)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].stage.instance == instance &&
			strcmp(w->list[i].stage.name, name) == 0)
			return &w->list[i];
	return NULL;
}

/* The entry of that process; one of a process before it begins anew. NULL: no room. */
static struct watched *
entry_of(struct watch *w, const struct live_stage *stage, uint64_t now_ms)
{
	struct watched *one = place_of(w, stage->name, stage->instance);

	if (!one && w->n == STAGES_MAX)
		return NULL;
	if (!one)
		one = &w->list[w->n++];
	if (one->stage.pid != stage->pid)
		*one = (struct watched){.stage = *stage, .heard_ms = now_ms, .doing = DOING_START};
	return one;
}

void
watch_hear(struct watch *w, const struct beat *beat, pid_t pid, uint64_t now_ms)
{
	struct live_stage stage = {.instance = beat->instance, .pid = pid};
	struct watched *one;

	if (beat->stage.n >= sizeof stage.name || beat->doing >= DOINGS_COUNT)
		return;
	memcpy(stage.name, beat->stage.p, beat->stage.n);
	one = entry_of(w, &stage, now_ms);
	if (!one)
		return;
	one->heard_ms = now_ms;
	one->doing = (enum doing)beat->doing;
	one->deaths = beat->deaths;
}

void
watch_find(struct watch *w, const struct live_stages *found, uint64_t now_ms)
{
	size_t left = 0;

	for (size_t i = 0; i < w->n; i++)
		w->list[i].found = false;
	for (size_t i = 0; i < found->n; i++) {
		struct watched *one = entry_of(w, &found->list[i], now_ms);

		if (one)
			one->found = true;
	}
	for (size_t i = 0; i < w->n; i++)
		if (w->list[i].found)
			w->list[left++] = w->list[i];
	w->n = left;
}

/* A beat may have come since the clock was looked at. */
static bool
is_silent(const struct watched *one, uint64_t now_ms, uint64_t ms)
{
	return now_ms >= one->heard_ms + ms;
}

enum doing
watch_doing(const struct watched *one, uint64_t now_ms)
{
	return is_silent(one, now_ms, WATCH_SILENT_MS) ? DOING_HUNG : one->doing;
}

bool
watch_is_hung(const struct watched *one, uint64_t now_ms)
{
	return one->found && is_silent(one, now_ms, WATCH_HUNG_MS);
}

void
watch_anew(struct watched *one, uint64_t now_ms)
{
	one->heard_ms = now_ms;
}
