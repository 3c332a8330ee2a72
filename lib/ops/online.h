/* online - what is outside of this machine, asked now: the database, Redis, destinations. Only looks.
 *
 * For each thing: what is, what should be, how to set it. */
#ifndef TROTLINE_OPS_ONLINE_H
#define TROTLINE_OPS_ONLINE_H

#include <stdbool.h>

#include "lib/config/config.h"

enum online_level {
	ONLINE_GOOD,
	ONLINE_NOTE, /* worth knowing */
	ONLINE_FAULT,
};
extern const char *const online_words[];

struct online_finding {
	const char *of;   /* database, redis, destination */
	const char *name; /* which one: the server, or the destination's name */
	const char *what; /* fsync, policy, reach ... */
	enum online_level level;
	const char *is, *should, *how; /* "" where there is nothing to say */
};

/* They live as long as the call. */
typedef void online_visit(void *arg, const struct online_finding *finding);

/* cfg: loaded with CONFIG_OPERATOR. Each server has its own time-out; a destination has its own too. */
void online_look(const struct config *cfg, online_visit *fn, void *arg);

#endif
