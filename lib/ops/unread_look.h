/* unread_look - what could not be read, as objects, and the way through those that an operator means.
 */
#ifndef TROTLINE_OPS_UNREAD_LOOK_H
#define TROTLINE_OPS_UNREAD_LOOK_H

#include "item_query.h"
#include "lib/store/unread.h"

/* Calls fn for each that is meant, until it returns false. Each is a walk of its own, so that no long
 * look keeps the store from using its pages again, and fn may remove what it is shown. False with
 * the cause; *shown: how many there were. */
bool unread_each(struct unread *store, const struct item_query *q, unread_visit *fn, void *arg,
	uint64_t *shown, struct error *why);

/* Removes one, flushed. False with the cause. */
bool unread_take_out(struct unread *store, uint64_t number, struct error *why);

/* Removes those that are meant. False with the cause; *dropped: how many are away. */
bool unread_drop(
	struct unread *store, const struct item_query *q, uint64_t *dropped, struct error *why);

/* {number, source, received, reason, detail, bytes}; in the zone. False when memory is short. */
bool unread_row(const struct unread_item *item, msgpack_zone *zone, msgpack_object *out);

/* All of it: {number, source, received, reason, meaning, detail, target, headers, listed, taken, body
 * or body_b64}. It lives as long as the item. */
bool unread_whole(const struct unread_item *item, msgpack_zone *zone, msgpack_object *out);

#endif
