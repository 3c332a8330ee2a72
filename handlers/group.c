/* group - see group.h. */
#include "group.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "proto/origin.h"

enum { ZONE_CHUNK = 64 * 1024, APART_GROUPS = 16 };

const char *
verdict_name(enum verdict_kind kind)
{
	static const char *const names[] = {[DONE] = "done", [RETRY] = "retry", [DEAD] = "dead"};

	return names[kind];
}

struct event_group *
group_new(void)
{
	struct event_group *g = calloc(1, sizeof *g);

	if (g && !msgpack_zone_init(&g->zone, ZONE_CHUNK)) {
		free(g);
		return NULL;
	}
	return g;
}

void
group_destroy(struct event_group **group)
{
	struct event_group *g = *group;

	if (!g)
		return;
	msgpack_zone_destroy(&g->zone);
	free(g);
	*group = NULL;
}

void
group_clear(struct event_group *g)
{
	msgpack_zone_clear(&g->zone);
	g->n = 0;
	g->bytes = 0;
}

bool
group_open(const struct event_group *g, size_t limit)
{
	return g->n < limit && g->n < GROUP_EVENTS && g->bytes < GROUP_BYTES;
}

size_t
group_limit(size_t limit, uint64_t took_ms)
{
	if (took_ms > GROUP_TURN_MS)
		return limit > 1 ? limit / 2 : 1;
	if (took_ms <= GROUP_TURN_MS / 2 && limit < GROUP_EVENTS)
		return limit * 2;
	return limit;
}

bool
group_add(struct event_group *g, struct slice frame, struct error *why)
{
	char *copy = msgpack_zone_malloc(&g->zone, frame.n);

	if (!copy)
		return error_set(why, "out of memory");
	memcpy(copy, frame.p, frame.n);
	g->bytes += frame.n;
	if (!frame_unpack(&event_schema, copy, frame.n, &g->zone, &g->events[g->n], why))
		return false;
	g->outcomes[g->n] = (struct outcome){.kind = RETRY};
	g->n++;
	return true;
}

/* How long another event with the same key is the same one, where its source is configured no more. */
enum { WINDOW_MS = 24 * 3600 * 1000 };

static struct state_event_key
key_of(const struct event *ev, const struct config *cfg)
{
	const struct config_source *source = config_source_find(cfg, ev->source);
	const struct origin origin = origin_of(ev);

	return (struct state_event_key){
		.journal = origin.journal,
		.seq = origin.seq,
		.mark = state_mark(ev->source, ev->id),
		.same = ev->key,
		.received_ms = ev->received,
		.window_ms = source ? source->dedup_window_ms : WINDOW_MS,
		.email = ev->email,
	};
}

/* Whether the event is to be handled; else its outcome is set. */
static bool
is_new(enum state_event entered, struct outcome *o)
{
	o->kind = entered == STATE_FAILED ? RETRY : DONE;
	o->known = entered == STATE_KNOWN;
	return entered == STATE_NEW;
}

/* One event among others: what it changes cannot be taken back alone. */
static void
apply_together(
	struct event_group *g, size_t i, struct state *db, handler_fn *fn, const struct config *cfg)
{
	struct outcome *o = &g->outcomes[i];

	if (is_new(g->entered[i], o))
		o->kind = fn(db, &g->events[i], cfg, &o->why);
}

/* One event inside its savepoint. */
static void
apply_apart(
	struct event_group *g, size_t i, struct state *db, handler_fn *fn, const struct config *cfg)
{
	struct outcome *o = &g->outcomes[i];

	if (!is_new(state_event_begin(db, &g->keys[i], clock_wall_ms(), &o->why), o))
		return;
	o->kind = fn(db, &g->events[i], cfg, &o->why);
	if (o->kind == DONE && state_event_keep(db, &o->why))
		return;
	state_event_undo(db);
	o->kind = o->kind == DONE ? RETRY : o->kind;
}

/* Nothing more can be done in this transaction, and no event is to blame for it. */
static bool
is_over(const struct state *db)
{
	const enum state_failure failure = state_failure(db);

	return state_lost(db) || failure == STATE_OURS || failure == STATE_AGAIN;
}

/* Applies one after the other, up to the first that is not DONE when they go together. Returns how
 * many were tried. */
static size_t
apply_all(struct event_group *g, struct state *db, handler_fn *fn, const struct config *cfg,
	struct hand *hand, bool together)
{
	size_t i = 0;
	bool go_on = true;

	while (go_on && i < g->n) {
		hand_take(hand, g->events[i].journal, g->events[i].seq);
		(together ? apply_together : apply_apart)(g, i, db, fn, cfg);
		hand_put(hand);
		go_on = !is_over(db) && !(together && g->outcomes[i].kind != DONE);
		i++;
	}
	hand_rest(hand);
	return i;
}

/* False with the cause when the transaction was over with the last event that was tried. */
static bool
still_open(const struct event_group *g, const struct state *db, size_t tried, struct error *why)
{
	const char *cause = g->outcomes[tried - 1].why.text;

	if (!is_over(db))
		return true;
	return error_set(why, "%s", cause[0] ? cause : "the transaction was ended early");
}

static void
forget_outcomes(struct event_group *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->outcomes[i] = (struct outcome){.kind = RETRY};
}

static void
make_keys(struct event_group *g, const struct config *cfg)
{
	for (size_t i = 0; i < g->n; i++)
		g->keys[i] = key_of(&g->events[i], cfg);
}

void
group_doubt(struct event_group *g)
{
	forget_outcomes(g);
	g->apart = APART_GROUPS;
}

/* Nearly always all of a group are DONE. So they go together, without savepoints; when one is not,
 * the group is taken back and applied again, each event apart, and so are the next groups, for one
 * that fails seldom comes alone. */
bool
group_apply(struct event_group *g, struct state *db, handler_fn *fn, const struct config *cfg,
	struct hand *hand, struct error *why)
{
	size_t tried;

	if (g->n == 0)
		return true;
	make_keys(g, cfg);
	state_expect(db, g->keys, g->n);
	if (g->apart == 0) {
		if (!state_enter(db, g->keys, g->n, clock_wall_ms(), g->entered, why))
			return false;
		tried = apply_all(g, db, fn, cfg, hand, true);
		if (!still_open(g, db, tried, why))
			return false;
		if (g->outcomes[tried - 1].kind == DONE)
			return true;
		group_doubt(g);
		if (!state_restart(db, why))
			return false;
	}
	g->apart--;
	tried = apply_all(g, db, fn, cfg, hand, false);
	return still_open(g, db, tried, why);
}

void
group_retry(struct event_group *g, const struct error *cause)
{
	for (size_t i = 0; i < g->n; i++) {
		struct outcome *o = &g->outcomes[i];

		if (o->kind == DONE || (o->kind == RETRY && !o->why.text[0]))
			*o = (struct outcome){.kind = RETRY, .why = *cause, .later = true};
		o->later = o->kind == RETRY;
	}
}

static bool
done_with(const struct event_group *g, size_t i, struct slice journal)
{
	return g->outcomes[i].kind == DONE && slice_eq(g->events[i].journal, journal);
}

size_t
group_done(const struct event_group *g, size_t first, uint64_t *seqs)
{
	const struct slice journal = g->events[first].journal;
	size_t n = 0;

	if (g->outcomes[first].kind != DONE)
		return 0;
	for (size_t i = 0; i < first; i++)
		if (done_with(g, i, journal))
			return 0;
	for (size_t i = first; i < g->n; i++)
		if (done_with(g, i, journal))
			seqs[n++] = g->events[i].seq;
	return n;
}

size_t
group_known(const struct event_group *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->outcomes[i].known;
	return n;
}

/* An event is delivered again for as long as it stands in the journal, which is until the retrier
 * has its verdict: a few leases, as long as both sides run. An entry must outlast that, and also
 * any time that they do not run, in which the clock goes on: so entries go after 30 days, and only
 * when this process has been up for an hour and for 20 leases: what was left in the journal has
 * then been delivered once more and found its entry. What is not covered is a verdict that is lost
 * by a handler type which then stays away for 30 days while others run. An entry takes about 20
 * bytes, far less than the rows that its event has made. */
uint64_t
group_forget_before(uint64_t now_ms, uint64_t up_ms, uint64_t lease_ms)
{
	const uint64_t hour_ms = 3600000, keep_ms = 720 * hour_ms;

	if (up_ms < hour_ms || up_ms / 20 < lease_ms || now_ms < keep_ms)
		return 0;
	return now_ms - keep_ms;
}
