/* crowd - who holds the connections of a listener, by address, and who gives way when there are too
 * many. Pure.
 *
 * State: a list of members in the order in which they were last of use, for all and for each
 * address; how many requests of clients behind a proxy are under way. */
#ifndef TROTLINE_STAGE_CROWD_H
#define TROTLINE_STAGE_CROWD_H

#include <stddef.h>
#include <sys/queue.h>

#include "lib/base/peer.h"

struct crowd;
struct crowd_holder;

/* How much would be lost with it. */
enum crowd_state {
	CROWD_IDLE, /* nothing: no whole head of a request is there */
	CROWD_BUSY, /* a body is coming in, or an answer is read: it gives way after CROWD_PATIENCE_MS */
	CROWD_HELD, /* a request that is being worked on: it never gives way */
	CROWD_STATES,
};
enum { CROWD_PATIENCE_MS = 2000 };

/* A connection; its owner's memory, all 0 before it enters. */
struct crowd_member {
	TAILQ_ENTRY(crowd_member) all, own;
	struct crowd_holder *holder; /* NULL: it is not in */
	enum crowd_state state;
	uint64_t since_ms;
};

/* limit: members at most; each: of one address. NULL: memory is short. */
struct crowd *crowd_new(size_t limit, size_t each);
void crowd_destroy(struct crowd **crowd);

/* Is there no room for one more of this address, which an exempt one need not ask about? */
enum crowd_want { CROWD_ROOM, CROWD_ADDRESS, CROWD_LIMIT };
enum crowd_want crowd_wants(const struct crowd *crowd, const struct peer *counted, bool exempt);

/* Who gives way for one more; NULL: nobody. */
struct crowd_member *crowd_first_to_go(const struct crowd *crowd, const struct peer *counted,
	enum crowd_want want, uint64_t now_ms);

/* False: memory is short. */
bool crowd_enter(
	struct crowd *crowd, struct crowd_member *m, const struct peer *counted, uint64_t now_ms);
/* Does nothing where it is not in. */
void crowd_leave(struct crowd *crowd, struct crowd_member *m);
/* It has been of use. */
void crowd_move(
	struct crowd *crowd, struct crowd_member *m, enum crowd_state state, uint64_t now_ms);

size_t crowd_count(const struct crowd *crowd);
/* Nine tenths of the limit are in. */
bool crowd_is_near(const struct crowd *crowd);

/* The address that holds most, and how many; looks at all of them. */
size_t crowd_most(const struct crowd *crowd, struct peer *counted);

/* A request of a client behind a proxy. NULL: memory is short. *over: it has more than `each`. */
struct crowd_holder *crowd_request(struct crowd *crowd, const struct peer *counted, bool *over);
void crowd_request_over(struct crowd *crowd, struct crowd_holder *holder);

#endif
