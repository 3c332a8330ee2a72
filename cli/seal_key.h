/* seal_key - private keys for trying out: those that providers keep for themselves. */
#ifndef TROTLINE_CLI_SEAL_KEY_H
#define TROTLINE_CLI_SEAL_KEY_H

#include <openssl/types.h>
#include <stdbool.h>

#include "lib/base/error.h"

/* The private key in a PEM file, for EVP_PKEY_free. NULL with the cause. */
EVP_PKEY *seal_key_load(const char *path, struct error *why);

/* Makes a key of the provider's kind in a new file (0600), for ses a certificate beside it, and
 * prints what goes to trotline.yaml. False with the cause; a file that is there is left alone. */
bool seal_key_make(const char *provider, const char *path, struct error *why);

#endif
