/* native - the trotline format: {"event_type", "event_id", "timestamp", "data"} to a common event.
 *
 * Pure: no clock, no I/O. `timestamp` is unix seconds (a fraction is kept to the ms; a number from
 * 1e11 on is taken as ms) or RFC 3339 text. Keys beside the four are kept, as the map
 * `envelope` in `data` (unless `data` has such a key of its own). */
#ifndef TROTLINE_VALIDATOR_NATIVE_H
#define TROTLINE_VALIDATOR_NATIVE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"

enum native_field { NATIVE_TYPE, NATIVE_ID, NATIVE_TIMESTAMP, NATIVE_DATA, NATIVE_FIELDS };

/* The required fields, in the order in which an answer lists them. */
extern const char *const native_names[NATIVE_FIELDS];

struct native_event {
	struct slice type, id, email; /* email: data.email, or absent */
	int64_t ts_ms;
	msgpack_object data;
	unsigned missing; /* bit 1 << native_field: missing or of the wrong type */
};

/* Reads an object of the native format; false when `missing` is not 0 (id and type are set where
 * they are good) or when memory is short (missing is 0 then). */
bool native_read(const msgpack_object *object, msgpack_zone *zone, struct native_event *ev);

enum freshness { FRESH, TOO_OLD, FROM_THE_FUTURE };

enum freshness native_freshness(
	int64_t ts_ms, uint64_t now_ms, uint64_t max_age_ms, uint64_t max_future_ms);

/* "2026-01-02T03:04:05[.678][Z|+01:00]" to ms since 1970; without a zone it is UTC. */
bool native_parse_time(struct slice text, int64_t *ms);

#endif
