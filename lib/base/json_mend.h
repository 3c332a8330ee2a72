/* json_mend - what strict readers refuse though its grammar is JSON's: half a surrogate pair, where
 * somebody has cut a text in an emoji, and numbers beyond 64 bits. Pure. */
#ifndef TROTLINE_BASE_JSON_MEND_H
#define TROTLINE_BASE_JSON_MEND_H

#include <stdbool.h>

#include "slice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A copy of the text in which an escape that is half a pair is \ufffd, the replacement character,
 * and a whole number beyond 64 bits or one beyond a double is the text of its digits; all else is as
 * it was, faults too. Absent when there is nothing to mend, or memory is short: then *starved. The
 * caller frees out.p. */
struct slice json_mend(struct slice text, bool *starved);

#ifdef __cplusplus
}
#endif

#endif
