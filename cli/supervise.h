/* supervise - supervisord as a child: its start, and a nudge. */
#ifndef TROTLINE_CLI_SUPERVISE_H
#define TROTLINE_CLI_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/config/config.h"

/* Starts supervisord with run/supervisord.conf, which is written anew, in a process group of its
 * own; it stops all and ends when this process dies. It keeps a copy of the lock. Returns its
 * process id, or -1 with the cause. */
pid_t supervise_start(const struct config *cfg, int lock, struct error *why);

/* supervisord looks for news once a second; this makes it look now. */
void supervise_nudge(const struct config *cfg);

#endif
