/* seen_redis_beat - what this process and a server tell each other beside ids: that it is there, whose the
 * node's number is, and how far it has been told.
 *
 * | key                                | value                | lives    |
 * |------------------------------------|----------------------|----------|
 * | trotline:number:NUMBER             | JOURNAL.MACHINE      | 10 s     |
 * | trotline:filled:NUMBER:SERVER:PROC | JOURNAL SEQ          | a window |
 * | trotline:filled:NUMBER:SERVER      | JOURNAL SEQ          | a window |
 * | trotline:filler:NUMBER:SERVER      | JOURNAL.MACHINE.PROC | 10 s     |
 *
 * The number's key is held by whoever has it and renewed each second. Another journal that has the same
 * number, or a copy of this one, finds it taken and does without Redis, with an alert, until it gets a
 * number of its own. A node with a new journal in the place of one that is gone for good has the number
 * 10 s after the old one was last heard of; what Redis knows under the number from before is free to this
 * node and taken for the others, and its journal decides. Two that share a number unseen would each think
 * the other's ids its own: such an id may be stored twice, and never lost.
 *
 * A process's marker says up to which seq of this journal all that the process has stored stands in this
 * very server; "-" while nobody knows. It is written behind the confirms on the same connection, so wherever
 * it stands, they do: also in a replica that has become master, and in what was read from disk at a restart,
 * both of which may lack the last instants. So on each connection the rows above it are sent again. That is
 * why it stands here and not in the journal, which cannot know what a server has lost. Renewing it each
 * second (XX) finds out when all was wiped under us; it is there before the first row is sent.
 *
 * Where there is no marker, one process of the node sends the whole window, whoever has the filler's key,
 * and marks up to where all of the journal is there, whoever has stored it: that is the third row, which
 * the others go on from. It stands there as "-" before the first row is sent, and is only ever renewed
 * (XX), so that what was wiped meanwhile is not marked as being there. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "seen_redis_private.h"

enum { LOOK_BEATS = 10, FEW = 1000 };

uint64_t
seen_window_ms(const struct seen *seen)
{
	const struct config *cfg = seen->home.cfg;
	uint64_t least = cfg->redis.window_ms ? cfg->redis.window_ms : UINT64_MAX;

	for (size_t i = 0; i < cfg->sources_count; i++)
		if (cfg->sources[i].dedup_window_ms < least)
			least = cfg->sources[i].dedup_window_ms;
	return least;
}

/* ---- there, and not ---- */

void
server_away(struct server *s, enum store_cause cause, const struct error *why)
{
	const bool changed = !s->met || s->well || s->cause != cause;

	redis_wire_close(&s->wire);
	s->n = 0;
	s->met = true;
	s->well = false;
	s->cause = cause;
	s->why = *why;
	s->asked_ms = clock_mono_ms();
	if (changed)
		log_warn("redis away", LF_TEXT("server", s->name),
			LF_TEXT("it_is", cause_table[cause].word), LF_TEXT("cause", why->text),
			LF_TEXT("meanwhile", s->seen->home.cfg->redis.when_away == REDIS_REFUSE
						     ? "events are answered 503"
						     : "this node knows its own events alone"));
}

static void
make_number(const struct seen *seen, char value[VALUE_BYTES])
{
	const struct slice id = journal_id(seen->home.journal);

	snprintf(value, VALUE_BYTES, "%.*s.%s", SLICE_ARG(id), seen->machine);
}

/* Takes a key that nobody has for as long as a lease, and renews it where it was ours. */
static bool
put_lease(struct server *s, const char *name, const char *value, bool ours)
{
	const struct slice key = slice_of(name), ms = slice_of("10000");
	const struct slice set[] = {slice_of("SET"), key, slice_of(value), slice_of("NX"),
		slice_of("PX"), ms, slice_of("GET")};
	const struct slice renew[] = {slice_of("PEXPIRE"), key, ms};

	_Static_assert(LEASE_MS == 10000, "as it is written here");
	return redis_wire_put(s->wire, set, 7) && (!ours || redis_wire_put(s->wire, renew, 3));
}

static bool
put_get(struct server *s, const char *key)
{
	const struct slice get[] = {slice_of("GET"), slice_of(key)};

	return redis_wire_put(s->wire, get, 2);
}

/* The replies of a trip, in the order of its orders. */
struct greeting {
	enum said {
		SAID_NOTHING,
		SAID_MARKER,
		SAID_WHOLE,
		SAID_NUMBER,
		SAID_FILLER,
		SAID_INFO
	} order[8];
	size_t n;
	char text[SAID_INFO][VALUE_BYTES]; /* as it stood there; "": it did not */
	enum store_cause cause;            /* what INFO comes to */
	struct error why;
};

static void
hear_greeting(void *arg, size_t i, const redisReply *reply, struct redis_reading *reading)
{
	struct greeting *g = arg;
	const struct slice text = redis_text(reply);
	const enum said said = g->order[i];
	struct redis_info info;

	if (redis_link_is_error(reply, reading) || said == SAID_NOTHING)
		return;
	if (said < SAID_INFO)
		snprintf(g->text[said], VALUE_BYTES, "%.*s",
			(int)(text.n < VALUE_BYTES ? text.n : VALUE_BYTES - 1),
			text.n ? text.p : "");
	else if (text.n > 0)
		g->cause = redis_info_read(text, &info, &g->why);
}

static void
expect(struct greeting *g, enum said said, bool renewed)
{
	g->order[g->n++] = said;
	if (renewed)
		g->order[g->n++] = SAID_NOTHING;
}

/* False: it is away, for the number is another's. */
static bool
owns_number(struct server *s, const struct greeting *g, const char *value)
{
	const char *holder = g->text[SAID_NUMBER];
	struct error why;

	s->ours = !*holder || strcmp(holder, value) == 0;
	if (s->ours)
		return true;
	error_set(&why,
		strncmp(holder, value, WIDTH_JOURNAL) == 0
			? "node.number %u is in use by a copy of this journal, %.16s"
			: "node.number %u is that of another journal, %.16s: give this node another",
		s->seen->number, holder);
	server_away(s, CAUSE_TWIN, &why);
	return false;
}

/* Up to where a marker says that this journal's rows are there; false: it says nothing. */
static bool
read_marker(const struct seen *seen, const char *marker, uint64_t *seq)
{
	const struct slice id = journal_id(seen->home.journal);
	char *end;

	if (strncmp(marker, id.p, id.n) != 0 || marker[id.n] != ' ')
		return false;
	*seq = strtoull(marker + id.n + 1, &end, 10);
	return end > marker + id.n + 1 && !*end;
}

/* Goes on from a marker, if it says anything. */
static bool
take_marker(struct server *s, const char *marker)
{
	s->known = read_marker(s->seen, marker, &s->filled);
	if (s->known)
		refill_begin(s, s->filled + 1);
	return s->known;
}

/* The first trip on a connection. */
static bool
greet(struct server *s)
{
	struct greeting g = {.n = 0};
	char value[VALUE_BYTES];

	make_number(s->seen, value);
	s->ours = s->fills = false;
	s->beat_ms = s->whole_seq = s->refill.end = 0;
	expect(&g, SAID_MARKER, false);
	expect(&g, SAID_NUMBER, false);
	if (!put_get(s, s->marker) || !put_lease(s, s->seen->number_key, value, false) ||
		!trip_go(s, 0, hear_greeting, &g) || !owns_number(s, &g, value))
		return false;
	s->marked = take_marker(s, g.text[SAID_MARKER]);
	return true;
}

static void
take(struct server *s, struct redis_wire *wire, const struct redis_found *found)
{
	const bool again = s->met;

	if (!wire) {
		server_away(s, found->cause, &found->why);
		return;
	}
	s->wire = wire;
	s->n = 0;
	if (!greet(s)) {
		if (s->wire)
			server_away(s, CAUSE_AWAY, &(struct error){"out of memory"});
		return;
	}
	s->met = s->well = true;
	log_warn(again ? "redis well again" : "redis there", LF_TEXT("server", s->name),
		LF_TEXT("version", found->mute ? "not told" : found->info.version));
	if (found->mute)
		log_warn("redis tells nothing of itself", LF_TEXT("server", s->name),
			LF_TEXT("cause", "INFO is forbidden: that it is 7.0 or later and does not "
					 "evict, nobody has looked at"));
}

void
server_reach(struct server *s, uint64_t now_ms)
{
	struct seen *seen = s->seen;
	struct redis_wire *wire;
	struct redis_found found;

	if (s->wire)
		return;
	if (courier_connected(seen->courier, s->index, &wire, &found))
		take(s, wire, &found);
	else if (!s->asked_ms || now_ms - s->asked_ms >= BEAT_MS) {
		s->asked_ms = now_ms;
		courier_connect(seen->courier, s->index, seen->home.cfg->redis.timeout_ms);
	}
}

/* ---- once a second ---- */

static bool
newest(struct seen *seen, uint64_t *seq)
{
	struct error why;

	if (!journal_read_begin(seen->home.journal, &why))
		return false;
	*seq = journal_last(seen->home.journal);
	journal_read_end(seen->home.journal);
	return true;
}

/* All that this process has stored is confirmed, or waits for this very trip, in front of the marker. */
static void
advance(struct server *s)
{
	uint64_t seq;

	if (!s->known || s->refill.end || !newest(s->seen, &seq))
		return;
	if (seq < s->filled) /* another journal */
		s->known = false;
	else if (s->doubt)
		refill_begin(s, s->filled + 1);
	else
		s->filled = seq;
}

/* only: "", or if there is none yet ("NX"), or there is one ("XX"). The reply is what stood there. */
static bool
put_marker(struct server *s, const char *key, bool known, uint64_t seq, const char *only)
{
	const struct slice id = journal_id(s->seen->home.journal);
	char value[VALUE_BYTES], ms[24];
	struct slice words[] = {slice_of("SET"), slice_of(key), {NULL, 0}, slice_of("GET"),
		slice_of("PX"), {NULL, 0}, slice_of(only)};

	if (known)
		snprintf(value, sizeof value, "%.*s %llu", SLICE_ARG(id), (unsigned long long)seq);
	else
		snprintf(value, sizeof value, "%.*s -", SLICE_ARG(id));
	snprintf(ms, sizeof ms, "%llu", (unsigned long long)seen_window_ms(s->seen));
	words[2] = slice_of(value);
	words[5] = slice_of(ms);
	return redis_wire_put(s->wire, words, *only ? 7 : 6);
}

static void
name_filler(const struct server *s, const char *number, char value[VALUE_BYTES])
{
	snprintf(value, VALUE_BYTES, "%.50s.%zu", number, s->seen->home.instance);
}

/* How far it is filled; or, where nobody knows, who does it. */
static bool
put_filled(struct server *s, struct greeting *g, const char *number)
{
	char value[VALUE_BYTES];

	expect(g, SAID_MARKER, s->known && s->whole_seq > 0);
	if (!put_marker(s, s->marker, s->known, s->filled, s->marked ? "XX" : ""))
		return false;
	if (s->known)
		return !s->whole_seq || put_marker(s, s->whole, true, s->whole_seq, "XX");
	name_filler(s, number, value);
	expect(g, SAID_WHOLE, false);
	expect(g, SAID_FILLER, s->fills);
	return put_marker(s, s->whole, false, 0, "NX") && put_lease(s, s->filler, value, s->fills);
}

static void
forgotten(struct server *s)
{
	log_warn("redis has forgotten all", LF_TEXT("server", s->name),
		LF_TEXT("do", "nothing: what this journal remembers is sent again"));
	s->known = s->marked = s->fills = false;
	s->beat_ms = s->whole_seq = s->refill.end = 0;
}

static void
begin_to_fill(struct server *s)
{
	refill_begin(s, 1);
	s->known = s->refill.end == 0;
	s->fills = !s->known;
	if (s->refill.end >= FEW)
		log_warn("redis lacks what this journal remembers", LF_TEXT("server", s->name),
			LF_TEXT("do", "nothing: it is sent"));
}

/* What the replies come to. */
static void
take_filled(struct server *s, const struct greeting *g, const char *number)
{
	const char *filler = g->text[SAID_FILLER];
	char value[VALUE_BYTES];

	if (s->marked && !*g->text[SAID_MARKER]) {
		forgotten(s);
		return;
	}
	s->marked = true;
	name_filler(s, number, value);
	if (s->known)
		s->whole_seq = 0;
	else if (!s->fills && !take_marker(s, g->text[SAID_WHOLE]) &&
		 (!*filler || strcmp(filler, value) == 0))
		begin_to_fill(s);
}

void
server_beat(struct server *s, uint64_t now_ms)
{
	const struct slice look[] = {slice_of("INFO")};
	struct greeting g = {.n = 0};
	char value[VALUE_BYTES];
	const bool looks = s->beats++ % LOOK_BEATS == LOOK_BEATS - 1;
	bool put;
	size_t told;

	if (s->n > TRIP_MOST && !trip_flush(s))
		return;
	s->beat_ms = now_ms;
	advance(s);
	make_number(s->seen, value);
	told = trip_begin(s);
	expect(&g, SAID_NUMBER, s->ours);
	put = put_lease(s, s->seen->number_key, value, s->ours) && put_filled(s, &g, value);
	if (looks)
		expect(&g, SAID_INFO, false);
	if (!put || (looks && !redis_wire_put(s->wire, look, 1))) {
		server_away(s, CAUSE_AWAY, &(struct error){"out of memory"});
		return;
	}
	if (!trip_go(s, told, hear_greeting, &g) || !owns_number(s, &g, value))
		return;
	if (g.cause != CAUSE_NONE)
		server_away(s, g.cause, &g.why);
	else
		take_filled(s, &g, value);
}
