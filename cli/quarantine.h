/* quarantine - between the two files of the verb `quarantine`. */
#ifndef TROTLINE_CLI_QUARANTINE_H
#define TROTLINE_CLI_QUARANTINE_H

#include "items.h"
#include "lib/ops/quarantine_look.h"

extern const struct items_place quarantine_place;

/* Checks each again with its source's present keys and posts what holds now to the front door.
 * Returns the exit code: CLI_DONE when none is left of those meant. */
int quarantine_retry(struct call *call);

#endif
