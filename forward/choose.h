/* choose - what goes to a destination next: what waits for it, what has become due, what comes, and beside that what
 * is replayed. */
#ifndef TROTLINE_FORWARD_CHOOSE_H
#define TROTLINE_FORWARD_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "deliverer.h"
#include "destination.h"

/* In no list any more; NULL: nothing now. probe: of those that wait the first, whenever it is due. *wakes_ms: as
 * wake_at has it. */
struct item *choose_next(
	struct deliverer *dl, struct destination *d, bool probe, uint64_t *wakes_ms);

#endif
