/* place - what must be there before the first stage starts: folders, secrets, a free port. */
#ifndef TROTLINE_CLI_PLACE_H
#define TROTLINE_CLI_PLACE_H

#include <stdbool.h>

#include "lib/config/config.h"

/* Did another node adopt what is in data_dir? Then nothing is started there again: *why says so. */
bool place_adopted(const struct config *cfg, struct error *why);

/* Makes data_dir, run/ and log/ with mode 0700. */
bool place_folders(const struct config *cfg, struct error *why);

/* Takes the lock of this data_dir for as long as the descriptor, or a copy of it, is open.
 * Waits up to a minute for what a killed `up` has left to stop. -1 with the cause, which names the
 * process that has the lock. */
int place_lock(const struct config *cfg, struct error *why);

/* Gives each source whose secrets_file does not exist one with a random secret, mode 0600, and says
 * so on stdout. */
bool place_secrets(const struct config *cfg, struct error *why);

/* Is a source's secrets_file there, or can `place_secrets` make it? False with the cause. */
bool place_secret_can_be(const struct config_source *src, struct error *why);

/* With the secrets in place the whole file must hold. False with the cause; a weak secret is only
 * warned of, in the name of the verb. */
bool place_check_secrets(const struct config *cfg, const char *verb, struct error *why);

/* Can the address be listened on? */
bool place_port(const struct config *cfg, struct error *why);

#endif
