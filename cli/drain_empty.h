/* drain_empty - the first half of `trotline drain --until-empty`: nothing new is taken, and all that was
 * accepted comes to its end, before anything is stopped. */
#ifndef TROTLINE_CLI_DRAIN_EMPTY_H
#define TROTLINE_CLI_DRAIN_EMPTY_H

#include "cli.h"

/* Takes run/closed.lock, at whose sight ingress answers 503 (/readyz at once), and waits until the journal
 * owes no event to anybody, until_ms (monotonic) at most. The lock's descriptor, which the caller closes once
 * all has stopped; -1 with the cause, and what is taken is taken again. */
int drain_until_empty(const struct config *cfg, struct journal *journal, bool silent,
	uint64_t until_ms, struct error *why);

#endif
