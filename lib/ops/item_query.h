/* item_query - which of the numbered items of a store an operator means: quarantine, unread. */
#ifndef TROTLINE_OPS_ITEM_QUERY_H
#define TROTLINE_OPS_ITEM_QUERY_H

#include <stdint.h>

struct item_query {
	uint64_t number;    /* this one only, or 0 */
	const char *source; /* of this source only, or NULL */
	const char *reason; /* unread: kept for this reason only, or NULL */
	uint64_t limit;     /* so many at most, oldest first */
};

#endif
