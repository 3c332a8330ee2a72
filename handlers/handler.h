/* handler - what a handler is: a function over one event, and its verdict. kit.h runs it. */
#ifndef TROTLINE_HANDLERS_HANDLER_H
#define TROTLINE_HANDLERS_HANDLER_H

#include "lib/base/field.h"
#include "lib/config/config.h"
#include "lib/store/state.h"
#include "proto/frame.h"

/* Two verdicts too many is confusion. A crash or a time-out is a RETRY. */
enum verdict_kind {
	DONE,  /* applied */
	RETRY, /* not now: the cause may pass */
	DEAD,  /* never: the event cannot be used; a person must look */
};

/* Handles one event inside the open transaction. Why is set for RETRY and DEAD; then all that this
 * call changed in the database is rolled back. It must be quick, for all handlers wait for the
 * transaction to end: no network, no waiting. A process that needs more than 10 s for one event is
 * ended, and that event is a RETRY. */
typedef enum verdict_kind handler_fn(
	struct state *db, const struct event *ev, const struct config *cfg, struct error *why);

#endif
