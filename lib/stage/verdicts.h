/* verdicts - the door of the retrier's socket: what became of an event.
 *
 * In: a socket to WIRE_VERDICTS or WIRE_ADVICE. Out: one frame on it. State: none. False: there was
 * no room, or memory is short, and nothing was sent; the events' leases bring them back. */
#ifndef TROTLINE_STAGE_VERDICTS_H
#define TROTLINE_STAGE_VERDICTS_H

#include <czmq.h>
#include <stdbool.h>

#include "proto/frame.h"

/* A verdict about one or more events of one journal; a reason of NULL is an empty one. */
bool stage_send_verdict(zsock_t *verdicts, struct slice journal, const uint64_t *seqs, size_t n,
	const char *verdict, struct slice reason, const char *who);

/* What is no verdict: an advice. Absent texts are sent as empty ones. */
bool stage_send_advice(zsock_t *advice, const struct advice *what);

#endif
