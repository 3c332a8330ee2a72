/* fetcher - fetches on a thread of its own, so that the validator's loop never waits for the
 * network.
 *
 * In: URLs, from the loop. Out: calls back on the loop, when it polls. State: at most FETCHES_MAX
 * fetches under way; a kill loses them. */
#ifndef TROTLINE_VALIDATOR_FETCHER_H
#define TROTLINE_VALIDATOR_FETCHER_H

#include "lib/base/fetch.h"
#include "lib/base/slice.h"

/* What certificates and confirmations may have under way together, so that none is ever too many. */
enum { FETCHES_MAX = 160 };

struct fetcher;

/* The thread starts with the first fetch. NULL when memory is short. */
struct fetcher *fetcher_new(fetch_function *fetch, void *fetch_arg);

/* Ends the fetch under way; what has not been polled is not called back. */
void fetcher_destroy(struct fetcher **fetcher);

/* got is NULL, and why says the cause, when no answer came. Both are gone after the call. */
typedef void fetch_done(
	void *arg, struct slice url, const struct fetched *got, const struct error *why);

/* Takes a copy of url. False when too many are under way, or the thread cannot be had. */
bool fetcher_send(struct fetcher *fetcher, struct slice url, fetch_done *done, void *arg);

/* Is anything under way that has not been called back? */
bool fetcher_busy(const struct fetcher *fetcher);

/* Calls back for all that have ended. */
void fetcher_poll(struct fetcher *fetcher);

#endif
