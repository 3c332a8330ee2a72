/* unread - what the verb `unread` is asked, between its two files. */
#ifndef TROTLINE_CLI_UNREAD_H
#define TROTLINE_CLI_UNREAD_H

#include "cli.h"
#include "lib/ops/unread_look.h"

struct unread_ask {
	struct unread_query meant;
	bool json, yes, stale, dry_run;
};

/* Says that nothing was meant; returns CLI_FAILED when a number was given, else CLI_DONE. */
int unread_nothing(const struct call *call);

/* Reads each again as this version does and lets what it holds enter. Returns the exit code: CLI_DONE
 * when all that was meant could be read. */
int unread_retry(struct call *call);

#endif
