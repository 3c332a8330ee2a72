/* custodian - see custodian.h. */
#include "custodian.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "backoff.h"
#include "leases.h"
#include "ledger.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "pace.h"

enum {
	CHANGES_MAX = EVENTS_PER_VERDICT,
	REASONS_BYTES = 1 << 20,
	CHUNKS_MAX = 16384, /* 64 million events without an end; the rest waits in the journal */
	LEASES_MAX = (CONFIG_HANDLERS_MAX + 1) * PACE_MOST,
	SAMPLES = 32,
	SCAN_PER_TICK = 4096,
	FIRE_PER_TICK = 256,
	RESCAN_MS = 60000,
	LOST_MAX = 3, /* handlers that may go away with an event before it is given up */
};

/* The newest number in the journal at a time: all up to it were accepted before. */
struct sample {
	uint64_t at_ms, last_seq;
};

struct custodian {
	const struct config *cfg;
	struct journal *journal;
	struct metrics *metrics;
	custodian_send *send;
	void *send_arg;
	struct ledger *ledger;
	struct leases *leases;                      /* of what the ledger says is out */
	struct pace paces[CONFIG_HANDLERS_MAX + 1]; /* the last one is the dlq's */
	uint64_t gone_ms[CONFIG_HANDLERS_MAX + 1];  /* monotonic: when a handler last went away */
	uint64_t alone[CONFIG_HANDLERS_MAX + 1];    /* the suspect that is out, or 0 */
	uint64_t answered_ms[CONFIG_HANDLERS_MAX + 1]; /* wall clock: the last verdict */
	int64_t clock_offset_ms; /* wall minus monotonic clock at start: jumps are not followed */
	size_t dlq;
	struct journal_change changes[CHANGES_MAX];
	size_t changes_count;
	char *reasons; /* texts of `changes` */
	size_t reasons_used;
	struct sample samples[SAMPLES];
	size_t samples_count;
	uint64_t scanned; /* all up to here are in the ledger or have had their lease */
	uint64_t scan_began_ms;
	uint64_t horizon; /* all up to here have lost the lease of their first delivery */
	msgpack_zone zone;
};

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
	c->dlq = cfg->handlers_count;
	c->clock_offset_ms = (int64_t)(clock_wall_ms() - clock_mono_ms());
	c->ledger = ledger_new(CHUNKS_MAX);
	c->reasons = malloc(REASONS_BYTES);
	c->leases = leases_new(LEASES_MAX);
	msgpack_zone_init(&c->zone, 8192);
	for (size_t i = 0; i <= c->dlq; i++)
		pace_init(&c->paces[i]);
	if (!c->ledger || !c->reasons || !c->leases)
		custodian_destroy(&c);
	return c;
}

void
custodian_destroy(struct custodian **c)
{
	if (!*c)
		return;
	ledger_destroy(&(*c)->ledger);
	leases_destroy(&(*c)->leases);
	msgpack_zone_destroy(&(*c)->zone);
	free((*c)->reasons);
	free(*c);
	*c = NULL;
}

/* The clock of the schedule: wall clock at start, then monotonic. */
static uint64_t
schedule_ms(const struct custodian *c)
{
	return clock_mono_ms() + (uint64_t)c->clock_offset_ms;
}

/* ---- the ledger, the leases and the paces, always together ---- */

static bool
note(struct custodian *c, uint64_t seq, uint8_t state)
{
	const uint8_t was = ledger_get(c->ledger, seq);

	if (!ledger_set(c->ledger, seq, state))
		return false;
	if (was & LEDGER_OUT) {
		leases_end(c->leases, seq);
		pace_ended(&c->paces[was & LEDGER_ROUTE]);
		if (c->alone[was & LEDGER_ROUTE] == seq)
			c->alone[was & LEDGER_ROUTE] = 0;
	}
	if (state & LEDGER_OUT) {
		leases_begin(c->leases, seq, clock_mono_ms());
		pace_sent(&c->paces[state & LEDGER_ROUTE]);
	}
	return true;
}

static uint8_t
ready_on(size_t route)
{
	return (uint8_t)(LEDGER_READY | route);
}

/* The route of an event as it stands in the journal; a frame that cannot be read, or one that is
 * given up, goes to the dlq. */
static size_t
route_of(struct custodian *c, const struct journal_event *ev)
{
	struct event frame;

	if (ev->tried && ev->last.dead)
		return c->dlq;
	msgpack_zone_clear(&c->zone);
	if (!frame_unpack(&event_schema, ev->frame.p, ev->frame.n, &c->zone, &frame, NULL))
		return c->dlq;
	return config_route(c->cfg, frame.type);
}

/* What an event must be in the ledger, by what the journal says of it. */
static uint8_t
state_of(struct custodian *c, const struct journal_event *ev)
{
	return ev->tried && ev->last.due ? LEDGER_WAIT : ready_on(route_of(c, ev));
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
	return c->dlq;
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

/* The same change for each of the events, made with the next settling. */
static void
plan(struct custodian *c, struct journal_change change, struct seqs seqs, size_t route)
{
	if (!has_room(c, &change, seqs) && !custodian_settle(c, NULL))
		return;
	pace_alive(&c->paces[route]);
	c->answered_ms[route] = clock_wall_ms();
	change.reason = keep_text(c, change.reason);
	change.handler = keep_text(c, change.handler);
	for (size_t i = 0; i < seqs.n; i++) {
		change.seq = seqs.list[i];
		c->changes[c->changes_count++] = change;
	}
}

static bool
move_of(struct slice verdict, struct journal_change *change)
{
	static const struct {
		const char *name;
		enum journal_move move;
		bool free;
	} moves[] = {
		{"done", MOVE_DONE, false},
		{"retry", MOVE_RETRY, false},
		{"later", MOVE_RETRY, true},
		{"dead", MOVE_DEAD, false},
	};

	for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
		if (!slice_is(verdict, moves[i].name))
			continue;
		change->move = moves[i].move;
		change->free = moves[i].free;
		return true;
	}
	return false;
}

/* Is the frame about events of this journal, and no more than there is room for? */
static bool
is_ours(const struct custodian *c, struct slice journal, struct seqs seqs, struct error *why)
{
	if (!slice_eq(journal, journal_id(c->journal)))
		return error_set(why, "a frame for another journal, %.*s", SLICE_ARG(journal));
	return seqs.n <= CHANGES_MAX ||
	       error_set(why, "more than %d events in one frame", CHANGES_MAX);
}

bool
custodian_take(struct custodian *c, const struct verdict *v, struct error *why)
{
	struct journal_change change = {.reason = v->reason, .handler = v->handler};

	if (!is_ours(c, v->journal, v->seqs, why))
		return false;
	if (!move_of(v->verdict, &change))
		return error_set(why, "no verdict is called %.*s", SLICE_ARG(v->verdict));
	plan(c, change, v->seqs, route_named(c, v->handler));
	return true;
}

/* ---- advice ---- */

/* What is out goes back to its route; of what is on its first way the journal tells where it
 * belongs.
 */
static void
take_back_one(struct custodian *c, uint64_t seq)
{
	const uint8_t state = ledger_get(c->ledger, seq);
	struct journal_event ev;

	if (state & LEDGER_OUT)
		note(c, seq, ready_on(state & LEDGER_ROUTE));
	else if (state == LEDGER_NONE && journal_event_at(c->journal, seq, &ev))
		note(c, seq, state_of(c, &ev));
}

/* Events that found no room: ready at once, but a route that refuses is left alone for a while. */
static bool
take_back(struct custodian *c, const struct advice *advice, struct error *why)
{
	const size_t route = route_named(c, advice->who);

	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t i = 0; i < advice->seqs.n; i++)
		take_back_one(c, advice->seqs.list[i]);
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

	plan(c, change, advice->seqs, route);
}

bool
custodian_told(struct custodian *c, const struct advice *advice, struct error *why)
{
	const size_t route = route_named(c, advice->who);

	if (!is_ours(c, advice->journal, advice->seqs, why))
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

	if (journal_event_at(c->journal, change->seq, &ev)) {
		msgpack_zone_clear(&c->zone);
		if (ev.tried)
			attempts += ev.last.attempts;
		if (frame_unpack(&event_schema, ev.frame.p, ev.frame.n, &c->zone, &frame, NULL))
			rule = config_retry_of(c->cfg, frame.type);
	}
	change->attempts_max = rule->attempts;
	change->due_ms = schedule_ms(c) + backoff_ms(rule, attempts, random_bits());
}

static bool
plan_retries(struct custodian *c, struct error *why)
{
	bool any = false;

	for (size_t i = 0; i < c->changes_count; i++)
		any |= c->changes[i].move == MOVE_RETRY;
	if (!any)
		return true;
	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t i = 0; i < c->changes_count; i++)
		if (c->changes[i].move == MOVE_RETRY)
			plan_retry(c, &c->changes[i]);
	journal_read_end(c->journal);
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
		state = ready_on(c->dlq);
	if (change->applied_as == MOVE_DONE && change->applied)
		metric_observe(c->metrics, METRIC_FAMILY_DURATION, "",
			(double)(int64_t)(clock_wall_ms() - change->received_ms) / 1e3);
	note(c, change->seq, state);
}

static void
log_settled(const struct journal_change *change)
{
	static const char *const names[] = {"done", "retry", "dead", "buried", "due", "lost"};
	const bool lost = change->applied_as == MOVE_LOST; /* the reason is that of the last time */

	if (change->applied)
		log_info(names[change->applied_as], LF_UINT("seq", change->seq),
			LF_UINT("attempts", change->attempts),
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
		if (c->changes[i].move == MOVE_DONE || c->changes[i].move == MOVE_BURIED)
			c->changes[n++] = c->changes[i];
	c->changes_count = n;
}

bool
custodian_settle(struct custodian *c, struct error *why)
{
	enum store_rc rc;

	if (c->changes_count == 0)
		return true;
	if (!plan_retries(c, why))
		return false;
	rc = journal_settle(c->journal, c->changes, c->changes_count, why);
	if (rc == STORE_FULL) {
		keep_ends(c);
		rc = journal_settle(c->journal, c->changes, c->changes_count, why);
	}
	if (rc != STORE_OK)
		return false;
	for (size_t i = 0; i < c->changes_count; i++) {
		settled_one(c, &c->changes[i]);
		log_settled(&c->changes[i]);
	}
	metric_observe(
		c->metrics, METRIC_FAMILY_GROUP, "stage=\"retrier\"", (double)c->changes_count);
	c->changes_count = 0;
	c->reasons_used = 0;
	return true;
}

/* ---- what must be sent ---- */

/* An event whose handler went away while it may have had it: the handler's end is counted against
 * it, and from then on it is sent alone, so that one that kills its handler takes no others along.
 */
static void
suspect(struct custodian *c, uint64_t seq, size_t route)
{
	static const char REASON[] = "its handler went away three times while it had this event";

	if (c->changes_count == CHANGES_MAX)
		return;
	c->changes[c->changes_count++] = (struct journal_change){
		.seq = seq,
		.move = MOVE_LOST,
		.attempts_max = LOST_MAX,
		.reason = {REASON, sizeof REASON - 1},
		.handler = slice_of(c->cfg->handlers[route].name),
	};
}

/* A handler of the route has gone since then. */
static bool
gone_since(const struct custodian *c, size_t route, uint64_t at_ms)
{
	return route != c->dlq && c->gone_ms[route] != 0 && c->gone_ms[route] >= at_ms;
}

/* Takes into the ledger what has no end though its first delivery's lease is over. */
static void
scan(struct custodian *c)
{
	const uint64_t now_ms = clock_mono_ms(), lease_ms = c->cfg->journal.lease_ms;
	const uint64_t first_sent_ms = now_ms > 2 * lease_ms ? now_ms - 2 * lease_ms : 0;
	struct journal_event ev;

	for (int n = 0; n < SCAN_PER_TICK && c->scanned < c->horizon; n++) {
		uint8_t state;

		if (!journal_event_from(c->journal, c->scanned + 1, &ev) || ev.seq > c->horizon) {
			c->scanned = c->horizon;
			return;
		}
		c->scanned = ev.seq;
		if (ledger_get(c->ledger, ev.seq) != LEDGER_NONE)
			continue;
		state = state_of(c, &ev);
		if (!note(c, ev.seq, state)) {
			c->scanned = ev.seq - 1;
			return;
		}
		if ((state & LEDGER_READY) && gone_since(c, state & LEDGER_ROUTE, first_sent_ms))
			suspect(c, ev.seq, state & LEDGER_ROUTE);
	}
}

static void
expire(struct custodian *c, uint64_t now_ms)
{
	uint64_t seq, since_ms;

	while (leases_oldest(c->leases, &seq, &since_ms) &&
		now_ms - since_ms >= c->cfg->journal.lease_ms) {
		const size_t route = ledger_get(c->ledger, seq) & LEDGER_ROUTE;

		note(c, seq, ready_on(route));
		if (gone_since(c, route, since_ms))
			suspect(c, seq, route);
	}
}

/* An event that nobody can read is given up like any other before it goes to the dlq: a burial
 * takes away only what is dead. */
static void
give_up_unreadable(struct custodian *c, uint64_t seq)
{
	if (c->changes_count < CHANGES_MAX)
		c->changes[c->changes_count++] = (struct journal_change){
			.seq = seq,
			.move = MOVE_DEAD,
			.reason = slice_of("the event frame cannot be read"),
			.handler = slice_of("retrier"),
		};
}

/* False: no more on this route for now. The journal has the last word on where the event goes: it
 * may have got an end, or been put back by an operator. */
static bool
send_one(struct custodian *c, uint64_t seq, size_t route)
{
	struct journal_event ev;
	bool by_itself;
	uint8_t state;

	state = journal_event_at(c->journal, seq, &ev) ? state_of(c, &ev) : LEDGER_NONE;
	if (state != ready_on(route)) {
		note(c, seq, state);
		return true;
	}
	if (route == c->dlq && !(ev.tried && ev.last.dead)) {
		give_up_unreadable(c, seq);
		return false;
	}
	by_itself = route != c->dlq && ev.tried && ev.last.lost > 0;
	if (by_itself && c->paces[route].out > 0)
		return false;
	if (!c->send(c->send_arg, route, &ev))
		return false;
	if (by_itself)
		c->alone[route] = seq;
	note(c, seq, (uint8_t)(LEDGER_OUT | route));
	++*metric(c->metrics, METRIC_FAMILY_RESENT, "");
	return true;
}

static void
send_ready(struct custodian *c, size_t route, uint64_t now_ms)
{
	uint64_t room = pace_room(&c->paces[route], now_ms);

	while (room-- > 0 && !leases_full(c->leases) && !c->alone[route]) {
		const uint64_t seq = ledger_first(c->ledger, ready_on(route));

		if (!seq || !send_one(c, seq, route))
			return;
	}
}

/* Scheduled events whose time has come become ready, in one transaction. */
static bool
fire(struct custodian *c, struct error *why)
{
	struct journal_change changes[FIRE_PER_TICK] = {{0}};
	const uint64_t now_ms = schedule_ms(c);
	uint64_t seqs[FIRE_PER_TICK];
	size_t n;

	if (!journal_read_begin(c->journal, why))
		return false;
	n = journal_due(c->journal, now_ms, seqs, FIRE_PER_TICK);
	if (n == 0)
		n = journal_due_after(
			c->journal, now_ms + backoff_longest_ms(c->cfg), seqs, FIRE_PER_TICK);
	journal_read_end(c->journal);
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct journal_change){.seq = seqs[i], .move = MOVE_FIRE};
	if (journal_settle(c->journal, changes, n, why) != STORE_OK)
		return false;
	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct journal_event ev;

		if (journal_event_at(c->journal, seqs[i], &ev))
			note(c, seqs[i], ready_on(route_of(c, &ev)));
		log_settled(&changes[i]);
	}
	journal_read_end(c->journal);
	return true;
}

/* A full journal must not keep events from being sent: their ends make room. */
bool
custodian_tick(struct custodian *c, struct error *why)
{
	const uint64_t now_ms = clock_mono_ms();
	bool good;

	expire(c, now_ms);
	good = fire(c, why);
	if (!journal_read_begin(c->journal, why))
		return false;
	scan(c);
	journal_read_end(c->journal);
	return custodian_settle(c, why) && good;
}

static bool
may_send(const struct custodian *c, size_t route, uint64_t now_ms)
{
	return ledger_count(c->ledger, ready_on(route)) > 0 &&
	       pace_room(&c->paces[route], now_ms) > 0;
}

bool
custodian_deliver(struct custodian *c, struct error *why)
{
	const uint64_t now_ms = clock_mono_ms();
	bool any = false;

	for (size_t route = 0; route <= c->dlq; route++)
		any |= may_send(c, route, now_ms);
	if (!any)
		return true;
	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t route = 0; route <= c->dlq; route++)
		send_ready(c, route, now_ms);
	journal_read_end(c->journal);
	return true;
}

void
custodian_give_back(struct custodian *c, const uint64_t *seqs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t state = ledger_get(c->ledger, seqs[i]);

		if (state & LEDGER_OUT)
			note(c, seqs[i], ready_on(state & LEDGER_ROUTE));
	}
}

/* ---- once a second ---- */

/* From time to time the whole journal is looked through again: whatever the ledger has missed is
 * found, late but surely. */
static void
begin_scan(struct custodian *c)
{
	const uint64_t now_ms = clock_mono_ms();

	if (c->scanned < c->horizon || now_ms - c->scan_began_ms < RESCAN_MS)
		return;
	c->scan_began_ms = now_ms;
	c->scanned = 0;
}

/* Remembers the newest number, and moves the horizon to the one of a lease ago. The first sample is
 * the horizon at once: at start nothing is known to be on its way. */
static void
sample(struct custodian *c, uint64_t last_seq)
{
	const uint64_t now_ms = clock_mono_ms(), lease_ms = c->cfg->journal.lease_ms;
	size_t old = 0;

	if (c->samples_count == 0)
		c->horizon = last_seq;
	while (old < c->samples_count && now_ms - c->samples[old].at_ms >= lease_ms)
		if (c->samples[old++].last_seq > c->horizon)
			c->horizon = c->samples[old - 1].last_seq;
	memmove(c->samples, c->samples + old, (c->samples_count - old) * sizeof *c->samples);
	c->samples_count -= old;
	if (c->samples_count == 0 ||
		(c->samples_count < SAMPLES && now_ms - c->samples[c->samples_count - 1].at_ms >=
						       lease_ms / (SAMPLES / 2)))
		c->samples[c->samples_count++] = (struct sample){now_ms, last_seq};
}

/* What waits for each handler, and when it last gave a sign. */
static void
publish_routes(struct custodian *c)
{
	char labels[80];

	for (size_t i = 0; i < c->cfg->handlers_count; i++) {
		snprintf(labels, sizeof labels, "handler=\"%s\"", c->cfg->handlers[i].name);
		*metric(c->metrics, METRIC_FAMILY_WAITING, labels) =
			(double)(ledger_count(c->ledger, ready_on(i)) +
				 ledger_count(c->ledger, (uint8_t)(LEDGER_OUT | i)));
		*metric(c->metrics, METRIC_FAMILY_ANSWERED, labels) =
			(double)c->answered_ms[i] / 1e3;
	}
}

static void
publish(struct custodian *c, const struct journal_stat *st)
{
	const uint64_t now_ms = clock_wall_ms(), oldest = st->oldest_received_ms;
	struct metrics *m = c->metrics;

	*metric(m, METRIC_FAMILY_QUEUE, "") = (double)st->events;
	*metric(m, METRIC_FAMILY_SCHEDULED, "") = (double)st->scheduled;
	*metric(m, METRIC_FAMILY_REMEMBERED, "") = (double)st->remembered;
	*metric(m, METRIC_FAMILY_JOURNAL_BYTES, "") = (double)st->used_bytes;
	*metric(m, METRIC_FAMILY_JOURNAL_LIMIT, "") = (double)st->limit_bytes;
	*metric(m, METRIC_FAMILY_OLDEST, "") =
		oldest && oldest < now_ms ? (double)(now_ms - oldest) / 1e3 : 0;
	publish_routes(c);
}

bool
custodian_survey(struct custodian *c, struct error *why)
{
	struct journal_stat st;

	journal_tidy(c->journal);
	if (!journal_read_begin(c->journal, why))
		return false;
	journal_stat(c->journal, &st);
	journal_read_end(c->journal);
	sample(c, st.last_seq);
	begin_scan(c);
	publish(c, &st);
	return true;
}
