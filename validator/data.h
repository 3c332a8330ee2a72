/* data - what handlers get as an event's data, of whichever sender. Pure. */
#ifndef TROTLINE_VALIDATOR_DATA_H
#define TROTLINE_VALIDATOR_DATA_H

#include "providers/provider.h"

/* The data of a native event as it came; of others the fields that handlers read, under the names
 * that native events use, and beside them the provider's own object as `raw`. An `email` that is
 * no address stays as it was written: a handler says why it is none. False when memory is short. */
bool data_of(const struct normal *ev, msgpack_zone *zone, msgpack_object *out);

#endif
