/* members - the destinations of the configuration while the stage runs: those that come, change and leave with it. */
#ifndef TROTLINE_FORWARD_MEMBERS_H
#define TROTLINE_FORWARD_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "deliverer.h"
#include "destination.h"
#include "lib/config/config.h"

struct members {
	struct deliverer *dl;
	const struct config *cfg;
	const char *history; /* its folder */
	struct destination *list;
	struct destination *leaving; /* out of the configuration, with requests under way */
	bool left_out, told;         /* one cannot be started; that is in the log */
};

/* One whose keys cannot be used is left out and tried again, and stops no other. Ends the process where forward.db
 * cannot be used. */
void members_start(struct members *m);

/* All as the configuration has them, or nothing is changed: false with the cause. */
bool members_reload(struct members *m, const struct config *next, struct error *why);

/* Once a second: keys, places in the history, figures, those that have left. */
void members_second(struct members *m);

/* The wall clock has jumped by so much. */
void members_shift(struct members *m, int64_t ms);

/* There is another, empty forward.db: all that is known is to be written with the next commit. */
void members_write_anew(struct members *m);

void members_close(struct members *m);

#endif
