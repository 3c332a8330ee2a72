/* steering - characters that steer who reads a text instead of being read: they move a terminal's
 * cursor, turn the direction of what stands behind them, or end a line for some programs only. */
#ifndef TROTLINE_BASE_STEERING_H
#define TROTLINE_BASE_STEERING_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of such a character at p, of which n are left; 0 when another stands there. These are C0,
 * DEL and C1 (U+0080 to U+009F), U+2028, U+2029, and those of Unicode's Bidi_Control (UAX #9):
 * U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069. *code: which; may be NULL. */
size_t steering_at(const char *p, size_t n, uint32_t *code);

#endif
