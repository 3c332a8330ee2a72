/* quarantine_look - what was set aside for a wrong signature, as objects, and the way through those
 * that an operator means. */
#ifndef TROTLINE_OPS_QUARANTINE_LOOK_H
#define TROTLINE_OPS_QUARANTINE_LOOK_H

#include "item_query.h"
#include "lib/config/config.h"
#include "lib/store/quarantine.h"

/* Calls fn for each that is meant, until it returns false. Each is a walk of its own, so that no
 * long look keeps the store from using its pages again, and fn may remove what it is shown. False
 * with the cause; *shown: how many there were. */
bool quarantine_each(struct quarantine *store, const struct item_query *q, quarantine_visit *fn,
	void *arg, uint64_t *shown, struct error *why);

/* Removes those that are meant. False with the cause; *dropped: how many are away. */
bool quarantine_drop(
	struct quarantine *store, const struct item_query *q, uint64_t *dropped, struct error *why);

/* {number, source, received, bytes, target}; in the zone. False when memory is short. */
bool quarantine_row(const struct quarantined *item, msgpack_zone *zone, msgpack_object *out);

/* The whole request: {number, source, received, target, headers, body or body_b64}. Headers that
 * carry credentials are masked. It lives as long as the item. */
bool quarantine_whole(const struct quarantined *item, const struct config *cfg, msgpack_zone *zone,
	msgpack_object *out);

#endif
