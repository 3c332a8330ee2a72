/* refusals - every reason for which ingress itself says no, and what the sender is told: the one
 * place where a 4xx and a 503 of ingress stand. What the validator refuses is in
 * validator/answer.c. Pure. */
#ifndef TROTLINE_INGRESS_REFUSALS_H
#define TROTLINE_INGRESS_REFUSALS_H

#include "lib/config/config.h"
#include "lib/stage/head.h"

/* X(name, status, text, when); those of a head come first, in their order */
#define REFUSALS(X)                                                                                \
	HEAD_FAULTS(X)                                                                             \
	X(PATH, 404, "Not found", "nothing has that path")                                         \
	X(METHOD, 405, "Method not allowed", "its path has others")                                \
	X(BODY, 413, "Body too large",                                                             \
		"over limits.event_size or batch_size, or what its provider sends")                \
	X(STOPPING, 503, "Service unavailable", "this process drains")                             \
	X(PLACES, 503, "Service unavailable", "limits.connections requests are under way")         \
	X(CONNECTIONS, 503, "Too many connections",                                                \
		"of its address, or limits.connections; it may only ask for the pipeline's state") \
	X(SHARE, 503, "Service unavailable", "its source has half of them")                        \
	X(MEMORY, 503, "Service unavailable", "limits.memory is used, or memory is short")         \
	X(NO_VERDICT, 503, "No verdict in time", "limits.answer_timeout is over")

enum refusal_cause {
	REFUSAL_NONE,
#define REFUSAL_CAUSE(name, status, text, when) REFUSAL_##name,
	REFUSALS(REFUSAL_CAUSE)
#undef REFUSAL_CAUSE
};

static inline enum refusal_cause
refusal_of_head(enum head_fault fault)
{
	return (enum refusal_cause)fault;
}

struct refusal {
	const char *name, *when; /* for whoever watches */
	unsigned status;
	const char *text;       /* the body is {"error": text} */
	unsigned retry_after_s; /* 0: no such header */
};

/* source: the one that is asked for, or NULL. Trouble of ours is 503, but another status for the
 * providers that give up on a 503. */
struct refusal refusal_of(enum refusal_cause cause, const struct config_source *source);

#endif
