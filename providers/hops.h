/* hops - how many Trotlines have handed an event on: a header says it, the event's data keeps it. */
#ifndef TROTLINE_PROVIDERS_HOPS_H
#define TROTLINE_PROVIDERS_HOPS_H

#include "provider.h"

/* *hops: the highest number that the headers say, 0 where they say none. False with why when that is more than
 * HOPS_MAX. What is no number says nothing. */
bool hops_read(const msgpack_object *headers, uint64_t *hops, struct error *why);

/* Makes HOPS_FIELD of an event's data this number, or takes it out when that is 0: whoever wrote one into the
 * body is not heard. False when memory is short. */
bool hops_put(msgpack_object *data, uint64_t hops, msgpack_zone *zone);

#endif
