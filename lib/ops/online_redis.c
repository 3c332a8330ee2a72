/* online_redis - is each Redis server as it must be? See online.h. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/units.h"
#include "lib/store/seen_redis.h"
#include "online_private.h"

enum { SERVERS_MAX = 16, TEXT = 300, FULL_PERCENT = 80 };

static void
look_at_memory(const struct online *o, const struct seen_server *s)
{
	char is[TEXT], used[UNITS_TEXT], limit[UNITS_TEXT];
	const bool near = s->limit_bytes > 0 && s->used_bytes > s->limit_bytes / 100 * FULL_PERCENT;

	if (s->limit_bytes)
		snprintf(is, sizeof is, "%s of %s, %" PRIu64 " keys",
			units_size_text(s->used_bytes, used),
			units_size_text(s->limit_bytes, limit), s->ids);
	else
		snprintf(is, sizeof is, "%s, without a limit, %" PRIu64 " keys",
			units_size_text(s->used_bytes, used), s->ids);
	online_tell(o, "memory", near ? ONLINE_NOTE : ONLINE_GOOD, is,
		"135 bytes for each id of a window", "raise maxmemory, or lower redis.window");
}

static void
look_at(struct online *o, const struct seen_server *s)
{
	o->name = s->name;
	online_tell(o, "use", s->cause == CAUSE_NONE ? ONLINE_GOOD : ONLINE_FAULT,
		s->cause == CAUSE_NONE ? "reached, and lets us in" : s->why.text,
		"Redis 7.0 or later, a master, maxmemory-policy noeviction, our password right",
		cause_table[s->cause].advice);
	if (s->cause != CAUSE_NONE)
		return;
	online_tell(o, "version", s->mute ? ONLINE_NOTE : ONLINE_GOOD,
		s->mute ? "INFO is forbidden: nobody sees its version and policy" : s->version, "",
		"");
	if (!s->mute)
		look_at_memory(o, s);
}

void
online_redis(struct online *o)
{
	struct seen_server servers[SERVERS_MAX];
	const size_t n = seen_redis_look(o->cfg, servers, SERVERS_MAX);

	o->of = "redis";
	for (size_t i = 0; i < n; i++)
		look_at(o, &servers[i]);
}
