/* redis_link - see redis_link.h. */
#include "redis_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/codec.h"
#include "lib/base/file.h"

enum { SECRET_BYTES = 1024 };

struct slice
redis_text(const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS)
		return (struct slice){NULL, 0};
	return (struct slice){reply->str, (size_t)reply->len};
}

bool
redis_link_is_error(const redisReply *reply, struct redis_reading *reading)
{
	struct error why;
	enum store_cause cause;

	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	cause = redis_fault_of((struct slice){reply->str, (size_t)reply->len}, &why);
	if (reading->cause == CAUSE_NONE && cause != CAUSE_NONE)
		*reading = (struct redis_reading){cause, why};
	return true;
}

void
redis_link_name(const char *url, char *out, size_t size)
{
	struct config_redis_place place;

	if (!config_redis_place_of(url, &place, NULL))
		snprintf(out, size, "?");
	else
		snprintf(out, size,
			strchr(place.at.host, ':') ? "%s[%s]:%llu/%llu" : "%s%s:%llu/%llu",
			place.at.tls ? "tls " : "", place.at.host,
			(unsigned long long)place.at.port, (unsigned long long)place.db);
}

/* ---- being let in ---- */

/* %XX of a URL's part. */
static size_t
decode(struct slice part, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < part.n && n < SECRET_BYTES; i++) {
		unsigned char byte = (unsigned char)part.p[i];

		if (byte == '%' && i + 2 < part.n &&
			decode_hex((struct slice){part.p + i + 1, 2}, &byte, 1))
			i += 2;
		out[n++] = (char)byte;
	}
	return n;
}

static bool
put_auth(struct redis_wire *wire, struct slice user, struct slice password)
{
	const struct slice words[] = {slice_of("AUTH"), user, password};
	const struct slice alone[] = {slice_of("AUTH"), password};

	return user.n ? redis_wire_put(wire, words, 3) : redis_wire_put(wire, alone, 2);
}

/* The file's first line is the password; else it is the URL's. */
static bool
gather_auth(struct redis_wire *wire, const struct redis_way *way,
	const struct config_redis_place *place, struct error *why)
{
	char user[SECRET_BYTES], password[SECRET_BYTES];
	const struct slice name = {user, decode(place->user, user)};
	struct slice word = {password, decode(place->password, password)};
	char *text = NULL;
	size_t size = 0;
	bool put = true;

	if (way->password_file) {
		text = file_read_private(way->password_file, &size, why);
		if (!text)
			return error_wrap(why, "redis.password_file");
		word = (struct slice){text, strcspn(text, "\r\n")};
	}
	if (word.n)
		put = put_auth(wire, name, word);
	explicit_bzero(password, sizeof password);
	wipe_free(text, size);
	return put || error_set(why, "out of memory");
}

static bool
gather_rest(struct redis_wire *wire, const struct config_redis_place *place)
{
	char db[24];
	const int n = snprintf(db, sizeof db, "%llu", (unsigned long long)place->db);
	const struct slice select[] = {slice_of("SELECT"), {db, (size_t)n}};
	const struct slice info[] = {slice_of("INFO")};

	return redis_wire_put(wire, select, 2) && redis_wire_put(wire, info, 1);
}

struct entry {
	struct redis_reading reading;
	struct redis_found *found;
	size_t last; /* the reply to INFO */
};

static bool
is_forbidden(const redisReply *reply)
{
	const struct slice text = {reply->str, (size_t)reply->len};

	return reply->type == REDIS_REPLY_ERROR &&
	       (slice_starts(text, "NOPERM") || slice_starts(text, "ERR unknown"));
}

static void
hear_entry(void *arg, size_t i, const redisReply *reply)
{
	struct entry *entry = arg;
	struct redis_found *found = entry->found;

	if (i == entry->last && entry->reading.cause == CAUSE_NONE && is_forbidden(reply)) {
		found->mute = true;
		return;
	}
	if (redis_link_is_error(reply, &entry->reading) || i != entry->last)
		return;
	found->cause = redis_info_read(redis_text(reply), &found->info, &found->why);
}

static bool
enter(struct redis_wire *wire, const struct redis_way *way, const struct config_redis_place *place,
	uint64_t end_us, struct redis_found *found)
{
	struct entry entry = {.found = found};

	if (!gather_auth(wire, way, place, &found->why)) {
		found->cause = CAUSE_DENIED;
		return false;
	}
	if (!gather_rest(wire, place))
		return error_set(&found->why, "out of memory");
	entry.last = redis_wire_gathered(wire) - 1;
	if (!redis_wire_trip(wire, end_us, hear_entry, &entry, &found->why))
		return false;
	redis_wire_wipe(wire);
	if (entry.reading.cause != CAUSE_NONE) {
		found->cause = entry.reading.cause;
		found->why = entry.reading.why;
	}
	return found->cause == CAUSE_NONE;
}

struct redis_wire *
redis_link_open(const struct redis_way *way, uint64_t timeout_ms, struct redis_found *found)
{
	const uint64_t end_us = clock_mono_us() + timeout_ms * 1000;
	struct config_redis_place place;
	struct redis_wire *wire = NULL;

	*found = (struct redis_found){.cause = CAUSE_NONE};
	if (config_redis_place_of(way->url, &place, &found->why))
		wire = redis_wire_open(&place, way->ca_file, end_us, &found->why);
	if (wire && enter(wire, way, &place, end_us, found))
		return wire;
	redis_wire_close(&wire);
	if (found->cause == CAUSE_NONE)
		found->cause = CAUSE_AWAY;
	return NULL;
}
