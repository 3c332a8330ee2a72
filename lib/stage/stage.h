/* stage - the body that every process of the pipeline shares.
 *
 * Options (-c FILE, -i INSTANCE, -n check only, -h), configuration, log, the folder and lock of
 * this instance, the event loop with SIGTERM as a drain and SIGHUP as a reload, the tap and the
 * figures twice a second. A stage runs in the foreground, logs to stderr, says `ready`, and ends 0
 * after a drain, 100 on wrong use or configuration (do not restart), 111 on trouble with the system
 * (restart). */
#ifndef TROTLINE_STAGE_H
#define TROTLINE_STAGE_H

#include <czmq.h>
#include <stdbool.h>

#include "lib/config/config.h"
#include "metrics.h"
#include "proto/frame.h"
#include "tap.h"

enum { EXIT_USAGE = 100, EXIT_SYSTEM = 111 };

struct stage {
	char name[80]; /* "validator", "handler-bounced" */
	size_t instance;
	struct config *cfg;
	zloop_t *loop;
	struct tap *tap;
	struct metrics *metrics;
	bool draining;
	/* private to stage.c */
	struct stage_private *priv;
};

/* Parses the command line and prepares everything above. Ends the process with 0 (-h, -n), 100 or
 * 111, having said why, when there is nothing to run. name must be the process's stage name. load:
 * loads the configuration with its secrets, now and on SIGHUP; it is used where the table of
 * processes says so of the name, else it may be NULL. */
typedef struct config *stage_load(const char *path, struct error *why);
struct stage *stage_new(const char *name, stage_load *load, int argc, char **argv);

/* Says that this process can wait: what is behind the journal yields the processor to what is
 * before it, so that a flood is accepted first and applied as time allows. */
void stage_yield(void);

/* One that is called, and by what; the stage's own. */
struct hook;

/* Calls fn whenever the socket has something to read; fn reads until it is empty. */
typedef void stage_reader(void *arg);
struct hook *stage_on_read(struct stage *st, zsock_t *sock, stage_reader *fn, void *arg);

/* Until it goes on again what comes stays in the socket. */
void stage_read_pause(struct hook *reader, zsock_t *sock);
void stage_read_on(struct hook *reader, zsock_t *sock);
void stage_on_fd(struct stage *st, int fd, stage_reader *fn, void *arg);

/* Calls fn every so many ms. */
void stage_every(struct stage *st, size_t ms, stage_reader *fn, void *arg);

/* For who waits outside of the loop: the figures go out all the same, so that others see that it lives. */
void stage_beat(struct stage *st);

/* A call that waits to be asked for: stage_call_after has fn called once, after so many ms, or when
 * it was to be called anyway, if that is earlier. The stage's own; when memory is short it is not called. */
struct hook *stage_call(struct stage *st, stage_reader *fn, void *arg);
void stage_call_after(struct hook *hook, size_t ms);

/* Calls fn once when SIGTERM or SIGINT comes, to begin the drain; fn (or a later call from the
 * loop) ends the loop with stage_stop. Without one, the signal stops the loop at once. */
void stage_on_drain(struct stage *st, stage_reader *fn, void *arg);
void stage_stop(struct stage *st);

/* Calls fn when SIGHUP comes and the file is good: it makes ready what it needs from next, or
 * refuses with the cause; then the old configuration stays whole. After true, st->cfg (the same
 * pointer) holds what next held, but for what needs a restart; texts of the old one stay valid
 * until the end. */
typedef bool stage_reload(void *arg, const struct config *next, struct error *why);
void stage_on_reload(struct stage *st, stage_reload *fn, void *arg);

/* Says that the stage is ready, then runs the loop until it is stopped. */
void stage_run(struct stage *st);

/* Frees everything; returns the process's exit status. */
int stage_destroy(struct stage **st);

/* Logs the cause and ends the process with 111: for what cannot go on at start. */
_Noreturn void stage_fail(const char *what, const struct error *why);

/* The same with 100: for what a restart does not mend. */
_Noreturn void stage_refuse(const char *what, const struct error *why);

#endif
