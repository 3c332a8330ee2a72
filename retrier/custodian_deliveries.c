/* custodian_deliveries - what goes out, and when; see custodian.h. */
#include <stdio.h>

#include "backoff.h"
#include "custodian_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

enum {
	SCAN_PER_TICK = 4096,
	FIRE_PER_TICK = 256,
	RESCAN_MS = 60000,
	LET_GO_PER_TICK = 4096,
	MISSED_MS = 10000,
	LOST_MAX = 3, /* handlers that may go away with an event before it is given up */
};

/* An event whose handler went away while it may have had it: the handler's end is counted against
 * it, and from then on it is sent alone, so that one that kills its handler takes no others along.
 */
static void
suspect(struct custodian *c, uint64_t delivery, size_t route)
{
	static const char REASON[] = "its handler went away three times while it had this event";

	if (c->changes_count == CHANGES_MAX)
		return;
	custodian_change(c,
		&(struct journal_change){
			.delivery = delivery,
			.move = MOVE_LOST,
			.attempts_max = LOST_MAX,
			.reason = {REASON, sizeof REASON - 1},
			.handler = slice_of(custodian_name(c, route)),
		},
		ANYBODY);
}

/* A handler of the route has gone since then. */
static bool
gone_since(const struct custodian *c, size_t route, uint64_t at_ms)
{
	return route != c->dlq && c->gone_ms[route] != 0 && c->gone_ms[route] >= at_ms;
}

static uint64_t
scan_end(const struct custodian *c)
{
	return c->strewn > c->horizon ? c->strewn : c->horizon;
}

/* Takes into the taker's ledger what it has not settled though its first delivery's lease is over, or that
 * may have gone with a router; of the latter it is not known that a handler had it. */
static void
scan(struct custodian *c, enum taker taker)
{
	const uint64_t now_ms = clock_mono_ms(), lease_ms = c->cfg->journal.lease_ms;
	const uint64_t first_sent_ms = now_ms > 2 * lease_ms ? now_ms - 2 * lease_ms : 0;
	const uint64_t end = scan_end(c);
	uint64_t *scanned = &c->scanned[taker];
	struct journal_event ev;

	for (int n = 0; n < SCAN_PER_TICK && *scanned < end; n++) {
		uint8_t state;

		if (!journal_event_from(c->journal, delivery_of(*scanned + 1, taker), &ev) ||
			ev.seq > end) {
			*scanned = end;
			return;
		}
		*scanned = ev.seq;
		if (ev.settled || custodian_known(c, ev.delivery) != LEDGER_NONE)
			continue;
		state = custodian_state_of(c, &ev);
		if (!custodian_note(c, ev.delivery, state)) {
			*scanned = ev.seq - 1;
			return;
		}
		if ((state & LEDGER_READY) && ev.seq <= c->horizon &&
			gone_since(c, state & LEDGER_ROUTE, first_sent_ms))
			suspect(c, ev.delivery, state & LEDGER_ROUTE);
	}
}

static void
expire(struct custodian *c, enum taker taker, uint64_t now_ms)
{
	uint64_t seq, since_ms;

	while (leases_oldest(c->leases[taker], &seq, &since_ms) &&
		now_ms - since_ms >= c->cfg->journal.lease_ms) {
		const uint64_t delivery = delivery_of(seq, taker);
		const size_t route = custodian_known(c, delivery) & LEDGER_ROUTE;

		custodian_note(c, delivery, custodian_ready_on(route));
		if (gone_since(c, route, since_ms))
			suspect(c, delivery, route);
	}
}

/* An event that nobody can read is given up like any other before it goes to the dlq: a burial
 * takes away only what is dead. Its handler's letter is enough; history has nothing to keep. */
static void
give_up_unreadable(struct custodian *c, uint64_t delivery)
{
	const bool history = delivery_taker(delivery) == TAKER_HISTORY;

	if (c->changes_count < CHANGES_MAX)
		custodian_change(c,
			&(struct journal_change){
				.delivery = delivery,
				.move = history ? MOVE_DONE : MOVE_DEAD,
				.reason = slice_of("the event frame cannot be read"),
				.handler = slice_of("retrier"),
			},
			ANYBODY);
}

/* False: no more on this route for now. The journal has the last word on where the event goes: it
 * may have got an end, or been put back by an operator. */
static bool
send_one(struct custodian *c, uint64_t delivery, size_t route)
{
	struct journal_event ev;
	bool by_itself;
	uint8_t state;

	state = journal_event_at(c->journal, delivery, &ev) ? custodian_state_of(c, &ev)
							    : LEDGER_NONE;
	if (state != custodian_ready_on(route)) {
		custodian_note(c, delivery, state);
		return true;
	}
	if (route == c->dlq && !(ev.tried && ev.last.dead)) {
		give_up_unreadable(c, delivery);
		return false;
	}
	by_itself = route != c->dlq && ev.tried && ev.last.lost > 0;
	if (by_itself && c->paces[route].out > 0)
		return false;
	if (!c->send(c->send_arg, route, &ev))
		return false;
	if (by_itself)
		c->alone[route] = delivery;
	custodian_note(c, delivery, (uint8_t)(LEDGER_OUT | route));
	++*metric(c->metrics, METRIC_FAMILY_RESENT, "");
	return true;
}

static void
send_ready(struct custodian *c, enum taker taker, size_t route, uint64_t now_ms)
{
	uint64_t room = pace_room(&c->paces[route], now_ms);

	while (room-- > 0 && !leases_full(c->leases[taker]) && !c->alone[route]) {
		const uint64_t seq = ledger_first(c->ledgers[taker], custodian_ready_on(route));

		if (!seq || !send_one(c, delivery_of(seq, taker), route))
			return;
	}
}

/* Scheduled events whose time has come become ready, in one transaction. */
static bool
fire(struct custodian *c, enum taker taker, struct error *why)
{
	struct journal_change changes[FIRE_PER_TICK] = {{0}};
	const uint64_t now_ms = custodian_clock_ms(c);
	uint64_t due[FIRE_PER_TICK];
	size_t n;

	if (!journal_read_begin(c->journal, why))
		return false;
	n = journal_due(c->journal, taker, now_ms, due, FIRE_PER_TICK);
	if (n == 0)
		n = journal_due_after(
			c->journal, taker, now_ms + backoff_longest_ms(c->cfg), due, FIRE_PER_TICK);
	journal_read_end(c->journal);
	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct journal_change){
			.delivery = due[i], .move = MOVE_FIRE, .wants_id = log_enabled(LEVEL_INFO)};
	if (journal_settle(c->journal, changes, n, why) != STORE_OK)
		return false;
	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t i = 0; i < n; i++) {
		struct journal_event ev;

		if (journal_event_at(c->journal, due[i], &ev))
			custodian_note(c, due[i], custodian_ready_on(custodian_route_of(c, &ev)));
		custodian_log(&changes[i]);
	}
	journal_read_end(c->journal);
	return true;
}

/* ---- what history must let go of ---- */

/* Nothing new is refused because of history, unless it is required: past four fifths of the journal it
 * loses the oldest that are there for its sake, where these are what fills it (the ids that are remembered may, too). How many that takes, if all
 * events are about alike. */
static uint64_t
excess(const struct custodian *c, const struct journal_stat *st)
{
	const double most = 0.8 * (double)st->limit_bytes, used = (double)st->used_bytes;
	const uint64_t all = st->alone + st->owed[TAKER_HANDLER];
	const double each = all > 0 ? (double)st->event_bytes / (double)all : 0;
	double n;

	if (!(c->owed & OWED_HISTORY) || c->cfg->history.required || used <= most ||
		st->alone < all / 8 || each * (double)st->alone < (double)st->limit_bytes / 8)
		return 0;
	n = (used - most) / each + 1;
	return n < (double)st->alone ? (uint64_t)n : st->alone;
}

static void
tell_missed(struct custodian *c)
{
	const uint64_t now_ms = clock_mono_ms();

	if (c->missed == 0 || (c->missed_told_ms && now_ms < c->missed_told_ms + MISSED_MS))
		return;
	log_warn("history missed events", LF_UINT("events", c->missed),
		LF_TEXT("cause", "it is away or late, and the journal is full to four fifths"),
		LF_TEXT("do", "bring history back, or raise journal.max_size"));
	c->missed = 0;
	c->missed_told_ms = now_ms;
}

static bool
let_go(struct custodian *c, struct error *why)
{
	uint64_t seqs[LET_GO_PER_TICK];
	const size_t most = c->excess < LET_GO_PER_TICK ? c->excess : LET_GO_PER_TICK;
	enum store_rc rc = STORE_OK;
	size_t n = 0;

	if (c->excess > 0)
		rc = journal_let_go(c->journal, seqs, most, &n, why);
	for (size_t i = 0; i < n; i++)
		custodian_note(c, delivery_of(seqs[i], TAKER_HISTORY), LEDGER_NONE);
	c->excess -= n < most ? c->excess : n;
	if (n > 0) {
		*metric(c->metrics, METRIC_FAMILY_HISTORY_MISSED, "") += (double)n;
		*metric(c->metrics, METRIC_FAMILY_HISTORY_MISSED_AT, "") =
			(double)clock_wall_ms() / 1e3;
		c->missed += n;
	}
	tell_missed(c);
	return rc == STORE_OK;
}

/* A full journal must not keep events from being sent: their ends make room. */
bool
custodian_tick(struct custodian *c, struct error *why)
{
	const uint64_t now_ms = clock_mono_ms();
	bool good = true;

	good = let_go(c, why);
	for (unsigned t = 0; t < TAKERS; t++) {
		expire(c, t, now_ms);
		good = (!(c->owed & 1U << t) || fire(c, t, why)) && good;
	}
	if (!journal_read_begin(c->journal, why))
		return false;
	for (unsigned t = 0; t < TAKERS; t++)
		if (c->owed & 1U << t)
			scan(c, t);
	journal_read_end(c->journal);
	return custodian_settle(c, why) && good;
}

static uint64_t
ready_on(const struct custodian *c, size_t route)
{
	uint64_t ready = 0;

	for (size_t t = 0; t < TAKERS; t++)
		ready += ledger_count(c->ledgers[t], custodian_ready_on(route));
	return ready;
}

static bool
may_send(const struct custodian *c, size_t route, uint64_t now_ms)
{
	return ready_on(c, route) > 0 && pace_room(&c->paces[route], now_ms) > 0;
}

bool
custodian_busy(const struct custodian *c)
{
	uint64_t ready = c->changes_count;

	for (size_t route = 0; route <= c->history; route++)
		ready += ready_on(c, route);
	return ready > 0;
}

bool
custodian_deliver(struct custodian *c, struct error *why)
{
	const uint64_t now_ms = clock_mono_ms();
	bool any = false;

	for (size_t route = 0; route <= c->history; route++)
		any |= may_send(c, route, now_ms);
	if (!any)
		return true;
	if (!journal_read_begin(c->journal, why))
		return false;
	for (size_t route = 0; route <= c->history; route++)
		for (unsigned t = 0; t < TAKERS; t++)
			send_ready(c, t, route, now_ms);
	journal_read_end(c->journal);
	return true;
}

void
custodian_give_back(struct custodian *c, const uint64_t *deliveries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t state = custodian_known(c, deliveries[i]);

		if (state & LEDGER_OUT)
			custodian_note(c, deliveries[i], custodian_ready_on(state & LEDGER_ROUTE));
	}
}

void
custodian_router_gone(struct custodian *c)
{
	c->router_gone = true;
}

/* ---- once a second ---- */

/* From time to time the whole journal is looked through again: whatever the ledger has missed is
 * found, late but surely. */
static void
begin_scan(struct custodian *c)
{
	const uint64_t now_ms = clock_mono_ms();

	if (now_ms - c->scan_began_ms < RESCAN_MS)
		return;
	for (size_t t = 0; t < TAKERS; t++)
		if ((c->owed & 1U << t) && c->scanned[t] < scan_end(c))
			return;
	c->scan_began_ms = now_ms;
	memset(c->scanned, 0, sizeof c->scanned);
}

/* Remembers the newest number, and moves the horizon to the one of a lease ago. The first one is
 * the horizon at once: at start nothing is known to be on its way. */
static void
pass_milestone(struct custodian *c, uint64_t last_seq)
{
	const uint64_t now_ms = clock_mono_ms(), lease_ms = c->cfg->journal.lease_ms;
	size_t old = 0;

	if (c->milestones_count == 0)
		c->horizon = last_seq;
	if (c->router_gone)
		c->strewn = last_seq;
	c->router_gone = false;
	while (old < c->milestones_count && now_ms - c->milestones[old].at_ms >= lease_ms)
		if (c->milestones[old++].last_seq > c->horizon)
			c->horizon = c->milestones[old - 1].last_seq;
	memmove(c->milestones, c->milestones + old,
		(c->milestones_count - old) * sizeof *c->milestones);
	c->milestones_count -= old;
	if (c->milestones_count == 0 ||
		(c->milestones_count < MILESTONES &&
			now_ms - c->milestones[c->milestones_count - 1].at_ms >=
				lease_ms / (MILESTONES / 2)))
		c->milestones[c->milestones_count++] = (struct milestone){now_ms, last_seq};
}

/* What waits for each handler, and when it last gave a sign. */
static void
publish_routes(struct custodian *c)
{
	const struct ledger *ledger = c->ledgers[TAKER_HANDLER];
	char labels[80];

	for (size_t i = 0; i < c->cfg->handlers_count; i++) {
		snprintf(labels, sizeof labels, "handler=\"%s\"", c->cfg->handlers[i].name);
		*metric(c->metrics, METRIC_FAMILY_WAITING, labels) =
			(double)(ledger_count(ledger, custodian_ready_on(i)) +
				 ledger_count(ledger, (uint8_t)(LEDGER_OUT | i)));
		*metric(c->metrics, METRIC_FAMILY_ANSWERED, labels) =
			(double)c->answered_ms[i] / 1e3;
	}
}

static double
age_s(uint64_t received_ms)
{
	const uint64_t now_ms = clock_wall_ms();

	return received_ms && received_ms < now_ms ? (double)(now_ms - received_ms) / 1e3 : 0;
}

static void
publish(struct custodian *c, const struct journal_stat *st)
{
	struct metrics *m = c->metrics;

	*metric(m, METRIC_FAMILY_QUEUE, "") = (double)st->owed[TAKER_HANDLER];
	if (c->owed & OWED_HISTORY) {
		*metric(m, METRIC_FAMILY_HISTORY_WAITING, "") = (double)st->owed[TAKER_HISTORY];
		*metric(m, METRIC_FAMILY_HISTORY_LAG, "") = age_s(st->oldest_ms[TAKER_HISTORY]);
	}
	*metric(m, METRIC_FAMILY_SCHEDULED, "") = (double)st->scheduled;
	*metric(m, METRIC_FAMILY_REMEMBERED, "") = (double)st->remembered;
	*metric(m, METRIC_FAMILY_JOURNAL_BYTES, "") = (double)st->used_bytes;
	*metric(m, METRIC_FAMILY_JOURNAL_LIMIT, "") = (double)st->limit_bytes;
	*metric(m, METRIC_FAMILY_OLDEST, "") = age_s(st->oldest_ms[TAKER_HANDLER]);
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
	pass_milestone(c, st.last_seq);
	begin_scan(c);
	c->excess = excess(c, &st);
	publish(c, &st);
	return true;
}
