/* departed - see departed.h. */
#include "departed.h"

#include "lib/base/clock.h"

static void
let_go(struct departed_source *one)
{
	provider_source_destroy(&one->keys);
	*one = (struct departed_source){.source = NULL};
}

/* A free place, else that of the one that would go first. */
static struct departed_source *
place(struct departed *d)
{
	struct departed_source *best = d->sources;

	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		if (!d->sources[i].source || d->sources[i].until_ms < best->until_ms)
			best = &d->sources[i];
	let_go(best);
	return best;
}

void
departed_take(struct departed *d, const struct config *cfg, const struct config *next,
	struct provider_source **keys)
{
	const uint64_t until_ms =
		clock_mono_ms() + cfg->limits.request_timeout_ms + cfg->limits.answer_timeout_ms;

	for (size_t i = 0; i < cfg->sources_count; i++) {
		if (config_source_find(next, slice_of(cfg->sources[i].name)))
			continue;
		*place(d) = (struct departed_source){&cfg->sources[i], keys[i], until_ms};
		keys[i] = NULL;
	}
}

const struct departed_source *
departed_find(const struct departed *d, struct slice name)
{
	const struct departed_source *found = NULL;

	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++) {
		const struct departed_source *one = &d->sources[i];

		if (one->source && slice_is(name, one->source->name) &&
			(!found || one->until_ms > found->until_ms))
			found = one;
	}
	return found;
}

void
departed_forget(struct departed *d, uint64_t now_ms)
{
	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		if (d->sources[i].source && d->sources[i].until_ms <= now_ms)
			let_go(&d->sources[i]);
}
