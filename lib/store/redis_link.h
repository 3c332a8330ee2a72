/* redis_link - a connection to a Redis server that is fit for use: connected, let in, its database chosen,
 * and its INFO looked at, all within one deadline. Only files of lib/store include it. */
#ifndef TROTLINE_STORE_REDIS_LINK_H
#define TROTLINE_STORE_REDIS_LINK_H

#include "redis_wire.h"
#include "redis_words.h"

/* The way to a server. All texts outlive what is made of it; urls may hold secrets. */
struct redis_way {
	const char *url, *password_file, *ca_file;
};

struct redis_found {
	enum store_cause cause; /* CAUSE_NONE: it is of use */
	struct error why;
	bool mute; /* INFO is forbidden: nobody knows of its version, role and policy */
	struct redis_info info;
};

/* NULL when the server is of no use; *found says why. It may be called from any thread. */
struct redis_wire *redis_link_open(
	const struct redis_way *way, uint64_t timeout_ms, struct redis_found *found);

/* The same trip for whoever expects one reply of one kind: the first reply that is an error is a fault. */
struct redis_reading {
	enum store_cause cause;
	struct error why;
};
bool redis_link_is_error(const redisReply *reply, struct redis_reading *reading);

/* A reply's text; {NULL, 0}: nil, or none. */
struct slice redis_text(const redisReply *reply);

/* "r1.example.com:6379/0", with tls in front where it is: what may be shown. */
void redis_link_name(const char *url, char *out, size_t size);

#endif
