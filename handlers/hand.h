/* hand - which event a handler process has in hand, so that its death or its delay is a verdict
 * too.
 *
 * A crash or a time-out is a RETRY. The process cannot say so itself; so the event in hand stands
 * in a small mapped file, and the process that starts next reports it. Without that, an event that
 * kills its handler would take its whole group along each time, for ever. An event may be in hand
 * for HAND_SECONDS, or a second more; then SIGALRM ends the process, for it holds a turn that all
 * handlers wait for.
 *
 * In and out: <data_dir>/run/<stage>.<instance>.hand. A kill here costs nothing: a record that is
 * lost with the machine only means that nobody is blamed. */
#ifndef TROTLINE_HANDLERS_HAND_H
#define TROTLINE_HANDLERS_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"

enum { HAND_SECONDS = 10 };

struct hand;

/* NULL with the cause. The caller closes it. One process at a time may have a path open. */
struct hand *hand_open(const char *path, struct error *why);
void hand_close(struct hand **hand);

/* The event that the process before had in hand when it ended, until hand_reported. The journal's
 * id lives as long as the hand. */
bool hand_left(const struct hand *hand, struct slice *journal, uint64_t *seq);
void hand_reported(struct hand *hand);

/* The event is in hand from take to put; hand may be NULL. After the last one of a group the hand
 * rests, for the time of its commit is nobody's. */
void hand_take(struct hand *hand, struct slice journal, uint64_t seq);
void hand_put(struct hand *hand);
void hand_rest(struct hand *hand);

#endif
