/* load_engine - posts requests at a steady rate over many connections, through libcurl's multi
 * interface on epoll.
 *
 * Open loop: request n is due at start + n / rate, whether or not earlier ones have been answered,
 * and its latency counts from then. So a receiver that stalls is not spared the requests that would
 * have come meanwhile. */
#ifndef TROTLINE_CLI_LOAD_ENGINE_H
#define TROTLINE_CLI_LOAD_ENGINE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/openloop.h"
#include "lib/base/slice.h"

enum { LOAD_STATUSES = 600 };

struct load_result {
	struct openloop loop; /* requests: due, with an answer, with a 2xx */
	uint64_t broken;      /* without an answer: refused, cut, too late */
	uint64_t unsent;      /* due, but no connection was free until the end */
	uint64_t statuses[LOAD_STATUSES];
	char cause[256]; /* of the first that was broken */
	double seconds;  /* from the start to the last answer */
};

struct load_plan {
	const char *url;
	double rate; /* requests a second */
	uint64_t duration_ms;
	uint64_t connections; /* at most so many requests under way; what is due waits */
	uint64_t timeout_ms;  /* of one request; also for what is late at the end */
	/* Makes request n: its body, malloc'd, and its signature of SIGNATURE_MAX bytes.
	 * False with the cause ends the run. */
	bool (*make)(void *arg, uint64_t n, struct slice *body, char *signature, struct error *why);
	void (*progress)(void *arg, const struct load_result *so_far); /* every second */
	void *arg;
	const volatile sig_atomic_t *stop; /* not 0: no more requests */
};

/* Runs the plan to its end. False with the cause when it could not run at all. */
bool load_engine_run(const struct load_plan *plan, struct load_result *result, struct error *why);

#endif
