/* online_redis - is each Redis server as it must be? See online.h. */
#include "online_private.h"

void
online_redis(struct online *o)
{
	o->of = "redis";
}
