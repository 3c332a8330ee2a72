/* quarantine - what the verb `quarantine` is asked, between its two files. */
#ifndef TROTLINE_CLI_QUARANTINE_H
#define TROTLINE_CLI_QUARANTINE_H

#include "cli.h"
#include "lib/ops/quarantine_look.h"

struct quarantine_ask {
	struct quarantine_query meant;
	bool json, yes;
};

/* Says that nothing was meant; returns CLI_FAILED when a number was given, else CLI_DONE. */
int quarantine_nothing(const struct call *call);

/* Checks each again with its source's present keys and posts what holds now to the front door.
 * Returns the exit code: CLI_DONE when none is left of those meant. */
int quarantine_retry(struct call *call);

#endif
