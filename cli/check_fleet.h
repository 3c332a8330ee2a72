/* check_fleet - what the nodes of a fleet must have in common, and what apart. */
#ifndef TROTLINE_CLI_CHECK_FLEET_H
#define TROTLINE_CLI_CHECK_FLEET_H

#include "cli.h"

/* Asks all nodes, prints a row each and what is wrong. CLI_DONE; CLI_FAILED: something is, or a node has not
 * answered; CLI_DOWN: none has. */
int check_fleet(struct call *call, bool json);

#endif
