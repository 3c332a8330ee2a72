/* seen_redis_trip - one trip to one server: what waits to be told goes first, so that whoever asks again for
 * what was dropped or kept finds it so. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "seen_redis_private.h"

struct trip {
	struct server *server;
	size_t told;
	trip_heard *heard;
	void *arg;
	struct redis_reading reading;
};

static void
hear_told(struct trip *t, size_t i, const redisReply *reply)
{
	struct seen *seen = t->server->seen;

	if (!redis_link_is_error(reply, &t->reading) && t->server->told[i].window_ms &&
		redis_is_conflict(redis_holder_of(redis_text(reply)), seen->number))
		seen->state.conflicts++;
}

static void
hear(void *arg, size_t i, const redisReply *reply)
{
	struct trip *t = arg;

	if (i < t->told)
		hear_told(t, i, reply);
	else if (t->heard)
		t->heard(t->arg, i - t->told, reply, &t->reading);
}

/* Most of a group have one window, so the form is seldom made anew. */
static bool
put_keep(struct seen *seen, struct redis_wire *wire, const struct told *told)
{
	static const char hash[sizeof told->hash];
	char ms[24];
	struct slice words[] = {slice_of("SET"), {hash, sizeof hash}, slice_of(seen->number_text),
		slice_of("PX"), {NULL, 0}, slice_of("GET")};

	if (!seen->keep.text || seen->keep_ms != told->window_ms) {
		snprintf(ms, sizeof ms, "%llu", (unsigned long long)told->window_ms);
		words[4] = slice_of(ms);
		free(seen->keep.text);
		seen->keep_ms = told->window_ms;
		if (!redis_form_make(&seen->keep, words, 6, 1))
			return false;
	}
	return redis_wire_put_form(wire, &seen->keep, &told->hash);
}

size_t
trip_begin(struct server *s)
{
	struct seen *seen = s->seen;
	size_t i = 0;

	for (; i < s->n && i < TRIP_MOST; i++) {
		const struct told *told = &s->told[i];

		if (told->window_ms ? !put_keep(seen, s->wire, told)
				    : !redis_wire_put_form(s->wire, &seen->drop, &told->hash))
			break;
	}
	return i;
}

bool
trip_go(struct server *s, size_t told, trip_heard *heard, void *arg)
{
	const uint64_t end_us = clock_mono_us() + s->seen->home.cfg->redis.timeout_ms * 1000;
	struct trip t = {s, told, heard, arg, {CAUSE_NONE, {""}}};
	struct error why;

	if (!redis_wire_trip(s->wire, end_us, hear, &t, &why))
		server_away(s, CAUSE_AWAY, &why);
	else if (t.reading.cause != CAUSE_NONE)
		server_away(s, t.reading.cause, &t.reading.why);
	if (!s->wire)
		return false;
	s->n -= told;
	if (s->n > 0)
		memmove(s->told, s->told + told, s->n * sizeof *s->told);
	return true;
}

bool
trip_flush(struct server *s)
{
	while (s->n > 0) {
		const size_t told = trip_begin(s);

		if (told == 0)
			server_away(s, CAUSE_AWAY, &(struct error){"out of memory"});
		if (!s->wire || !trip_go(s, told, NULL, NULL))
			return false;
	}
	return true;
}

void
trip_tell(struct server *s, struct hash128 hash, uint64_t window_ms)
{
	if (!s->wire)
		return;
	if (s->n == s->room) {
		const size_t room = s->room ? 2 * s->room : 1024;
		struct told *told = realloc(s->told, room * sizeof *told);

		if (!told) {
			server_away(s, CAUSE_AWAY, &(struct error){"out of memory"});
			return;
		}
		s->told = told;
		s->room = room;
	}
	if (s->n == 0)
		s->oldest_ms = clock_mono_ms();
	s->told[s->n++] = (struct told){hash, window_ms};
}
