/* unread - between the two files of the verb `unread`. */
#ifndef TROTLINE_CLI_UNREAD_H
#define TROTLINE_CLI_UNREAD_H

#include "items.h"
#include "lib/ops/unread_look.h"

extern const struct items_place unread_place;

/* Reads each again as this version does and lets what it holds enter. Returns the exit code: CLI_DONE
 * when all that was meant could be read. */
int unread_retry(struct call *call);

#endif
