/* units - durations, sizes and whole numbers as people write them. Pure. */
#ifndef TROTLINE_BASE_UNITS_H
#define TROTLINE_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

enum { UNITS_TEXT = 32 };

/* "250ms", "30s", "10m", "24h", "30d" to ms. False for everything else, and beyond 64 bits. */
bool units_read_duration(const char *text, uint64_t *ms);

/* "64KiB", "1MiB", "2GiB", "2TiB" or plain bytes; KB, MB, GB and TB are of 1000, K, M, G and T alone of
 * 1024; in any case of letters. False for everything else, and beyond 64 bits. */
bool units_read_size(const char *text, uint64_t *bytes);

/* Decimal digits and nothing else. */
bool units_read_count(const char *text, uint64_t *count);

/* As the first reads it, in the largest unit of which it is a whole number; returns out. */
char *units_duration_text(uint64_t ms, char out[UNITS_TEXT]);

/* How long before now it is: "12 s ago", "3 min ago", "in 2 h", "now"; returns out. */
char *units_ago_text(uint64_t at_ms, uint64_t now_ms, char out[UNITS_TEXT]);

/* 1536 as "1.5 KiB", for people; returns out. */
char *units_size_text(double bytes, char out[UNITS_TEXT]);

#endif
