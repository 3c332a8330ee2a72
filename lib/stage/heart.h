/* heart - tells others that this process goes on: the watcher, and systemd where it asks for it
 * (WatchdogSec=).
 *
 * The stage's loop beats. While the loop stands and says what it is at (doing.h), a thread beats for it;
 * that sleeps as long as the loop goes. So nothing is heard of a process that is stopped, or that has
 * lost itself; and who waits for a disk is heard, with that word. A beat that nobody takes is lost. */
#ifndef TROTLINE_STAGE_HEART_H
#define TROTLINE_STAGE_HEART_H

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"

/* Twice a second the loop says that it goes; a beat goes out every two seconds. */
enum { HEART_LOOP_MS = 500, HEART_BEAT_MS = 2000 };

/* Where beats go, in run/: to the watcher; the watcher's own to the two who watch it, lest nobody be left
 * when one of them hangs with it. */
#define HEART_BEATS "beats"
#define HEART_BEATS_OF_WATCHER "beats-watcher"
#define HEART_BEATS_OF_WATCHER_TOO "beats-watcher-too"

struct heart;

/* The first beat is out when it returns; signals that threads must not take are blocked by then. deaths:
 * how often in a row it has died. name and cfg outlive it. NULL with the cause. */
struct heart *heart_new(const struct config *cfg, const char *name, uint64_t instance,
	uint64_t deaths, struct error *why);
void heart_destroy(struct heart **h);

/* The loop goes. */
void heart_beat(struct heart *h);

/* It has lived for long enough: its deaths are forgotten. */
void heart_forget_deaths(struct heart *h);

#endif
