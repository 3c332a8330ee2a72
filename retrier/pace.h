/* pace - how many events the retrier may have out on each route; pure.
 *
 * A route begins with one event out, doubles with each verdict up to PACE_MOST, and falls back to
 * one with a pause when the router says that no handler has room: the pause doubles from 50 ms to 1
 * s. So a missing handler costs one probe a second, and one that comes back gets all at once. */
#ifndef TROTLINE_RETRIER_PACE_H
#define TROTLINE_RETRIER_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { PACE_MOST = 2048, PACE_PAUSE_MS = 50, PACE_PAUSE_MOST_MS = 1000 };

struct pace {
	uint64_t window;             /* events that may be out */
	uint64_t out;                /* events that are */
	uint64_t pause_ms, until_ms; /* monotonic */
};

void pace_init(struct pace *p);

/* How many more may be sent now. */
uint64_t pace_room(const struct pace *p, uint64_t now_ms);

void pace_sent(struct pace *p);
void pace_ended(struct pace *p);                    /* one that was out has its verdict */
void pace_alive(struct pace *p);                    /* a handler of the route has answered */
void pace_refused(struct pace *p, uint64_t now_ms); /* the router had no room */

#endif
