/* supervise - supervisord as a child: what it must know, its start and its end. */
#ifndef TROTLINE_CLI_SUPERVISE_H
#define TROTLINE_CLI_SUPERVISE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/config/config.h"

/* Checks that every program is there, writes run/handlers.conf and sets the variables that
 * deploy/supervisord.conf names in this process's environment. */
bool supervise_prepare(const struct config *cfg, struct error *why);

/* Starts supervisord in a process group of its own; it stops all and ends when this process dies.
 * It keeps a copy of the lock. Returns its process id, or -1 with the cause. */
pid_t supervise_start(int lock, struct error *why);

/* supervisord looks for news once a second; this makes it look now. */
void supervise_nudge(const struct config *cfg);

#endif
