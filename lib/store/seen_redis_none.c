/* seen_redis_none - in the place of seen_redis where there is no hiredis to build it with. */
#include "seen.h"

static struct seen *
no_redis(const struct config *cfg, struct error *why)
{
	(void)cfg;
	error_set(why, "this build has no Redis: install libhiredis-dev, then `make WITH=redis`");
	return NULL;
}

const struct seen_engine seen_redis = {.open = no_redis};
