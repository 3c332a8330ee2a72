/* check_redis - the part of `check` about redis: how each server is, asked now; no secret is shown. */
#ifndef TROTLINE_CHECK_REDIS_H
#define TROTLINE_CHECK_REDIS_H

#include <msgpack.h>

#include "lib/config/config.h"

void check_print_redis(const struct config *cfg);
msgpack_object check_redis_object(const struct config *cfg, msgpack_zone *zone);

#endif
