/* kit - what every handler process shares: it takes a group of events, opens one transaction in the
 * state database, calls the handler for each, commits, and reports the verdicts.
 *
 * A handler is a function and a main of one line. Its effects go through the state database only,
 * so each is there exactly once however often the event is delivered: an event whose (journal, seq)
 * is already applied is reported done without calling the handler. */
#ifndef TROTLINE_HANDLERS_KIT_H
#define TROTLINE_HANDLERS_KIT_H

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

/* The whole process: `trotline-handler-<name>`. Returns its exit status. */
int handler_main(int argc, char **argv, const char *name, handler_fn *fn);

#endif
