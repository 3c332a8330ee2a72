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
	VERDICTS = 4,
	ANYBODY = 0xff, /* a stage of ours says it: what an event is owed to is not asked */
	ROUTES_MAX = CONFIG_HANDLERS_MAX + 2, /* the handlers, then the dlq, then history */
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
	struct ledger *ledgers[TAKERS];
	struct leases *leases[TAKERS]; /* of what the ledgers say is out */
	struct pace paces[ROUTES_MAX];
	uint64_t gone_ms[ROUTES_MAX];       /* monotonic: when a handler last went away */
	uint64_t alone[ROUTES_MAX];         /* the suspect delivery that is out, or 0 */
	uint64_t answered_ms[ROUTES_MAX];   /* wall clock: the last verdict */
	double *told[ROUTES_MAX][VERDICTS]; /* figures of verdicts; NULL where there are none */
	int64_t clock_offset_ms; /* wall minus monotonic clock at start: jumps are not followed */
	unsigned owed;           /* whom events are owed to: OWED_... */
	uint64_t excess;         /* events that history must let go of, lest the journal fill */
	uint64_t missed, missed_told_ms; /* let go of since the last line about them; monotonic */
	size_t dlq, history;             /* routes behind those of the handlers */
	struct journal_change changes[CHANGES_MAX];
	uint8_t said_by[CHANGES_MAX]; /* the route whose verdict it is, or ANYBODY */
	size_t changes_count;
	uint64_t strays; /* verdicts on events of other routes since the last line about them */
	uint64_t strays_told; /* monotonic ms: when that was */
	char *reasons;        /* texts of `changes` */
	size_t reasons_used;
	struct milestone milestones[MILESTONES];
	size_t milestones_count;
	uint64_t scanned[TAKERS]; /* all up to here are in the ledger or have had their lease */
	uint64_t scan_began_ms;
	uint64_t horizon; /* all up to here have lost the lease of their first delivery */
	uint64_t strewn;  /* all up to here may have been in a router that has gone */
	bool router_gone; /* since the last survey */
	msgpack_zone zone;
};

/* The clock of the schedule: wall clock at start, then monotonic. */
uint64_t custodian_clock_ms(const struct custodian *c);

/* A delivery's state in its taker's ledger. */
uint8_t custodian_known(const struct custodian *c, uint64_t delivery);

/* Sets it, and what the leases and the paces know with it. False when the ledger has no room. */
bool custodian_note(struct custodian *c, uint64_t delivery, uint8_t state);

/* Within a read of the journal: where the event goes, and what it must be in the ledger. */
size_t custodian_route_of(struct custodian *c, const struct journal_event *ev);
uint8_t custodian_state_of(struct custodian *c, const struct journal_event *ev);
uint8_t custodian_ready_on(size_t route);

/* Who takes what goes on the route: a handler's name, or history's. */
const char *custodian_name(const struct custodian *c, size_t route);

/* One change more for the next settling; there is room. said_by: the route whose verdict it is, or
 * ANYBODY. */
void custodian_change(struct custodian *c, const struct journal_change *change, uint8_t said_by);

/* Does such a move of it have a line in the log? */
bool custodian_logs(const struct journal_change *change, enum journal_move as);

/* Tells what was applied. */
void custodian_log(const struct journal_change *change);

_Static_assert((int)ROUTES_MAX <= (int)LEDGER_ROUTE, "a route fits into the ledger's bits");

#endif
