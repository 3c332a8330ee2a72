/* timestamp - points in time: the one reader of what senders and people write, and the one writer.
 *
 * Pure. A time is ms since 1970, up to the end of the year 9999, cut (not rounded) to the ms, so
 * that a time of nine fraction digits and its copy with three stay the same. The forms that are
 * read, and those that are refused, stand in a table in docs/events.md. */
#ifndef TROTLINE_TIMESTAMP_H
#define TROTLINE_TIMESTAMP_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "slice.h"

enum { TIMESTAMP_BYTES = 32 };

/* ms since 1970 as "2026-01-02T03:04:05.678Z"; returns out. */
char *timestamp_text(uint64_t ms, char out[TIMESTAMP_BYTES]);

/* What a sender says: seconds or (from 1e11 on) ms since 1970, as a number or as decimal text; or
 * date and time as in RFC 3339. False when it is none of them, or not after 1970 began. */
bool timestamp_of_text(struct slice text, int64_t *ms);

/* The same of a value that may be NULL (not there); 0 for none. */
int64_t timestamp_of(const msgpack_object *value);

/* What a person writes: the same, also a date alone (its midnight, UTC), a time ago ("90s", "2h", "7d")
 * seen from now_ms, or yesterday, today, tomorrow (their midnight). False with what is taken
 * instead. */
bool timestamp_read(const char *text, uint64_t now_ms, uint64_t *ms, struct error *why);

#endif
