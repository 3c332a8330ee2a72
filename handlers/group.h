/* group - events that share one transaction, and what became of each.
 *
 * In: event frames. Out: an outcome for each, true only once the commit is on disk. It knows no
 * sockets. */
#ifndef TROTLINE_HANDLERS_GROUP_H
#define TROTLINE_HANDLERS_GROUP_H

#include "hand.h"
#include "handler.h"

enum { GROUP_EVENTS = 512, GROUP_BYTES = 8 << 20 };

struct outcome {
	enum verdict_kind kind;
	struct error why; /* for RETRY and DEAD */
	bool later;       /* RETRY for trouble with the database: the event is not to blame */
	bool known;       /* DONE without effects: another node has applied the same event */
};

struct event_group {
	size_t n, bytes;
	size_t apart; /* so many groups more are applied with each event apart */
	struct event events[GROUP_EVENTS];
	struct outcome outcomes[GROUP_EVENTS];
	struct state_event_key keys[GROUP_EVENTS]; /* once group_apply has begun */
	enum state_event entered[GROUP_EVENTS];
	msgpack_zone zone; /* the frames, and what is nested in the events, which point into both */
};

/* About half a megabyte. NULL when memory is short. */
struct event_group *group_new(void);
void group_destroy(struct event_group **group);

/* Whether it takes one more: fewer than limit and GROUP_EVENTS, and less than GROUP_BYTES so far
 * (so the memory held is at most that and one frame more). */
bool group_open(const struct event_group *group, size_t limit);

/* How many events the next group may have, from the limit of the last one and how long its handler
 * functions took, with all other processes waiting for the turn: twice or half as many, so that it
 * is about GROUP_TURN_MS. A process starts with 1. */
enum { GROUP_TURN_MS = 250 };
size_t group_limit(size_t limit, uint64_t took_ms);

/* Adds a copy of the frame, which group_open says there is room for. False with the reason when it
 * is no event frame, or memory is short; its bytes count until the group is cleared. */
bool group_add(struct event_group *group, struct slice frame, struct error *why);

/* Inside a transaction: calls fn for each event that is not applied yet (once more when another of
 * the group was not DONE, after what the first call did was taken back), and sets the outcomes. An
 * event's changes stay only when its outcome is DONE. Each is in the hand meanwhile. False with the
 * cause when the database cannot go on with it; the caller rolls back. */
bool group_apply(struct event_group *group, struct state *db, handler_fn *fn,
	const struct config *cfg, struct hand *hand, struct error *why);

/* The commit has failed, and one of the events is to blame for it: it is to be applied again, each apart. */
void group_doubt(struct event_group *group);

/* Nothing was applied: what was DONE, or was not tried, is RETRY with that cause, and no RETRY
 * counts against its event. */
void group_retry(struct event_group *group, const struct error *cause);

/* The seqs of all that are DONE and of the same journal as events[first], into seqs, which has room
 * for all; 0 when an earlier event is DONE and of that journal: then it was listed with it. */
size_t group_done(const struct event_group *group, size_t first, uint64_t *seqs);

/* How many are DONE because another node has applied them. */
size_t group_known(const struct event_group *group);

/* Empties it for the next events. */
void group_clear(struct event_group *group);

/* Before when an applied event may be forgotten, or 0 for nothing yet; see the reasons in group.c.
 * now_ms: wall clock; up_ms: since this process connected; lease_ms: the journal's. */
uint64_t group_forget_before(uint64_t now_ms, uint64_t up_ms, uint64_t lease_ms);

/* "done", "retry", "dead". */
const char *verdict_name(enum verdict_kind kind);

#endif
