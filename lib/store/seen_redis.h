/* seen_redis - what an operator asks Redis of, beside the door (seen.h). */
#ifndef TROTLINE_STORE_SEEN_REDIS_H
#define TROTLINE_STORE_SEEN_REDIS_H

#include "seen.h"

/* How one server is, asked now. Holds no secret. */
struct seen_server {
	char name[300];         /* host:port/db */
	enum store_cause cause; /* CAUSE_NONE: it is of use */
	struct error why;
	char version[16];
	bool mute; /* it tells nothing of itself: INFO is forbidden */
	uint64_t used_bytes, limit_bytes, ids;
};

/* Asks the first `max` of redis.urls, each for at most redis.timeout; returns how many. */
size_t seen_redis_look(const struct config *cfg, struct seen_server *list, size_t max);

/* Which node has one of these ids: *durable, or is storing it. 0: nobody, or with the cause nobody can tell. */
unsigned seen_redis_who(const struct config *cfg, const struct hash128 *hashes, size_t n,
	bool *durable, struct error *why);

#endif
