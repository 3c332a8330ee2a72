/* custodian - who looks after the journal: settles verdicts, fires what is due, and knows which
 * deliveries (proto/taker.h) must be sent (again).
 *
 * In: verdict and advice frames, the clock, the journal. Out: moves in the journal, and events
 * handed to the caller for sending. State: the ledger, the list of what is out, the routes' paces;
 * all in memory and made anew from the journal at start: then every event without an end counts as
 * lost once, which costs a second delivery at most. */
#ifndef TROTLINE_RETRIER_CUSTODIAN_H
#define TROTLINE_RETRIER_CUSTODIAN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config/config.h"
#include "lib/stage/metrics.h"
#include "lib/store/journal.h"

struct custodian;

/* Sends one event on its route (the dlq's has the number cfg->handlers_count, and gets only what is
 * given up; history's the next one). False when the socket has no room: it stays ready. True also for what is kept to be
 * sent with others; see custodian_give_back. */
typedef bool custodian_send(void *arg, size_t route, const struct journal_event *ev);

struct custodian *custodian_new(const struct config *cfg, struct journal *journal,
	struct metrics *metrics, custodian_send *send, void *arg);
void custodian_destroy(struct custodian **c);

/* Takes in the verdicts or the advice of a frame; false with why when it is none of ours. One that
 * finds no room, because the journal is in trouble, is passed over: its events' leases bring them
 * back. */
bool custodian_take(struct custodian *c, const struct verdict *verdict, struct error *why);
bool custodian_told(struct custodian *c, const struct advice *advice, struct error *why);

/* Moves in the journal what has been taken. On trouble everything is kept for the next call; but in
 * a full journal only what ends events is done, and the rest is dropped for their leases to bring
 * back, lest what frees room wait behind what needs some. */
bool custodian_settle(struct custodian *c, struct error *why);

/* Fires what is due, and returns to ready what has lost its lease. */
bool custodian_tick(struct custodian *c, struct error *why);

/* Is something to be settled, or ready to be sent? Then the next turn should not be long in coming. */
bool custodian_busy(const struct custodian *c);

/* Sends what is ready, within each route's pace. Called every few milliseconds: it only reads the
 * journal, so nobody waits for it. */
bool custodian_deliver(struct custodian *c, struct error *why);

/* What was taken for sending found no room in the end: it is ready again. */
void custodian_give_back(struct custodian *c, const uint64_t *deliveries, size_t n);

/* A router has ended, with what was in its sockets: what was accepted up to the next survey and has no end
 * is sent again, as at a start, and not after its lease. */
void custodian_router_gone(struct custodian *c);

/* Gauges once a second, and the milestone from which leases of first deliveries are told. */
bool custodian_survey(struct custodian *c, struct error *why);

#endif
