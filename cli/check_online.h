/* check_online - what `check --online` has found outside: the database, Redis, destinations. */
#ifndef TROTLINE_CLI_CHECK_ONLINE_H
#define TROTLINE_CLI_CHECK_ONLINE_H

#include <msgpack.h>

#include "lib/config/config.h"

/* Asks all, and prints what it finds; returns how many faults there are. False in *good with the cause: the
 * secrets for it could not be read. */
bool check_online(const char *path, uint64_t *faults, struct error *why);

/* The same as an object in the zone: {good, faults, findings: [{of, name, what, level, is, should, how}]}. */
bool check_online_object(const char *path, msgpack_zone *zone, msgpack_object *out,
	uint64_t *faults, struct error *why);

#endif
