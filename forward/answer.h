/* answer - what an answer says about the event, and about the destination. Pure: the table of docs/forward.md. */
#ifndef TROTLINE_FORWARD_ANSWER_H
#define TROTLINE_FORWARD_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"

/* How a request ended that had no answer: X(name, words). */
#define TROUBLES(X)                                                                                \
	X(REACHED, "")                                                                             \
	X(NO_ADDRESS, "its name is not found")                                                     \
	X(NO_CONNECTION, "cannot be connected to")                                                 \
	X(NO_TLS, "TLS fails")                                                                     \
	X(TIMED_OUT, "does not answer in time")                                                    \
	X(CUT_OFF, "cuts the connection")                                                          \
	X(NOT_ALLOWED, "its address is not allowed")
#define TROUBLE_ENUM(name, words) name,
enum trouble_kind { TROUBLES(TROUBLE_ENUM) TROUBLES_COUNT };
extern const char *const trouble_words[TROUBLES_COUNT];

enum answer_class {
	ANSWER_DONE,    /* 2xx */
	ANSWER_GONE,    /* 410: waits */
	ANSWER_SLOW,    /* 429, 502, 503, 504: waits, costs the event nothing */
	ANSWER_REFUSED, /* 401, 403, 404, 405, 407, 3xx: the same */
	ANSWER_BAD,     /* 400, 409, 413, 415, 422, other 4xx: its own schedule, 3 tries */
	ANSWER_ERROR,   /* 408, 425, other 5xx: its own schedule, and counts towards down */
	ANSWER_AWAY,    /* connect, DNS, TLS, time-out, cut off: waits */
	ANSWER_GUARDED, /* dead at once */
	ANSWER_CLASSES
};
extern const char *const
	answer_class_words[ANSWER_CLASSES]; /* done gone slow refused bad error away guarded */

enum answer_class answer_class(enum trouble_kind trouble, unsigned status);

/* "answers 404", or "answers 4xx" where it is none of those that are common: an application must not be able to
 * make figures without end. Returns out. */
enum { ANSWER_WORDS = 64 };
char *answer_words(unsigned status, char out[ANSWER_WORDS]);

/* What the event waits for after so many attempts that it was to blame for (1 and more), spread by +-20 %:
 * spread is 0 to 1. 0: it is given up. `retry`: the destination's schedule; ANSWER_BAD takes its first two. Of a
 * class that the event is not to blame for: 1, for the destination's pause is what it waits for. */
uint64_t answer_wait_ms(
	enum answer_class what, const uint64_t *retry, size_t n, uint64_t attempts, double spread);

/* Retry-After: seconds, or an HTTP date (RFC 9110 10.2.3). 0 for what is neither, or past; not more than most_ms. */
uint64_t answer_retry_after_ms(struct slice value, uint64_t now_ms, uint64_t most_ms);

#endif
