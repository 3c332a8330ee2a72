/* custodian - see custodian.h. Here: its life, and what comes in: verdicts, advice, their settling. */
#include "custodian_private.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum {
	REASONS_BYTES = 1 << 20,
	CHUNKS_MAX = 16384, /* 64 million events without an end; the rest waits in the journal */
	STRAYS_MS = 1000,
	LEASES_MAX = (CONFIG_HANDLERS_MAX + 1) * PACE_MOST,
};

static bool
make_parts(struct custodian *c)
{
	c->reasons = malloc(REASONS_BYTES);
	for (size_t t = 0; t < TAKERS; t++) {
		c->ledgers[t] = ledger_new(CHUNKS_MAX);
		c->leases[t] = leases_new(t == TAKER_HANDLER ? LEASES_MAX : 2 * PACE_MOST);
		if (!c->ledgers[t] || !c->leases[t])
			return false;
	}
	return c->reasons;
}

/* The words of verdicts, and what they ask for. */
static const struct {
	const char *word;
	enum journal_move move;
	bool free;
} verdicts[VERDICTS] = {
	{"done", MOVE_DONE, false},
	{"retry", MOVE_RETRY, false},
	{"later", MOVE_RETRY, true},
	{"dead", MOVE_DEAD, false},
};

/* The figures stand from the start. */
static void
open_figures(struct custodian *c)
{
	char labels[120];

	metric_open(c->metrics, METRIC_FAMILY_DURATION, "");
	metric_open(c->metrics, METRIC_FAMILY_GROUP, "stage=\"retrier\"");
	metric_open(c->metrics, METRIC_FAMILY_RESENT, "");
	if (c->owed & OWED_HISTORY) {
		metric_open(c->metrics, METRIC_FAMILY_HISTORY_MISSED, "");
		metric_open(c->metrics, METRIC_FAMILY_HISTORY_MISSED_AT, "");
	}
	for (size_t route = 0; route <= c->history; route++)
		for (size_t v = 0; v < VERDICTS; v++) {
			if (route == c->dlq || (route == c->history && !(c->owed & OWED_HISTORY)))
				continue;
			snprintf(labels, sizeof labels, "handler=\"%s\",verdict=\"%s\"",
				custodian_name(c, route), verdicts[v].word);
			c->told[route][v] = metric(c->metrics, METRIC_FAMILY_VERDICTS, labels);
		}
}

struct custodian *
custodian_new(const struct config *cfg, struct journal *journal, struct metrics *metrics,
	custodian_send *send, void *arg)
{
	struct custodian *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->cfg = cfg;
	c->journal = journal;
	c->metrics = metrics;
	c->send = send;
	c->send_arg = arg;
	c->owed = config_owed(cfg);
	c->dlq = cfg->handlers_count;
	c->history = c->dlq + 1;
	c->clock_offset_ms = (int64_t)(clock_wall_ms() - clock_mono_ms());
	msgpack_zone_init(&c->zone, 8192);
	for (size_t i = 0; i <= c->history; i++)
		pace_init(&c->paces[i]);
	if (!make_parts(c))
		custodian_destroy(&c);
	else
		open_figures(c);
	return c;
}

void
custodian_destroy(struct custodian **c)
{
	if (!*c)
		return;
	for (size_t t = 0; t < TAKERS; t++) {
		ledger_destroy(&(*c)->ledgers[t]);
		leases_destroy(&(*c)->leases[t]);
	}
	msgpack_zone_destroy(&(*c)->zone);
	free((*c)->reasons);
	free(*c);
	*c = NULL;
}

/* The clock of the schedule: wall clock at start, then monotonic. */
uint64_t
custodian_clock_ms(const struct custodian *c)
{
	return clock_mono_ms() + (uint64_t)c->clock_offset_ms;
}

/* ---- the ledgers, the leases and the paces, always together ---- */

uint8_t
custodian_known(const struct custodian *c, uint64_t delivery)
{
	return ledger_get(c->ledgers[delivery_taker(delivery)], delivery_seq(delivery));
}

bool
custodian_note(struct custodian *c, uint64_t delivery, uint8_t state)
{
	const uint64_t seq = delivery_seq(delivery);
	const unsigned taker = delivery_taker(delivery);
	const uint8_t was = ledger_get(c->ledgers[taker], seq);

	if (!ledger_set(c->ledgers[taker], seq, state))
		return false;
	if (was & LEDGER_OUT) {
		leases_end(c->leases[taker], seq);
		pace_ended(&c->paces[was & LEDGER_ROUTE]);
		if (c->alone[was & LEDGER_ROUTE] == delivery)
			c->alone[was & LEDGER_ROUTE] = 0;
	}
	if (state & LEDGER_OUT) {
		leases_begin(c->leases[taker], seq, clock_mono_ms());
		pace_sent(&c->paces[state & LEDGER_ROUTE]);
	}
	return true;
}

uint8_t
custodian_ready_on(size_t route)
{
	return (uint8_t)(LEDGER_READY | route);
}

/* The route of an event as it stands in the journal; a frame that cannot be read, or one that is
 * given up, goes to the dlq. */
size_t
custodian_route_of(struct custodian *c, const struct journal_event *ev)
{
	struct event frame;

	if (ev->tried && ev->last.dead)
		return c->dlq;
	msgpack_zone_clear(&c->zone);
	if (!frame_unpack(&event_schema, ev->frame.p, ev->frame.n, &c->zone, &frame, NULL))
		return c->dlq;
	return delivery_taker(ev->delivery) == TAKER_HISTORY ? c->history
							     : config_route(c->cfg, frame.type);
}

/* What an event must be in the ledger, by what the journal says of it. */
uint8_t
custodian_state_of(struct custodian *c, const struct journal_event *ev)
{
	return ev->tried && ev->last.due ? LEDGER_WAIT
					 : custodian_ready_on(custodian_route_of(c, ev));
}

/* ---- verdicts ---- */

static size_t
route_named(const struct custodian *c, struct slice name)
{
	static const char PREFIX[] = "handler-";

	if (slice_starts(name, PREFIX))
		name = (struct slice){name.p + sizeof PREFIX - 1, name.n - sizeof PREFIX + 1};
	for (size_t i = 0; i < c->cfg->handlers_count; i++)
		if (slice_is(name, c->cfg->handlers[i].name))
			return i;
	return slice_is(name, HISTORY_NAME) ? c->history : c->dlq;
}

const char *
custodian_name(const struct custodian *c, size_t route)
{
	return route < c->cfg->handlers_count ? c->cfg->handlers[route].name : HISTORY_NAME;
}

static enum taker
taker_on(const struct custodian *c, size_t route)
{
	return route == c->history ? TAKER_HISTORY : TAKER_HANDLER;
}

static struct slice
keep_text(struct custodian *c, struct slice text)
{
	char *at = c->reasons + c->reasons_used;

	memcpy(at, text.p, text.n);
	c->reasons_used += text.n;
	return (struct slice){at, text.n};
}

static bool
has_room(const struct custodian *c, const struct journal_change *change, struct seqs seqs)
{
	return c->changes_count + seqs.n <= CHANGES_MAX &&
	       c->reasons_used + change->reason.n + change->handler.n <= REASONS_BYTES;
}

/* A settling may leave some for the next one. */
static bool
make_room(struct custodian *c, const struct journal_change *change, struct seqs seqs)
{
	while (!has_room(c, change, seqs))
		if (!custodian_settle(c, NULL))
			return false;
	return true;
}

/* That history has an event is told by history; a line an event would say nothing more. */
bool
custodian_logs(const struct journal_change *change, enum journal_move as)
{
	return log_enabled(LEVEL_INFO) &&
	       !(as == MOVE_DONE && delivery_taker(change->delivery) == TAKER_HISTORY);
}

void
custodian_change(struct custodian *c, const struct journal_change *change, uint8_t said_by)
{
	c->said_by[c->changes_count] = said_by;
	c->changes[c->changes_count] = *change;
	c->changes[c->changes_count++].wants_id = custodian_logs(change, change->move);
}

/* The same change for each of the events, made with the next settling. taker: whose deliveries they
 * are, unless their numbers say so; route: who lives, for it has spoken; said_by: whose events alone
 * these may be, or ANYBODY. */
static void
plan(struct custodian *c, struct journal_change change, struct seqs seqs, enum taker taker,
	size_t route, uint8_t said_by)
{
	if (!make_room(c, &change, seqs))
		return;
	pace_alive(&c->paces[route]);
	c->answered_ms[route] = clock_wall_ms();
	change.reason = keep_text(c, change.reason);
	change.handler = keep_text(c, change.handler);
	for (size_t i = 0; i < seqs.n; i++) {
		change.delivery = delivery_of(seqs.list[i], taker);
		custodian_change(c, &change, said_by);
	}
}

static bool
move_of(struct slice verdict, struct journal_change *change)
{
	for (size_t v = 0; v < VERDICTS; v++) {
		if (!slice_is(verdict, verdicts[v].word))
			continue;
		change->move = verdicts[v].move;
		change->free = verdicts[v].free;
		return true;
	}
	return false;
}

/* One that took effect. */
static void
count_verdict(struct custodian *c, size_t change)
{
	const struct journal_change *is = &c->changes[change];
	const uint8_t route = c->said_by[change];

	if (!is->applied || route == ANYBODY)
		return;
	for (size_t v = 0; v < VERDICTS; v++)
		if (verdicts[v].move == is->move && verdicts[v].free == is->free &&
			c->told[route][v])
			++*c->told[route][v];
}

/* Is the frame about events of this journal, numbers of takers that there are, and no more than there
 * is room for? */
static bool
is_ours(const struct custodian *c, struct slice journal, struct seqs seqs, unsigned takers,
	struct error *why)
{
	if (!slice_eq(journal, journal_id(c->journal)))
		return error_set(why, "a frame for another journal, %.*s", SLICE_ARG(journal));
	for (size_t i = 0; i < seqs.n; i++)
		if (delivery_taker(seqs.list[i]) >= takers)
			return error_set(why, "no event has the number %llu",
				(unsigned long long)seqs.list[i]);
	return seqs.n <= CHANGES_MAX ||
	       error_set(why, "more than %d events in one frame", CHANGES_MAX);
}

bool
custodian_take(struct custodian *c, const struct verdict *v, struct error *why)
{
	struct journal_change change = {.reason = v->reason, .handler = v->handler};
	const size_t route = route_named(c, v->handler);

	if (!is_ours(c, v->journal, v->seqs, 1, why))
		return false;
	if (!move_of(v->verdict, &change))
		return error_set(why, "no verdict is called %.*s", SLICE_ARG(v->verdict));
	if (route == c->dlq)
		return error_set(
			why, "a verdict of %.*s, which is no handler here", SLICE_ARG(v->handler));
	plan(c, change, v->seqs, taker_on(c, route), route, (uint8_t)route);
	return true;
}

/* ---- advice ---- */

/* What is out goes back to its route; of what is on its first way, or was put back while it waited for
 * its time, the journal tells where it belongs. */
static void
take_back_one(struct custodian *c, uint64_t delivery)
{
	const uint8_t state = custodian_known(c, delivery);
	struct journal_event ev;

	if (state & LEDGER_OUT)
		custodian_note(c, delivery, custodian_ready_on(state & LEDGER_ROUTE));
	else if (!(state & LEDGER_READY) && journal_event_at(c->journal, delivery, &ev))
		custodian_note(c, delivery, custodian_state_of(c, &ev));
}

/* What a taker's route had no room for is that taker's; what a stage before the router tells of, no
 * taker has got. */
static void
take_back_all(struct custodian *c, const struct advice *advice, size_t route)
{
	for (size_t i = 0; i < advice->seqs.n; i++) {
		const uint64_t seq = delivery_seq(advice->seqs.list[i]);

		for (unsigned t = 0; t < TAKERS; t++)
			if ((c->owed & 1U << t) && (route == c->dlq || taker_on(c, route) == t))
				take_back_one(c, delivery_of(seq, t));
	}
}

/* Events that found no room: ready at once, but a route that refuses is left alone for a while. */
static bool
take_back(struct custodian *c, const struct advice *advice, struct error *why)
{
	const size_t route = route_named(c, advice->who);

	if (!journal_read_begin(c->journal, why))
		return false;
	take_back_all(c, advice, route);
	journal_read_end(c->journal);
	if (route != c->dlq)
		pace_refused(&c->paces[route], clock_mono_ms());
	return true;
}

static void
end(struct custodian *c, const struct advice *advice, enum journal_move move, size_t route)
{
	const struct journal_change change = {.move = move,
		.failed_ms = advice->failed_at,
		.reason = slice_of(""),
		.handler = advice->who};

	plan(c, change, advice->seqs, taker_on(c, route), route, ANYBODY);
}

bool
custodian_told(struct custodian *c, const struct advice *advice, struct error *why)
{
	const size_t route = route_named(c, advice->who);

	if (!is_ours(c, advice->journal, advice->seqs, TAKERS, why))
		return false;
	if (slice_is(advice->advice, "returned"))
		return take_back(c, advice, why);
	if (slice_is(advice->advice, "gone"))
		c->gone_ms[route] = clock_mono_ms();
	else if (slice_is(advice->advice, "done"))
		end(c, advice, MOVE_DONE, route);
	else if (slice_is(advice->advice, "buried"))
		end(c, advice, MOVE_BURIED, c->dlq);
	else
		return error_set(why, "no advice is called %.*s", SLICE_ARG(advice->advice));
	return true;
}

/* ---- settling ---- */

static uint64_t
random_bits(void)
{
	uint64_t bits = 0;

	RAND_bytes((unsigned char *)&bits, sizeof bits);
	return bits;
}

/* When the event is tried again, by its type's rule and the tries it has had. */
static void
plan_retry(struct custodian *c, struct journal_change *change)
{
	const struct config_retry *rule = &c->cfg->retry;
	struct journal_event ev;
	struct event frame;
	uint64_t attempts = 1;

	if (journal_event_at(c->journal, change->delivery, &ev)) {
		msgpack_zone_clear(&c->zone);
		if (ev.tried)
			attempts += ev.last.attempts;
		if (delivery_taker(change->delivery) == TAKER_HANDLER &&
			frame_unpack(&event_schema, ev.frame.p, ev.frame.n, &c->zone, &frame, NULL))
			rule = config_retry_of(c->cfg, frame.type);
	}
	change->attempts_max = rule->attempts;
	change->due_ms = custodian_clock_ms(c) + backoff_ms(rule, attempts, random_bits());
}

/* Is the event owed to whoever says this of it? What is out went to one route; of what is on its
 * first way the journal tells. What has its end already, or is given up, no verdict moves: then it comes
 * late, which is no fault of who says it. */
static bool
is_owed(struct custodian *c, uint64_t delivery, uint8_t said_by)
{
	const uint8_t state = custodian_known(c, delivery);
	struct journal_event ev;
	struct slice type;

	if (said_by == ANYBODY || said_by == c->history)
		return true;
	if ((state & LEDGER_OUT) && (state & LEDGER_ROUTE) != c->dlq)
		return (state & LEDGER_ROUTE) == said_by;
	return !journal_event_at(c->journal, delivery, &ev) || (ev.tried && ev.last.dead) ||
	       (frame_text(ev.frame.p, ev.frame.n, "type", &type) &&
		       config_route(c->cfg, type) == said_by);
}

/* Drops verdicts of those whom the event is not owed to: they would end another's work undone. */
static void
drop_strays(struct custodian *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->changes_count; i++) {
		if (!is_owed(c, c->changes[i].delivery, c->said_by[i])) {
			c->strays++;
			continue;
		}
		c->said_by[n] = c->said_by[i];
		c->changes[n++] = c->changes[i];
	}
	c->changes_count = n;
}

/* A second apart at most: whoever says one may say thousands. */
static void
tell_strays(struct custodian *c)
{
	const uint64_t now_ms = clock_mono_ms();

	if (c->strays == 0 || now_ms < c->strays_told + STRAYS_MS)
		return;
	log_warn("verdicts refused", LF_UINT("events", c->strays),
		LF_TEXT("cause", "events of another handler's types"));
	c->strays = 0;
	c->strays_told = now_ms;
}

/* What must be known of the events before they are settled. */
static bool
look_up(struct custodian *c, struct error *why)
{
	if (!journal_read_begin(c->journal, why))
		return false;
	drop_strays(c);
	for (size_t i = 0; i < c->changes_count; i++)
		if (c->changes[i].move == MOVE_RETRY)
			plan_retry(c, &c->changes[i]);
	journal_read_end(c->journal);
	tell_strays(c);
	return true;
}

static void
settled_one(struct custodian *c, const struct journal_change *change)
{
	uint8_t state = LEDGER_NONE;

	if (change->applied && change->applied_as == MOVE_LOST)
		return; /* it is ready already */
	if (!change->applied && change->received_ms != 0)
		return; /* the event is there, but in a state that this move does not leave */
	if (change->applied && change->applied_as == MOVE_RETRY)
		state = LEDGER_WAIT;
	else if (change->applied && change->applied_as == MOVE_DEAD)
		state = custodian_ready_on(c->dlq);
	if (change->applied_as == MOVE_DONE && change->applied &&
		delivery_taker(change->delivery) == TAKER_HANDLER)
		metric_observe(c->metrics, METRIC_FAMILY_DURATION, "",
			(double)(int64_t)(clock_wall_ms() - change->received_ms) / 1e3);
	custodian_note(c, change->delivery, state);
}

void
custodian_log(const struct journal_change *change)
{
	static const char *const names[] = {"done", "retry", "dead", "buried", "due", "lost"};
	const bool lost = change->applied_as == MOVE_LOST; /* the reason is that of the last time */

	if (change->applied && custodian_logs(change, change->applied_as))
		log_info(names[change->applied_as], LF_UINT("seq", delivery_seq(change->delivery)),
			LF_SLICE("id", change->id), LF_UINT("attempts", change->attempts),
			LF_SLICE("reason",
				lost ? slice_of("its handler went away") : change->reason),
			LF_SLICE("handler", change->handler));
}

/* Drops all but what ends events. */
static void
keep_ends(struct custodian *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->changes_count; i++)
		if (c->changes[i].move == MOVE_DONE || c->changes[i].move == MOVE_BURIED) {
			c->said_by[n] = c->said_by[i];
			c->changes[n++] = c->changes[i];
		}
	c->changes_count = n;
}

/* In a full journal a few ends find room where many do not. How many were settled. */
static size_t
settle_some(struct custodian *c, enum store_rc *rc, struct error *why)
{
	size_t n = c->changes_count;

	*rc = journal_settle(c->journal, c->changes, n, why);
	if (*rc != STORE_FULL)
		return n;
	keep_ends(c);
	n = c->changes_count;
	*rc = journal_settle(c->journal, c->changes, n, why);
	while (*rc == STORE_FULL && n > 1) {
		n /= 2;
		*rc = journal_settle(c->journal, c->changes, n, why);
	}
	return n;
}

/* The first n are behind us; of the others the texts stay where they are. */
static void
drop_first(struct custodian *c, size_t n)
{
	c->changes_count -= n;
	memmove(c->changes, c->changes + n, c->changes_count * sizeof *c->changes);
	memmove(c->said_by, c->said_by + n, c->changes_count * sizeof *c->said_by);
	if (c->changes_count == 0)
		c->reasons_used = 0;
}

bool
custodian_settle(struct custodian *c, struct error *why)
{
	enum store_rc rc;
	size_t n;

	if (c->changes_count == 0) {
		c->reasons_used = 0;
		return true;
	}
	if (!look_up(c, why))
		return false;
	n = settle_some(c, &rc, why);
	if (rc != STORE_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		settled_one(c, &c->changes[i]);
		count_verdict(c, i);
		custodian_log(&c->changes[i]);
	}
	metric_observe(c->metrics, METRIC_FAMILY_GROUP, "stage=\"retrier\"", (double)n);
	drop_first(c, n);
	return true;
}
