/* check_redis - see check_redis.h. */
#include "check_redis.h"

#include <stdio.h>

#include "lib/base/map.h"
#include "lib/base/units.h"
#include "lib/store/seen_redis.h"

enum { SERVERS_MAX = 16 };

static void
print_server(const struct seen_server *s)
{
	char used[UNITS_TEXT], limit[UNITS_TEXT];

	printf("  %-24s ", s->name);
	if (s->cause != CAUSE_NONE)
		printf("%s: %s; %s\n", cause_table[s->cause].word, s->why.text,
			cause_table[s->cause].advice);
	else if (s->mute)
		printf("there; INFO is forbidden, so that nobody sees its version and policy\n");
	else
		printf("Redis %s, %llu keys, %s of %s\n", s->version, (unsigned long long)s->ids,
			units_size_text(s->used_bytes, used),
			s->limit_bytes ? units_size_text(s->limit_bytes, limit)
				       : "as much as there is (maxmemory 0)");
}

void
check_print_redis(const struct config *cfg)
{
	struct seen_server servers[SERVERS_MAX];
	const size_t n = seen_redis_look(cfg, servers, SERVERS_MAX);

	if (n > 0)
		printf("\nredis, as node %llu\n", (unsigned long long)cfg->node.number);
	for (size_t i = 0; i < n; i++)
		print_server(&servers[i]);
}

msgpack_object
check_redis_object(const struct config *cfg, msgpack_zone *zone)
{
	struct seen_server servers[SERVERS_MAX];
	const size_t n = seen_redis_look(cfg, servers, SERVERS_MAX);
	struct list l = list_in(zone);

	for (size_t i = 0; i < n; i++) {
		struct map m = map_in(zone);

		map_text(&m, "server", slice_of(servers[i].name));
		map_bool(&m, "good", servers[i].cause == CAUSE_NONE);
		map_text(&m, "is", slice_of(cause_table[servers[i].cause].word));
		map_text(&m, "cause", slice_of(servers[i].why.text));
		map_text(&m, "version", slice_of(servers[i].version));
		map_uint(&m, "keys", servers[i].ids);
		map_uint(&m, "used_bytes", servers[i].used_bytes);
		map_uint(&m, "limit_bytes", servers[i].limit_bytes);
		list_add(&l, map_object(&m));
	}
	return list_object(&l);
}
