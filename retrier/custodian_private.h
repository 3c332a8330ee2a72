/* custodian_private - what custodian.c (verdicts in) and custodian_deliveries.c share; nobody else
 * includes it. */
#ifndef TROTLINE_RETRIER_CUSTODIAN_PRIVATE_H
#define TROTLINE_RETRIER_CUSTODIAN_PRIVATE_H

#include "custodian.h"
#include "leases.h"
#include "ledger.h"
#include "pace.h"

enum {
	CHANGES_MAX = EVENTS_PER_VERDICT,
	MILESTONES = 32,
	ANYBODY = 0xff, /* a stage of ours says it: what an event is owed to is not asked */
};

/* The newest number in the journal at a time: all up to it were accepted before. */
struct milestone {
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
	uint8_t said_by[CHANGES_MAX]; /* the route whose verdict it is, or ANYBODY */
	size_t changes_count;
	uint64_t strays; /* verdicts on events of other routes since the last line about them */
	uint64_t strays_told; /* monotonic ms: when that was */
	char *reasons;        /* texts of `changes` */
	size_t reasons_used;
	struct milestone milestones[MILESTONES];
	size_t milestones_count;
	uint64_t scanned; /* all up to here are in the ledger or have had their lease */
	uint64_t scan_began_ms;
	uint64_t horizon; /* all up to here have lost the lease of their first delivery */
	msgpack_zone zone;
};

/* The clock of the schedule: wall clock at start, then monotonic. */
uint64_t custodian_clock_ms(const struct custodian *c);

/* Sets an event's state in the ledger, and what the leases and the paces know with it. False when
 * the ledger has no room. */
bool custodian_note(struct custodian *c, uint64_t seq, uint8_t state);

/* Within a read of the journal: where the event goes, and what it must be in the ledger. */
size_t custodian_route_of(struct custodian *c, const struct journal_event *ev);
uint8_t custodian_state_of(struct custodian *c, const struct journal_event *ev);
uint8_t custodian_ready_on(size_t route);

/* One change more for the next settling; there is room. said_by: the route whose verdict it is, or
 * ANYBODY. */
void custodian_change(struct custodian *c, const struct journal_change *change, uint8_t said_by);

/* Tells what was applied. */
void custodian_log(const struct journal_change *change);

#endif
