/* figures - what a destination's figures say; see METRIC_FAMILIES. */
#ifndef TROTLINE_FORWARD_FIGURES_H
#define TROTLINE_FORWARD_FIGURES_H

#include "destination.h"
#include "item.h"
#include "lib/stage/metrics.h"
#include "lib/store/history.h"

/* They stand from the start. */
void figures_open(struct metrics *m, const struct destination *d);
/* A request was answered. */
void figures_answer(struct metrics *m, const struct item *item, enum answer_class what);
/* So many events were answered 2xx, given up, or were gone. */
void figures_done(struct metrics *m, const struct destination *d, uint64_t events);
void figures_dead(struct metrics *m, const struct destination *d, bool guarded);
void figures_missed(struct metrics *m, const struct destination *d, uint64_t events);
/* Once a second: how it is, and how far behind. view NULL: there is no history. */
void figures_tell(struct metrics *m, struct destination *d, struct history_view *view);
/* One that cannot be started, or no longer so. */
void figures_left_out(struct metrics *m, const char *name, bool is);
/* It has left: nothing of it is in trouble any more. */
void figures_close(struct metrics *m, struct destination *d);

#endif
