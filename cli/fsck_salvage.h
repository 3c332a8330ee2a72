/* fsck_salvage - the way out of a journal that cannot be opened. */
#ifndef TROTLINE_FSCK_SALVAGE_H
#define TROTLINE_FSCK_SALVAGE_H

#include "cli.h"

/* Writes the events that can be read in the journal's file, and are neither applied nor dead letters, into a
 * new file of mode 0600, as `send --batch` takes them. Returns the exit code. */
int fsck_salvage(const struct verb *verb, const struct config *cfg, const char *output);

#endif
