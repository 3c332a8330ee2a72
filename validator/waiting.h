/* waiting - requests with an event that another node is storing just now: they leave their group, so that
 * nobody else waits, and come back with a later one, after 20, 40, 80 ... ms.
 *
 * A kill loses them as it loses what is queued: ingress asks again, or answers 503. */
#ifndef TROTLINE_VALIDATOR_WAITING_H
#define TROTLINE_VALIDATOR_WAITING_H

#include "job.h"

enum { WAITING_MAX = 256, WAITING_BYTES = 16 << 20 };

struct waiting {
	struct job *jobs; /* made at the first need */
	size_t count, bytes;
	bool hasten; /* all of them are due at once */
};

void waiting_close(struct waiting *w);

/* Takes what is in a busy job, and leaves it empty. False: there is no room for it. */
bool waiting_take(struct waiting *w, struct job *job);

/* Gives one that is due, into a job that is empty. */
bool waiting_next(struct waiting *w, uint64_t now_ms, struct job *job);

/* Is there one? */
bool waiting_due(const struct waiting *w, uint64_t now_ms);

/* In how many ms the next one is due, at least 1; 0: there is none. */
uint64_t waiting_ms(const struct waiting *w, uint64_t now_ms);

#endif
