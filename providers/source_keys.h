/* source_keys - a source of trotline.yaml as the validator checks with it, and the command line. */
#ifndef TROTLINE_PROVIDERS_SOURCE_KEYS_H
#define TROTLINE_PROVIDERS_SOURCE_KEYS_H

#include "key.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "provider.h"

/* The source's provider with its keys made ready, for provider_source_destroy; the configuration
 * must outlive it. NULL with the cause. */
struct provider_source *source_keys(const struct config_source *source, struct error *why);

/* The same without keys, for provider_read alone. */
struct provider_source *source_reader(const struct config_source *source, struct error *why);

/* Loads the file with its secrets; a scheme that a provider does not have, a key that cannot be
 * read or one that the world knows is a fault of it. NULL with the cause. */
struct config *source_keys_load(const char *path, struct error *why);
/* The same for the process that has them alone: destinations' are wiped from its environment. */
struct config *source_keys_load_alone(const char *path, struct error *why);

/* What its secrets are, by its provider and scheme; KEY_NONE also where these do not fit. */
enum key_form source_key_form(const struct config_source *source);

#endif
