/* smtp - reply codes and enhanced status codes (RFC 3463) out of texts for people. Pure. */
#ifndef TROTLINE_BASE_SMTP_H
#define TROTLINE_BASE_SMTP_H

#include <stdint.h>

#include "slice.h"

/* The reply code (200 to 599) that a reason begins with, also behind "smtp;" or in brackets, or
 * that stands directly before an enhanced code; 0 for none. */
uint64_t smtp_code(struct slice reason);

/* The first RFC 3463 code (5.1.1) in it that is no part of an IP address; points into reason. */
struct slice smtp_enhanced(struct slice reason);

#endif
