/* event_elsewhere - see event_elsewhere.h. */
#include "event_elsewhere.h"

#include <string.h>

#include "lib/store/seen_redis.h"

void
event_elsewhere(const struct event_query *q, struct slice id, struct error *why)
{
	const struct config *cfg = q->cfg;
	struct hash128 hashes[CONFIG_SOURCES_MAX];
	struct error trouble = {""};
	bool durable = false;
	unsigned node;
	size_t n = 0;

	for (size_t i = 0; i < cfg->sources_count; i++)
		if (!q->source || strcmp(q->source, cfg->sources[i].name) == 0)
			hashes[n++] = journal_hash(q->journal, slice_of(cfg->sources[i].name), id);
	if (cfg->redis.urls_count == 0 || n == 0)
		return;
	node = seen_redis_who(cfg, hashes, n, &durable, &trouble);
	if (node)
		error_wrap(why, durable ? "node %u has it" : "node %u is storing it", node);
	else if (*trouble.text)
		error_wrap(why, "Redis cannot be asked which node has it (%.120s)", trouble.text);
}
