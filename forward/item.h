/* item - one request's worth of events for a destination: an event, or a batch of them.
 *
 * An item is in one list at a time: read ahead, under way, waiting for its destination, or ended and not
 * written yet. */
#ifndef TROTLINE_FORWARD_ITEM_H
#define TROTLINE_FORWARD_ITEM_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "lib/base/slice.h"
#include "lib/store/forward.h"
#include "post.h"

enum item_end { ITEM_SETTLED, ITEM_LATER, ITEM_DEAD };

struct destination;

struct item {
	struct item *next, *before;
	struct destination *to;
	struct forward_owed owed; /* its id and body are not used */
	bool kept;                /* it stands in the store */
	bool in_lane;             /* its lane counts it */
	uint64_t ask;             /* a test; 0: none */
	size_t events;
	uint64_t hops;
	char id[BODY_ID], type[WIDTH_TYPE + 1];
	struct slice email, body;
	bool letter;        /* a dead one that is sent again */
	const char *reason; /* of its last try: first, retry, probe, replay, test */
	enum item_end end;
	uint64_t not_before_ms; /* while it waits and its destination is well; monotonic */
	uint64_t done_then;     /* what its destination had had when it last failed */
	bool passes;            /* goes on before one of its lane that fails */
	unsigned alone;         /* how often it has failed while others did not */
	struct post post;
};

struct items {
	struct item *first, *last;
	size_t n, bytes;
};

/* Body and address are copied. NULL: memory is short. */
struct item *item_new(struct destination *to, struct slice body, struct slice email);
void item_free(struct item *item);
/* It stands in the store as this row, whose texts stay the store's. */
void item_owes(struct item *item, const struct forward_owed *owed);

void items_add(struct items *list, struct item *item);
/* Behind so many, or at the end. */
void items_add_near(struct items *list, struct item *item, size_t place);
/* Before the first of a higher number. */
void items_insert(struct items *list, struct item *item);
void items_remove(struct items *list, struct item *item);
void items_clear(struct items *list);
const struct item *items_of_lane(const struct items *list, uint64_t lane);
bool items_has(const struct items *list, uint64_t job, uint64_t first);

#endif
