/* breaker - may something be sent to a destination, and how much of it at once? Pure: times are given.
 *
 * | state   | what is sent                                                   | it ends                              |
 * |---------|----------------------------------------------------------------|--------------------------------------|
 * | up      | as many at once as it takes, `concurrency` at most             |                                      |
 * | slow    | half as many, after a pause of 1 s doubling to 60 s            | 10 successes double it up to `most`  |
 * | down    | one probe after 1 s doubling to 60 s, +-20 %                   | the first 2xx: up, one at a time     |
 * | refused | a probe each 5 min                                             | the first 2xx                        |
 * | gone    | nothing                                                        | an operator's `enable`               |
 *
 * Down: after 5 times away or 10 errors without a success between them (mixed, an error is half a time away).
 * Refused: after 10 such answers without a success. Gone: 410 for two events, 10 s
 * apart without a success; between them nothing is sent for 10 s, then one at a time. A
 * success ends the suspicion. Answers to what was under way already, while a pause runs, do not make it longer; a
 * longer Retry-After does. */
#ifndef TROTLINE_FORWARD_BREAKER_H
#define TROTLINE_FORWARD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "lib/store/forward.h"

struct breaker {
	enum forward_state state;
	unsigned most, now; /* requests at once: configured, and what it may have now */
	unsigned successes; /* since `now` was last changed */
	unsigned trouble;   /* since the last success: 2 for each away, 1 for each error */
	unsigned refused;   /* since the last success */
	uint64_t pause_ms;  /* the last pause, or wait for a probe */
	uint64_t until_ms;  /* monotonic: nothing is sent before */
	uint64_t gone_pos,
		gone_ms; /* the first event that was answered 410, and when; 0: none since
				     * the last success */
};

/* state: as it was kept; one that was down or refused is probed at once. */
void breaker_open(struct breaker *b, enum forward_state state, unsigned most);

/* most has changed. */
void breaker_limit(struct breaker *b, unsigned most);

/* How many requests may be under way at now_ms: 0, 1 or more. *probe: it is to be one of the eight oldest, and another
 * than the last. */
unsigned breaker_room(const struct breaker *b, uint64_t now_ms, bool *probe);
/* When it may be more than now; 0, or a time that is past: not before something happens. */
uint64_t breaker_wakes_ms(const struct breaker *b);

/* A request for the event at pos was answered; was: by its class. spread: 0 to 1. True when the state changed. */
bool breaker_answer(struct breaker *b, enum answer_class what, uint64_t pos,
	uint64_t retry_after_ms, uint64_t now_ms, double spread);

/* Too many events are at fault (FORWARD_OWED_MAX): taken for down. */
bool breaker_overrun(struct breaker *b, uint64_t now_ms);
/* An operator says `enable`: it is probed at once. */
void breaker_enable(struct breaker *b, uint64_t now_ms);

#endif
