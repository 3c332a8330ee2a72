/* check_destinations - what `check` says of applications that events are forwarded to. */
#ifndef TROTLINE_CLI_CHECK_DESTINATIONS_H
#define TROTLINE_CLI_CHECK_DESTINATIONS_H

#include <msgpack.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

/* Can their keys be used, where there are some yet? False with the cause, which names key, file and line. */
bool check_keys(const struct config *cfg, struct error *why);

msgpack_object check_destinations_object(const struct config *cfg, msgpack_zone *zone);
void check_print_destinations(const struct config *cfg);

/* What forward would miss here, on stderr: variables that `headers` name, a `ca_file`. This process's environment loses those of
 * senders. */
void check_warn_of_destinations(const struct config *cfg);

#endif
