/* lanes - how many events of each address are owed, in hand or in the store: order by recipient sends one of them
 * at a time. Pure.
 *
 * State: a number for each address of which something is owed; made from the store at the start. */
#ifndef TROTLINE_FORWARD_LANES_H
#define TROTLINE_FORWARD_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANE_MS = 600000 }; /* so long one that fails holds up those behind it */

struct lanes {
	struct lane_count {
		uint64_t lane; /* 0: free */
		uint64_t n;
	} * slots;
	size_t room, used; /* room: a power of two, or 0 */
};

/* Those of lane 0 are in no order. False: memory is short, and nothing is counted. */
bool lanes_add(struct lanes *l, uint64_t lane, uint64_t n);
/* One less; how many are left. */
uint64_t lanes_drop(struct lanes *l, uint64_t lane);
uint64_t lanes_count(const struct lanes *l, uint64_t lane);
void lanes_free(struct lanes *l);

#endif
