/* entry - what of an event enters the journal: the id and address that travel with it, what makes it
 * unique, its time, and the data that handlers get. The same for the validator and for what is read
 * again later. Pure. */
#ifndef TROTLINE_PROVIDERS_ENTRY_H
#define TROTLINE_PROVIDERS_ENTRY_H

#include "provider.h"

struct entry {
	struct slice type, id, email; /* absent where there is none */
	struct slice key;             /* what makes it the same event again */
	int64_t ts_ms;
	/* Of a native event as it came; of others the fields that handlers read, under the names that
	 * native events use, and beside them the provider's own object as `raw`. An `email` that is no
	 * address stays as it was written: a handler says why it is none. Not set with a fault. */
	msgpack_object data;
};

/* now_ms: the time of an event that has none. False when memory is short. */
bool entry_of(const struct normal *ev, uint64_t now_ms, msgpack_zone *zone, struct entry *out);

#endif
