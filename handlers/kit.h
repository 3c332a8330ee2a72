/* kit - what every handler process shares: it takes a group of events, opens one transaction in the
 * state database, calls the handler for each, commits, and reports the verdicts.
 *
 * A handler is a function and a main of one line. Its effects go through the state database only,
 * so each is there exactly once however often the event is delivered: an event whose (journal, seq)
 * is already applied is reported done without calling the handler. */
#ifndef TROTLINE_HANDLERS_KIT_H
#define TROTLINE_HANDLERS_KIT_H

#include "handler.h"

/* The whole process: `trotline-handler-<name>`. Returns its exit status. */
int handler_main(int argc, char **argv, const char *name, handler_fn *fn);

#endif
