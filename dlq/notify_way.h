/* notify_way - how one notice goes out. Both wait for its end; for the threads of notify.c only. */
#ifndef TROTLINE_DLQ_NOTIFY_WAY_H
#define TROTLINE_DLQ_NOTIFY_WAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

struct notify_limits {
	uint64_t timeout_ms;
	const atomic_bool *stop; /* becomes true: cut it off */
};

/* Runs sh -c command with the text on its standard input, its own output thrown away. True when it
 * exits 0. It and all that it has started and kept in its process group is ended at the time-out,
 * and it is reaped in any case. The text must fit into a pipe (64 KiB). */
bool notify_command(const char *command, const char *text, const struct notify_limits *limits,
	struct error *why);

/* POSTs the text as JSON. True when the answer is 2xx. */
bool notify_url(
	const char *url, const char *text, const struct notify_limits *limits, struct error *why);

#endif
