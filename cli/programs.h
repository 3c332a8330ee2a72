/* programs - the pipeline as supervisord is told of it: one program a process of the table. */
#ifndef TROTLINE_CLI_PROGRAMS_H
#define TROTLINE_CLI_PROGRAMS_H

#include <stdio.h>

#include "lib/config/config.h"

/* Is every program there that this configuration runs? False with the one that is not. */
bool programs_check(const struct config *cfg, struct error *why);

/* A whole configuration of supervisord, which needs no variable and no other file. False with the
 * cause when a path cannot be said in it, or the stream takes no more. */
bool programs_print(const struct config *cfg, FILE *to, struct error *why);

/* The same as data_dir/run/supervisord.conf, whose path goes to out. */
bool programs_write(const struct config *cfg, char *out, size_t size, struct error *why);

#endif
