/* notices - tells at once, in figures and in the log, of accepted events that providers/notice.h has
 * something to say of: a kind that stands in no table, mail to nobody.
 *
 * State: the kinds that were met, KINDS_MAX of each provider at most (all others are "other"), and
 * the sources; a kill forgets them, and they are told anew. */
#ifndef TROTLINE_VALIDATOR_NOTICES_H
#define TROTLINE_VALIDATOR_NOTICES_H

#include <stdbool.h>

#include "job.h"
#include "lib/config/config.h"
#include "lib/stage/metrics.h"

struct notices;

/* The figures outlive it. NULL when memory is short. */
struct notices *notices_new(struct metrics *figures);
void notices_destroy(struct notices **n);

/* Opens the series of the configuration's sources, so that a rate can be told from the first event
 * on. */
void notices_open(struct notices *n, const struct config *cfg);

/* One event of a job, stored by now; in_table: its type is one of proto/types.h. Of each kind and of
 * each source the first is logged at once, then one line a minute at most, with how many came
 * since. */
void notices_event(struct notices *n, const struct config *cfg, const struct job *job,
	const struct candidate *c, bool in_table);

#endif
