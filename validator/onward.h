/* onward - accepted events on their way to the routers, in bundles. What no router has room for, the
 * retrier is told of. */
#ifndef TROTLINE_VALIDATOR_ONWARD_H
#define TROTLINE_VALIDATOR_ONWARD_H

#include "job.h"
#include "lib/stage/parcel.h"
#include "lib/stage/stage.h"
#include "lib/store/journal.h"

struct onward {
	struct stage *st;
	const struct journal *journal;
	zsock_t *events, *advice;
	struct parcel accepted;
	uint64_t gone_ms;   /* monotonic: when the last one went */
	struct hook *later; /* the next one's time has come */
};

/* Connects to every router and to the retrier; o is zeroed. False: the process cannot go on. */
bool onward_open(
	struct onward *o, struct stage *st, const struct journal *journal, struct error *why);

/* Sends what is left. */
void onward_close(struct onward *o);

/* Takes a job's events that are new and durable; frames: where group_commit has packed them. */
void onward_take(struct onward *o, const struct job *job, const char *frames);

/* Sends what has been taken, now or soon. */
void onward_go_in_time(struct onward *o);

#endif
