/* seen_redis - the engine for several nodes: Redis tells each what the others have.
 *
 *   claim    SET <hash> c<number> NX PX <redis.claim> GET    nil, or our own: go on, the journal decides
 *                                                            a number: durable on that node, a duplicate
 *                                                            another's c: it is storing it, ask again
 *   keep     SET <hash> <number> PX <window> GET             after the commit; the old value shows a conflict
 *   drop     deletes the key if our claim stands in it       the only script
 *
 * So nobody is told "duplicate" of an event that is not durable somewhere: a claim that nobody kept ends by
 * itself, and says busy until then. Keys are the journal's 16 bytes of hash, in a database of their own; of
 * several servers each has the ids whose first bits are its.
 *
 * In: a group's ids. Out: orders, one trip a group; what was kept rides with the next group, or goes alone
 * after 10 ms. State: what waits to be told, and in Redis itself nothing that the journal does not hold. A
 * kill leaves claims, which end by themselves, and ids that were not confirmed: the marker of this process
 * stands below them, and they are sent again (seen_redis_refill.c).
 *
 * A server that is away, or answers later than redis.timeout, is left at once and tried again each second,
 * by a thread (seen_redis_courier.c); until then its ids are this node's alone, or refused: when_away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "seen_redis_private.h"

static const char SCRIPT[] =
	"if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0";

/* ---- opening ---- */

/* This journal on this machine, up since then: a copy of it elsewhere, or beside it, is another. */
static void
name_machine(struct seen *seen)
{
	uint64_t x = 0xcbf29ce484222325U;
	char text[4200 + 64] = "", path[4200];
	struct stat file = {.st_ino = 0};
	size_t n = file_peek("/proc/sys/kernel/random/boot_id", text, 64);

	snprintf(path, sizeof path, "%s/journal/data.mdb", seen->home.cfg->data_dir);
	if (stat(path, &file) == 0)
		n += (size_t)snprintf(text + n, 64, "%llx %llx", (unsigned long long)file.st_dev,
			(unsigned long long)file.st_ino);
	for (size_t i = 0; i < n; i++)
		x = (x ^ (unsigned char)text[i]) * 0x100000001b3U;
	snprintf(seen->machine, sizeof seen->machine, "%016llx", (unsigned long long)x);
}

static bool
make_forms(struct seen *seen)
{
	static const char hash[sizeof(struct hash128)];
	const struct slice key = {hash, sizeof hash}, me = slice_of(seen->claim_text);
	char ms[24];
	const int n =
		snprintf(ms, sizeof ms, "%llu", (unsigned long long)seen->home.cfg->redis.claim_ms);
	const struct slice claim[] = {slice_of("SET"), key, me, slice_of("NX"), slice_of("PX"),
		{ms, (size_t)n}, slice_of("GET")};
	const struct slice drop[] = {slice_of("EVAL"), slice_of(SCRIPT), slice_of("1"), key, me};

	return redis_form_make(&seen->claim, claim, 7, 1) &&
	       redis_form_make(&seen->drop, drop, 5, 3);
}

static void
name_all(struct seen *seen)
{
	const struct config *cfg = seen->home.cfg;

	snprintf(seen->number_text, sizeof seen->number_text, "%u", seen->number);
	snprintf(seen->claim_text, sizeof seen->claim_text, "c%u", seen->number);
	snprintf(seen->number_key, sizeof seen->number_key, "trotline:number:%u", seen->number);
	for (size_t i = 0; i < seen->count; i++) {
		struct server *s = &seen->servers[i];

		s->seen = seen;
		s->index = i;
		s->cause = CAUSE_AWAY;
		error_set(&s->why, "not connected yet");
		seen->ways[i] = (struct redis_way){
			cfg->redis.urls[i], cfg->redis.password_file, cfg->redis.ca_file};
		redis_link_name(cfg->redis.urls[i], s->name, sizeof s->name);
		snprintf(s->whole, sizeof s->whole, "trotline:filled:%u:%zuof%zu", seen->number, i,
			seen->count);
		snprintf(s->filler, sizeof s->filler, "trotline:filler:%u:%zuof%zu", seen->number,
			i, seen->count);
		snprintf(s->marker, sizeof s->marker, "trotline:filled:%u:%zuof%zu:%zuof%zu",
			seen->number, i, seen->count, seen->home.instance,
			(size_t)cfg->processes.validator);
	}
}

/* So that the first group finds them there, if they are: no longer than a group would wait. */
static void
meet(struct seen *seen)
{
	const uint64_t end_ms = clock_mono_ms() + seen->home.cfg->redis.timeout_ms;
	const struct timespec instant = {0, 500000};
	size_t met = 0;

	while (met < seen->count && clock_mono_ms() <= end_ms) {
		met = 0;
		for (size_t i = 0; i < seen->count; i++) {
			server_reach(&seen->servers[i], clock_mono_ms());
			met += seen->servers[i].met;
		}
		if (met < seen->count)
			nanosleep(&instant, NULL);
	}
}

static void
engine_close(struct seen **engine)
{
	struct seen *seen = *engine;

	*engine = NULL;
	for (size_t i = 0; i < seen->count; i++) {
		struct server *s = &seen->servers[i];

		if (s->wire)
			trip_flush(s);
		redis_wire_close(&s->wire);
		free(s->told);
	}
	free(seen->rows);
	free(seen->claim.text);
	free(seen->keep.text);
	free(seen->drop.text);
	if (courier_destroy(&seen->courier))
		free(seen);
}

static struct seen *
engine_open(const struct seen_home *home, struct error *why)
{
	struct seen *seen = calloc(1, sizeof *seen);

	if (!seen) {
		error_set(why, "out of memory");
		return NULL;
	}
	seen->home = *home;
	seen->number = (unsigned)home->cfg->node.number;
	seen->count = home->cfg->redis.urls_count < SERVERS_MAX ? home->cfg->redis.urls_count
								: SERVERS_MAX;
	name_machine(seen);
	name_all(seen);
	seen->courier = courier_new(seen->ways, seen->count, seen->number_text);
	if (!seen->courier || !make_forms(seen)) {
		error_set(why, "out of memory");
		engine_close(&seen);
		return NULL;
	}
	meet(seen);
	return seen;
}

/* ---- claiming ---- */

struct asking {
	struct seen *seen;
	struct seen_claim *claims;
	size_t asked[TRIP_MOST];
};

static void
hear_claim(void *arg, size_t i, const redisReply *reply, struct redis_reading *reading)
{
	struct asking *a = arg;

	if (!redis_link_is_error(reply, reading))
		a->claims[a->asked[i]].answer =
			redis_answer(redis_holder_of(redis_text(reply)), a->seen->number);
}

static bool
is_of(const struct seen *seen, const struct server *s, const struct seen_claim *claim)
{
	return seen->count == 1 || redis_server_of(claim->hash, seen->count) == s->index;
}

/* What is not heard keeps the answer that holds while its server is away. */
static void
ask(struct server *s, struct asking *a, size_t n)
{
	size_t at = 0;

	while (s->wire && at < n) {
		size_t count = trip_begin(s), gathered = 0;

		for (; at < n && count + gathered < TRIP_MOST; at++) {
			if (!is_of(a->seen, s, &a->claims[at]))
				continue;
			if (!redis_wire_put_form(s->wire, &a->seen->claim, &a->claims[at].hash))
				break;
			a->asked[gathered++] = at;
		}
		if (gathered == 0 && at < n && count == 0)
			return;
		trip_go(s, count, hear_claim, a);
	}
}

/* After a commit that failed nobody knows what the disk has: what it has is to be sent. */
static void
note_untold(struct seen *seen)
{
	for (size_t i = 0; i < seen->count && seen->untold > 0; i++)
		seen->servers[i].doubt = true;
	seen->untold = 0;
}

static enum store_rc
engine_claim(struct seen *seen, struct seen_claim *claims, size_t n, struct error *why)
{
	const bool refuse = seen->home.cfg->redis.when_away == REDIS_REFUSE;
	struct asking a = {.seen = seen, .claims = claims};

	(void)why;
	note_untold(seen);
	seen->claimed_ms = clock_mono_ms();
	for (size_t i = 0; i < n; i++)
		claims[i].answer = refuse ? SEEN_AWAY : SEEN_FREE;
	for (size_t i = 0; i < seen->count; i++)
		ask(&seen->servers[i], &a, n);
	for (size_t i = 0; i < n; i++)
		seen->untold += claims[i].answer == SEEN_FREE;
	return STORE_OK;
}

/* ---- telling ---- */

static void
tell(struct seen *seen, const struct seen_claim *claims, size_t n, bool kept)
{
	const uint64_t most_ms = seen->home.cfg->redis.window_ms;

	seen->untold -= n < seen->untold ? n : seen->untold;
	for (size_t i = 0; i < n; i++) {
		uint64_t ms = claims[i].window_ms;

		if (most_ms && ms > most_ms)
			ms = most_ms;
		trip_tell(&seen->servers[redis_server_of(claims[i].hash, seen->count)],
			claims[i].hash, kept ? ms + !ms : 0);
	}
}

static void
engine_keep(struct seen *seen, const struct seen_claim *claims, size_t n)
{
	tell(seen, claims, n, true);
}

static void
engine_drop(struct seen *seen, const struct seen_claim *claims, size_t n)
{
	tell(seen, claims, n, false);
}

/* ---- now and then ---- */

static bool
engine_aged(const struct seen *seen)
{
	bool any = false;

	for (size_t i = 0; i < seen->count; i++)
		any |= seen->servers[i].wire != NULL;
	return any && redis_claim_is_old(
			      seen->claimed_ms, clock_mono_ms(), seen->home.cfg->redis.claim_ms);
}

static void
tick(struct server *s, uint64_t now_ms)
{
	if (!s->wire)
		server_reach(s, now_ms);
	if (s->wire && s->n > 0 && now_ms - s->oldest_ms >= CONFIRM_MS)
		trip_flush(s);
	if (s->wire && now_ms - s->beat_ms >= BEAT_MS)
		server_beat(s, now_ms);
	if (s->wire && s->refill.end)
		refill_step(s, now_ms);
}

static uint64_t
engine_tick(struct seen *seen)
{
	const uint64_t now_ms = clock_mono_ms();
	uint64_t next_ms = 0;

	note_untold(seen);
	for (size_t i = 0; i < seen->count; i++) {
		struct server *s = &seen->servers[i];

		tick(s, now_ms);
		if (s->wire && (s->n > 0 || s->refill.end))
			next_ms = CONFIRM_MS;
		else if (!s->wire && next_ms == 0)
			next_ms = 4 * CONFIRM_MS;
	}
	return next_ms;
}

static const struct seen_state *
engine_state(struct seen *seen)
{
	struct seen_state *state = &seen->state;
	bool *up = seen->up;

	state->servers = seen->count;
	state->up = up;
	state->cause = CAUSE_NONE;
	for (size_t i = seen->count; i-- > 0;) {
		const struct server *s = &seen->servers[i];

		up[i] = s->wire != NULL;
		if (up[i])
			continue;
		state->cause = s->cause;
		error_set(&state->why, "%s: %s", s->name, s->why.text);
	}
	return state;
}

const struct seen_engine seen_redis = {
	.open = engine_open,
	.close = engine_close,
	.claim = engine_claim,
	.keep = engine_keep,
	.drop = engine_drop,
	.aged = engine_aged,
	.tick = engine_tick,
	.state = engine_state,
};
