/* seen_redis_look - what an operator asks of Redis: how it is, and which node has an event. Changes nothing. */
#include <string.h>

#include "lib/base/clock.h"
#include "redis_link.h"
#include "seen_redis.h"

static struct redis_way
way_of(const struct config *cfg, size_t i)
{
	return (struct redis_way){cfg->redis.urls[i], cfg->redis.password_file, cfg->redis.ca_file};
}

static void
hear_size(void *arg, size_t i, const redisReply *reply)
{
	struct seen_server *server = arg;

	(void)i;
	if (reply->type == REDIS_REPLY_INTEGER)
		server->ids = (uint64_t)reply->integer;
}

static void
look(const struct config *cfg, size_t i, struct seen_server *server)
{
	const struct redis_way way = way_of(cfg, i);
	const struct slice size[] = {slice_of("DBSIZE")};
	struct redis_found found;
	struct redis_wire *wire = redis_link_open(&way, cfg->redis.timeout_ms, &found);

	*server = (struct seen_server){
		.cause = found.cause,
		.why = found.why,
		.mute = found.mute,
		.used_bytes = found.info.used_bytes,
		.limit_bytes = found.info.limit_bytes,
	};
	memcpy(server->version, found.info.version, sizeof server->version);
	redis_link_name(way.url, server->name, sizeof server->name);
	if (wire && redis_wire_put(wire, size, 1))
		redis_wire_trip(wire, clock_mono_us() + cfg->redis.timeout_ms * 1000, hear_size,
			server, NULL);
	redis_wire_close(&wire);
}

size_t
seen_redis_look(const struct config *cfg, struct seen_server *list, size_t max)
{
	const size_t n = cfg->redis.urls_count < max ? cfg->redis.urls_count : max;

	for (size_t i = 0; i < n; i++)
		look(cfg, i, &list[i]);
	return n;
}

static void
hear_holder(void *arg, size_t i, const redisReply *reply)
{
	struct redis_holder *best = arg;
	const struct redis_holder holder = redis_holder_of(redis_text(reply));

	(void)i;
	if (holder.node && (!best->node || (holder.durable && !best->durable)))
		*best = holder;
}

static bool
ask(const struct config *cfg, size_t server, const struct hash128 *hashes, size_t n,
	struct redis_holder *best, struct error *why)
{
	const struct redis_way way = way_of(cfg, server);
	struct redis_found found;
	struct redis_wire *wire = redis_link_open(&way, cfg->redis.timeout_ms, &found);
	bool good = wire != NULL;

	if (!wire)
		*why = found.why;
	for (size_t i = 0; good && i < n; i++) {
		const struct slice words[] = {
			slice_of("GET"), {(const char *)&hashes[i], sizeof hashes[i]}};

		if (redis_server_of(hashes[i], cfg->redis.urls_count) == server)
			good = redis_wire_put(wire, words, 2);
	}
	good = good && redis_wire_trip(wire, clock_mono_us() + cfg->redis.timeout_ms * 1000,
			       hear_holder, best, why);
	redis_wire_close(&wire);
	return good;
}

unsigned
seen_redis_who(const struct config *cfg, const struct hash128 *hashes, size_t n, bool *durable,
	struct error *why)
{
	struct redis_holder best = {0, false};

	for (size_t i = 0; i < cfg->redis.urls_count; i++)
		ask(cfg, i, hashes, n, &best, why);
	*durable = best.durable;
	return best.node;
}
