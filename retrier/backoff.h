/* backoff - when an event that was answered RETRY is tried again; pure. */
#ifndef TROTLINE_RETRIER_BACKOFF_H
#define TROTLINE_RETRIER_BACKOFF_H

#include <stdint.h>

#include "lib/config/config.h"

/* Milliseconds to wait before the try after `attempts` (from 1) that ended in RETRY: the delay
 * doubles with each, up to the cap, then is spread evenly over +-jitter by `random` (any 64 bits).
 */
uint64_t backoff_ms(const struct config_retry *retry, uint64_t attempts, uint64_t random);

/* The longest wait that any event type's rule can give. */
uint64_t backoff_longest_ms(const struct config *cfg);

#endif
