/* trace - what the log tells of those who ask: who has changed what, and who was refused. */
#ifndef TROTLINE_ADMIN_TRACE_H
#define TROTLINE_ADMIN_TRACE_H

#include <stdint.h>

#include "lib/stage/listener.h"

/* A request was refused: at most a line a second, which tells how many there were since the last one. */
struct trace {
	uint64_t told_ms; /* monotonic; 0: never */
	uint64_t more;    /* refused since, and not told */
};
void trace_refused(struct trace *t, const struct listener_request *rq, unsigned status,
	const char *cause, uint64_t now_ms);
/* Once a second: tells of those that were refused since the last line. */
void trace_rest(struct trace *t, uint64_t now_ms);

/* Letters were moved by a request: what it asked for stands in its line. */
void trace_changed(const struct listener_request *rq, const char *action, uint64_t letters);

#endif
