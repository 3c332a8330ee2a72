/* redis_words - see redis_words.h. */
#include "redis_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/config/config.h"

enum { VERSION_LEAST = 7, QUOTED = 60 };

struct redis_holder
redis_holder_of(struct slice value)
{
	const bool claimed = value.n > 0 && *value.p == 'c';
	unsigned node = 0;

	if (claimed)
		value = (struct slice){value.p + 1, value.n - 1};
	if (value.n == 0 || value.n > 4)
		return (struct redis_holder){0, false};
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return (struct redis_holder){0, false};
		node = node * 10 + (unsigned)(value.p[i] - '0');
	}
	return (struct redis_holder){node, node > 0 && !claimed};
}

enum seen_answer
redis_answer(struct redis_holder holder, unsigned me)
{
	if (holder.node == 0 || holder.node == me)
		return SEEN_FREE;
	return holder.durable ? SEEN_TAKEN : SEEN_BUSY;
}

bool
redis_is_conflict(struct redis_holder old, unsigned me)
{
	return old.durable && old.node != me;
}

size_t
redis_server_of(struct hash128 hash, size_t count)
{
	unsigned char bytes[sizeof hash];

	memcpy(bytes, &hash, sizeof bytes);
	return ((size_t)bytes[0] << 8 | bytes[1]) * count >> 16;
}

#define NOT_PERMITTED                                                                              \
	"its user may not do what is needed: SET, GET, DEL, PEXPIRE and EVAL on any key, INFO"

/* Error replies, by how they begin; what stands in none is the server's. */
static const struct {
	const char *begins;
	enum store_cause cause;
	const char *words;
} faults[] = {
	{"WRONGTYPE", CAUSE_NONE, "a key of another kind stands there"},
	{"OOM", CAUSE_FULL, "it has used up its maxmemory, and forgets nothing"},
	{"NOAUTH", CAUSE_DENIED, "it wants a password"},
	{"WRONGPASS", CAUSE_DENIED, "it refuses the password"},
	{"ERR invalid password", CAUSE_DENIED, "it refuses the password"},
	{"ERR AUTH", CAUSE_DENIED, "it has no password, and one is given"},
	{"ERR Client sent AUTH", CAUSE_DENIED, "it has no password, and one is given"},
	{"NOPERM", CAUSE_DENIED, NOT_PERMITTED},
	{"ERR The user executing the script", CAUSE_DENIED, NOT_PERMITTED},
	{"READONLY", CAUSE_UNFIT, "it is a replica, which takes no writes"},
	{"MASTERDOWN", CAUSE_UNFIT, "it is a replica, which takes no writes"},
	{"MOVED", CAUSE_UNFIT, "it is a node of a Redis Cluster"},
	{"ASK", CAUSE_UNFIT, "it is a node of a Redis Cluster"},
	{"CLUSTERDOWN", CAUSE_UNFIT, "it is a node of a Redis Cluster"},
	{"ERR SELECT is not allowed", CAUSE_UNFIT, "it is a node of a Redis Cluster"},
	{"ERR DB index", CAUSE_UNFIT, "it has no database of that number"},
	{"ERR invalid DB index", CAUSE_UNFIT, "it has no database of that number"},
	{"ERR syntax", CAUSE_UNFIT,
		"it does not know SET with NX and GET: it is older than Redis 7"},
	{"LOADING", CAUSE_AWAY, "it is still loading its data"},
	{"BUSY", CAUSE_AWAY, "it is busy with somebody's script"},
	{"MISCONF", CAUSE_AWAY, "it takes no writes, for it cannot save its data"},
	{"NOREPLICAS", CAUSE_AWAY, "it takes no writes, for it has too few replicas"},
	{"ERR max number of clients", CAUSE_AWAY, "it has too many clients"},
};

/* Up to the first quote: what follows may be of what was sent. */
static int
quotable(struct slice reply)
{
	size_t n = 0;

	while (n < reply.n && n < QUOTED && !strchr("`'\"", reply.p[n]) && reply.p[n] >= ' ')
		n++;
	return (int)n;
}

enum store_cause
redis_fault_of(struct slice reply, struct error *why)
{
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		if (!slice_starts(reply, faults[i].begins))
			continue;
		error_set(why, "%s", faults[i].words);
		return faults[i].cause;
	}
	error_set(why, "it answers: %.*s", quotable(reply), reply.p);
	return CAUSE_AWAY;
}

/* ---- INFO ---- */

static struct slice
info_value(struct slice text, const char *key)
{
	const size_t n = strlen(key);

	while (text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t line = end ? (size_t)(end - text.p) : text.n;
		const size_t whole = end ? line + 1 : line;

		line -= line > 0 && text.p[line - 1] == '\r';
		if (line > n && text.p[n] == ':' && memcmp(text.p, key, n) == 0)
			return (struct slice){text.p + n + 1, line - n - 1};
		text = (struct slice){text.p + whole, text.n - whole};
	}
	return (struct slice){NULL, 0};
}

static void
copy(char *out, size_t size, struct slice value)
{
	snprintf(out, size, "%.*s", (int)(value.n < size ? value.n : size - 1),
		value.n ? value.p : "");
}

static uint64_t
info_number(struct slice text, const char *key)
{
	char digits[24];

	copy(digits, sizeof digits, info_value(text, key));
	return strtoull(digits, NULL, 10);
}

enum store_cause
redis_info_read(struct slice text, struct redis_info *info, struct error *why)
{
	const struct slice policy = info_value(text, "maxmemory_policy");

	copy(info->version, sizeof info->version, info_value(text, "redis_version"));
	copy(info->run_id, sizeof info->run_id, info_value(text, "run_id"));
	info->used_bytes = info_number(text, "used_memory");
	info->limit_bytes = info_number(text, "maxmemory");
	if (strtoul(info->version, NULL, 10) < VERSION_LEAST)
		error_set(why, "it is Redis %s, and 7.0 is the oldest that will do",
			*info->version ? info->version : "of no version");
	else if (slice_is(info_value(text, "role"), "slave"))
		error_set(why, "it is a replica, which takes no writes");
	else if (slice_is(info_value(text, "cluster_enabled"), "1"))
		error_set(why, "it is a node of a Redis Cluster");
	else if (slice_is(info_value(text, "loading"), "1")) {
		error_set(why, "it is still loading its data");
		return CAUSE_AWAY;
	} else if (policy.n > 0 && !slice_is(policy, "noeviction")) {
		error_set(why, "its maxmemory-policy is %.*s: it forgets ids, and nobody sees it",
			(int)(policy.n < 32 ? policy.n : 32), policy.p);
		return CAUSE_EVICTING;
	} else
		return CAUSE_NONE;
	return CAUSE_UNFIT;
}

/* ---- times ---- */

bool
redis_claim_is_old(uint64_t made_ms, uint64_t now_ms, uint64_t claim_ms)
{
	return now_ms - made_ms > claim_ms / 2;
}
