/* destinations - what forward tells of each destination as figures, read from them again for health, `status`
 * and `top`. Pure. */
#ifndef TROTLINE_STAGE_DESTINATIONS_H
#define TROTLINE_STAGE_DESTINATIONS_H

#include "metrics.h"

enum { DESTINATION_STATE = 16, DESTINATION_CAUSE = 64 };

struct destination_figures {
	char state
		[DESTINATION_STATE]; /* up, slow, down, refused, gone; "": nothing is told of it */
	char cause[DESTINATION_CAUSE]; /* of any but up: such as "answers 404", "timed out" */
	double since_s;                /* unix time of that state, of any but up */
	bool paused;
	unsigned last_status;     /* of the last answer; 0: there was none */
	double lag_events, lag_s; /* not taken up yet; age of the oldest */
	double owed, dead,
		missed; /* requests beside its place; letters; events gone from history */
	double died_at_s, guarded_at_s, missed_at_s; /* unix time of the last; 0: never */
};

/* Of one destination, all that stands in the figures. */
void destination_read(const struct metrics *m, const char *name, struct destination_figures *out);

#endif
