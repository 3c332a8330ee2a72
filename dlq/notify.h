/* notify - tells operators of dead letters: on the first one at once, then at most one summary in
 * notify.interval, by a command and by an HTTP POST, each in a thread of its own.
 *
 * In: letters that were stored. Out: a notice's JSON (notice.h). State: what has died since the
 * last notice, in memory. Nothing here makes the caller wait: a way that hangs is cut off after the
 * time-out, one that fails is tried again with what has come since, three times in all. A kill
 * costs the notice that is due, never a letter. */
#ifndef TROTLINE_DLQ_NOTIFY_H
#define TROTLINE_DLQ_NOTIFY_H

#include "lib/config/config.h"
#include "notice.h"

struct notify;

enum notify_way { NOTIFY_COMMAND, NOTIFY_URL, NOTIFY_WAYS };

/* How the ways are called in labels and logs. */
extern const char *const notify_names[NOTIFY_WAYS];

enum { NOTIFY_TIMEOUT_MS = 10000 };

/* Starts the threads. timeout_ms: of one notice. NULL with the cause. */
struct notify *notify_new(const struct config *cfg, uint64_t timeout_ms, struct error *why);

/* Ends them within about a second: what is under way is cut off. */
void notify_destroy(struct notify **n);

/* Takes command, URL and interval from another configuration, whose texts must live on. */
void notify_set(struct notify *n, const struct config *cfg);

/* Takes note of letters that were stored, `total` of them in the store by now. */
void notify_add(struct notify *n, const struct notice *letters, uint64_t total);

/* What has become of the notices so far. */
struct notify_figures {
	uint64_t sent, failed;
	bool failing;      /* the last one failed, and no reload has come since */
	struct error last; /* why */
};
void notify_look(struct notify *n, enum notify_way way, struct notify_figures *figures);

#endif
