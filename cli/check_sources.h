/* check_sources - what `check` says of a source that is good and yet may not do what is meant. */
#ifndef TROTLINE_CLI_CHECK_SOURCES_H
#define TROTLINE_CLI_CHECK_SOURCES_H

#include <stdbool.h>

#include "lib/config/config.h"

/* Does a signature of its requests hold a time? Only then max_age bounds how long one is good. */
bool check_time_is_signed(const struct config_source *source);

/* Prints on stdout what max_age comes to where no time is signed. */
void check_print_age(const struct config_source *source);

/* The name of an earlier source of the configuration (read with its secrets) that has one of this
 * one's secrets too, or NULL. */
const char *check_shares_secret(const struct config *whole, size_t source);

#endif
