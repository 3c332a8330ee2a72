/* seen_redis_look - what an operator asks of Redis: how it is, whose the number is, and which node has an event. Changes
 * nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "lib/base/clock.h"
#include "redis_link.h"
#include "seen_redis.h"

static struct redis_way
way_of(const struct config *cfg, size_t i)
{
	return (struct redis_way){cfg->redis.urls[i], cfg->redis.password_file, cfg->redis.ca_file};
}

/* Which journal's this node's number is there, as it stands in the key of seen_redis_beat.c. */
struct heard {
	struct seen_server *server;
	char journal[WIDTH_JOURNAL + 1];
};

static void
hear_state(void *arg, size_t i, const redisReply *reply)
{
	struct heard *heard = arg;
	const struct slice text = redis_text(reply);

	(void)i;
	if (reply->type == REDIS_REPLY_INTEGER)
		heard->server->ids = (uint64_t)reply->integer;
	else if (text.n >= WIDTH_JOURNAL)
		memcpy(heard->journal, text.p, WIDTH_JOURNAL);
}

/* One that is there and cannot be read may be it. */
static bool
is_own(const struct config *cfg, const char *journal)
{
	char path[4200];
	struct error why;
	struct journal *own = journal_open(cfg, JOURNAL_WATCH, &why);
	bool is;

	snprintf(path, sizeof path, "%s/journal/data.mdb", cfg->data_dir);
	is = own ? slice_is(journal_id(own), journal) : access(path, F_OK) == 0;
	journal_close(&own);
	return is;
}

static void
judge_number(const struct config *cfg, const struct heard *heard)
{
	struct seen_server *server = heard->server;

	if (!*heard->journal || is_own(cfg, heard->journal))
		return;
	server->cause = CAUSE_TWIN;
	error_set(&server->why,
		"node.number %llu is that of another journal, %s: give this node another",
		(unsigned long long)cfg->node.number, heard->journal);
}

static bool
ask_state(struct redis_wire *wire, const struct config *cfg)
{
	char key[40];
	const int n = snprintf(
		key, sizeof key, "trotline:number:%llu", (unsigned long long)cfg->node.number);
	const struct slice size[] = {slice_of("DBSIZE")};
	const struct slice holder[] = {slice_of("GET"), {key, (size_t)n}};

	return redis_wire_put(wire, size, 1) && redis_wire_put(wire, holder, 2);
}

static void
look(const struct config *cfg, size_t i, struct seen_server *server)
{
	const struct redis_way way = way_of(cfg, i);
	struct heard heard = {.server = server};
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
	if (wire && ask_state(wire, cfg) &&
		redis_wire_trip(wire, clock_mono_us() + cfg->redis.timeout_ms * 1000, hear_state,
			&heard, &found.why))
		judge_number(cfg, &heard);
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
