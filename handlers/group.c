/* group - see group.h. */
#include "group.h"

#include <stdlib.h>

#include "lib/base/clock.h"

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

/* Whether the event is to be handled; else *kind is its outcome. */
static bool
is_new(enum state_event entered, enum verdict_kind *kind)
{
	*kind = entered == STATE_FAILED ? RETRY : DONE;
	return entered == STATE_NEW;
}

/* One event among others: what it changes cannot be taken back alone. */
static enum verdict_kind
apply_together(struct state *db, const struct event *ev, handler_fn *fn, const struct config *cfg,
	struct error *why)
{
	const struct state_event_key key = {ev->journal, ev->seq, state_mark(ev->source, ev->id)};
	enum verdict_kind kind;

	if (!is_new(state_event_enter(db, &key, clock_wall_ms(), why), &kind))
		return kind;
	return fn(db, ev, cfg, why);
}

/* One event inside its savepoint. */
static enum verdict_kind
apply_apart(struct state *db, const struct event *ev, handler_fn *fn, const struct config *cfg,
	struct error *why)
{
	const struct state_event_key key = {ev->journal, ev->seq, state_mark(ev->source, ev->id)};
	enum verdict_kind kind;

	if (!is_new(state_event_begin(db, &key, clock_wall_ms(), why), &kind))
		return kind;
	kind = fn(db, ev, cfg, why);
	if (kind == DONE && state_event_keep(db, why))
		return DONE;
	state_event_undo(db);
	return kind == DONE ? RETRY : kind;
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
		const struct event *ev = &g->events[i];
		struct outcome *o = &g->outcomes[i++];

		hand_take(hand, ev->journal, ev->seq);
		o->kind = together ? apply_together(db, ev, fn, cfg, &o->why)
				   : apply_apart(db, ev, fn, cfg, &o->why);
		hand_put(hand);
		go_on = !state_lost(db) && !(together && o->kind != DONE);
	}
	hand_rest(hand);
	return i;
}

/* False with the cause when the last event that was tried has ended the transaction. */
static bool
still_open(const struct event_group *g, const struct state *db, size_t tried, struct error *why)
{
	const char *cause = g->outcomes[tried - 1].why.text;

	if (!state_lost(db))
		return true;
	return error_set(why, "%s", cause[0] ? cause : "the transaction was ended early");
}

static void
forget_outcomes(struct event_group *g)
{
	for (size_t i = 0; i < g->n; i++)
		g->outcomes[i] = (struct outcome){.kind = RETRY};
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
	if (g->apart == 0) {
		tried = apply_all(g, db, fn, cfg, hand, true);
		if (!still_open(g, db, tried, why))
			return false;
		if (g->outcomes[tried - 1].kind == DONE)
			return true;
		forget_outcomes(g);
		if (!state_restart(db, why))
			return false;
		g->apart = APART_GROUPS;
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
			*o = (struct outcome){RETRY, *cause, true};
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
