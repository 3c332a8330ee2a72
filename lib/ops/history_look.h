/* history_look - events of the history as operators see them. Only reads. */
#ifndef TROTLINE_OPS_HISTORY_LOOK_H
#define TROTLINE_OPS_HISTORY_LOOK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "found.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "lib/store/history.h"

enum { HISTORY_PAGE = 50, HISTORY_PAGE_MOST = 500 };

/* The history of a configuration. NULL with the cause; where none is kept, or nothing has come yet, the
 * cause says so. history_view_close it. */
struct history_view *history_look_open(const struct config *cfg, struct error *why);

/* An event as a map in the zone, which it and the event must not outlive. whole: with its data. */
bool history_look_object(const struct history_event *event, bool whole, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

struct history_ask {
	struct history_filter filter;
	const char *cursor; /* of the page before, or NULL */
	size_t limit;       /* 0: all */
	bool whole;
};

/* One event, newest first; it lives as long as the call. False: enough. */
typedef bool history_look_visit(void *arg, const msgpack_object *event);

/* Goes on until the limit is reached or all has been seen. cursor: where the next page begins, or "".
 * OPS_FOUND, also when there is none; OPS_WRONG or OPS_TROUBLE with the cause. */
enum ops_found history_look_each(struct history_view *view, const struct history_ask *ask,
	history_look_visit *fn, void *arg, char cursor[HISTORY_CURSOR_ROOM], struct error *why);

#endif
