/* seen_model - two nodes that know of each other in memory: what an engine behind a network does,
 * for the tests of those who ask at the door. */
#ifndef TROTLINE_SEEN_MODEL_H
#define TROTLINE_SEEN_MODEL_H

#include "lib/store/seen.h"

extern const struct seen_engine seen_model;

/* Forgets everything, for the next test. */
void seen_model_reset(void);

/* Which node the next call speaks for, 1 or 2; at first 1. */
extern int seen_model_node;

/* How often each call was made since the reset, and with how many in all. */
extern struct seen_model_calls {
	unsigned claims, keeps, drops;
	size_t claimed, kept, dropped;
} seen_model_calls;

/* STORE_OK, or what claim fails with. */
extern enum store_rc seen_model_fails;

/* So often its claims are too old when the lock is there. */
extern unsigned seen_model_aged;

#endif
