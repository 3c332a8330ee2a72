/* seen_redis_none - in the place of seen_redis where there is no hiredis to build it with. */
#include "seen_redis.h"

static const char WORDS[] =
	"this build has no Redis: install libhiredis-dev, then `make WITH=redis`";

static struct seen *
no_redis(const struct seen_home *home, struct error *why)
{
	(void)home;
	error_set(why, "%s", WORDS);
	return NULL;
}

const struct seen_engine seen_redis = {.open = no_redis};

size_t
seen_redis_look(const struct config *cfg, struct seen_server *list, size_t max)
{
	if (cfg->redis.urls_count == 0 || max == 0)
		return 0;
	*list = (struct seen_server){.name = "redis", .cause = CAUSE_UNFIT};
	error_set(&list->why, "%s", WORDS);
	return 1;
}

unsigned
seen_redis_who(const struct config *cfg, const struct hash128 *hashes, size_t n, bool *durable,
	struct error *why)
{
	(void)cfg;
	(void)hashes;
	(void)n;
	*durable = false;
	error_set(why, "%s", WORDS);
	return 0;
}
