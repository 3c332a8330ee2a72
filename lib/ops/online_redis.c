/* online_redis - is each Redis server as it must be? See online.h. */
#include <stdio.h>

#include "lib/base/units.h"
#include "lib/store/seen_redis.h"
#include "online_private.h"

enum { SERVERS_MAX = 16, TEXT = 300, NEARLY_FULL_PERCENT = 90 };

/* What must be done, by what is wrong. */
static const char *
advice_on(enum store_cause cause)
{
	switch (cause) {
	case CAUSE_EVICTING:
		return "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
	case CAUSE_FULL:
		return "raise maxmemory, or lower redis.window";
	case CAUSE_DENIED:
		return "redis.password_file, and the rights of that user";
	case CAUSE_TWIN:
		return "another node.number in this file or in the other node's";
	default:
		return "redis.urls, the way there, and the server's version (7.0 or later) and role (primary)";
	}
}

static const char *
what_of(enum store_cause cause)
{
	return cause == CAUSE_EVICTING ? "policy"
	       : cause == CAUSE_UNFIT  ? "version"
	       : cause == CAUSE_TWIN   ? "number"
				       : "reach";
}

static void
look_at_room(const struct online *o, const struct seen_server *server)
{
	const uint64_t limit = server->limit_bytes, used = server->used_bytes;
	const bool full = limit && used / NEARLY_FULL_PERCENT * 100 > limit;
	char is[TEXT], size[UNITS_TEXT], most[UNITS_TEXT];

	snprintf(is, sizeof is, "%s used, by %llu keys; %s%s", units_size_text((double)used, size),
		(unsigned long long)server->ids, limit ? "of at most " : "no limit",
		limit ? units_size_text((double)limit, most) : "");
	online_tell(o, "memory",
		full    ? ONLINE_FAULT
		: limit ? ONLINE_GOOD
			: ONLINE_NOTE,
		is, "less than nine tenths of maxmemory", advice_on(CAUSE_FULL));
}

static void
look_at(struct online *o, const struct seen_server *server)
{
	o->name = server->name;
	if (server->cause != CAUSE_NONE) {
		online_tell(o, what_of(server->cause), ONLINE_FAULT, server->why.text,
			server->cause == CAUSE_TWIN
				? "a number that no other node has"
				: "Redis 7.0 or later, a primary, with maxmemory-policy noeviction",
			advice_on(server->cause));
		return;
	}
	online_tell(o, "reach", ONLINE_GOOD, "answers", "answers", "");
	if (server->mute) {
		online_tell(o, "version", ONLINE_NOTE,
			"it says nothing of itself: this user may not ask INFO",
			"7.0 or later, maxmemory-policy noeviction", "ACL SETUSER ... +info");
		return;
	}
	online_tell(o, "version", ONLINE_GOOD, server->version, "7.0 or later", "");
	online_tell(o, "policy", ONLINE_GOOD, "noeviction", "noeviction", "");
	look_at_room(o, server);
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
