/* quarantine - what the verb `quarantine` is asked, between its two files. */
#ifndef TROTLINE_CLI_QUARANTINE_H
#define TROTLINE_CLI_QUARANTINE_H

#include "cli.h"
#include "lib/store/quarantine.h"

struct quarantine_ask {
	const struct verb *verb;
	const struct config *cfg;
	struct quarantine *store;
	const char *source; /* of this source only, or NULL */
	uint64_t number;    /* this one only, or 0 */
	uint64_t limit;     /* so many at most */
	bool json, yes;
};

/* Is the item one of those that are meant? */
bool quarantine_meant(const struct quarantine_ask *ask, const struct quarantined *item);

/* Checks each again with its source's present keys and posts what holds now to the front door.
 * Returns the exit code: CLI_DONE when none is left of those meant. */
int quarantine_retry(const struct quarantine_ask *ask);

#endif
