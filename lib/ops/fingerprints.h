/* fingerprints - by which two nodes tell whether their secrets are the same, without telling them.
 *
 * The validator, which has the secrets, writes them into run/fingerprints; admin shows them to who has its
 * token. One is 64 bits of an HMAC over a secret of at least 16 bytes; a shorter one, which could be
 * guessed by it, has none. */
#ifndef TROTLINE_OPS_FINGERPRINTS_H
#define TROTLINE_OPS_FINGERPRINTS_H

#include <msgpack.h>

#include "lib/config/config.h"

/* {sources: {NAME: [fingerprint or nil]}, redis: ["host:port/db"]} of what this process has been given. */
msgpack_object fingerprints_object(const struct config *cfg, msgpack_zone *zone);

/* Puts them into the file, whole or not at all. False with the cause. */
bool fingerprints_write(const struct config *cfg, struct error *why);

/* What stands there, in the zone; nil where there is nothing (yet). */
msgpack_object fingerprints_read(const struct config *cfg, msgpack_zone *zone);

#endif
