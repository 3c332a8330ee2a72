/* warden - watches processes and ends those that hang, so that their supervisor starts them again.
 *
 * In: beats, as datagrams whose sender's process id the kernel vouches for; the locks in run/. Out:
 * SIGKILL to a process that hangs and still holds its lock; figures (DOING, DEATHS, HUNG). State: watch.h.
 * Two of them, so that none is unwatched: the watcher has all others in sight, the retrier the watcher. */
#ifndef TROTLINE_STAGE_WARDEN_H
#define TROTLINE_STAGE_WARDEN_H

#include "stage.h"

struct warden;

/* beats: a name of heart.h. only: the one stage that it watches, or NULL for all but its own. Ends the
 * process when it cannot start. */
struct warden *warden_new(struct stage *st, const char *beats, const char *only);
void warden_destroy(struct warden **w);

#endif
