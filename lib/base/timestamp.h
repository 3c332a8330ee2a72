/* timestamp - points in time as people write and read them. Pure. */
#ifndef TROTLINE_TIMESTAMP_H
#define TROTLINE_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

enum { TIMESTAMP_BYTES = 32 };

/* ms since 1970 as "2026-01-02T03:04:05.678Z"; returns out. */
char *timestamp_text(uint64_t ms, char out[TIMESTAMP_BYTES]);

/* Reads RFC 3339 ("2026-01-02T03:04:05Z", a date alone: its midnight UTC), seconds or (from 1e11
 * on) ms since 1970, or a time ago ("90s", "2h", "7d") seen from now_ms. False with what is taken
 * instead. */
bool timestamp_read(const char *text, uint64_t now_ms, uint64_t *ms, struct error *why);

#endif
