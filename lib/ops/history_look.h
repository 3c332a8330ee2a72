/* history_look - events of the history as operators see them. Only reads. */
#ifndef TROTLINE_OPS_HISTORY_LOOK_H
#define TROTLINE_OPS_HISTORY_LOOK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>

#include "found.h"
#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/config/config.h"
#include "lib/store/history.h"

/* Events a page, and bytes of them as msgpack. */
enum { HISTORY_PAGE = 50, HISTORY_PAGE_MOST = 500, HISTORY_PAGE_BYTES = 4 << 20 };

/* How long one look of a page takes at most; then it is not complete, and its cursor goes on. */
enum { HISTORY_LOOK_US = 500000 };

/* The history of a configuration. NULL with the cause; where none is kept, or nothing has come yet, the
 * cause says so and how to change that. history_view_close it. */
struct history_view *history_look_open(const struct config *cfg, struct error *why);

/* An event as a map in the zone: {pos, id, event_type, email, timestamp, received_at, source, event_id,
 * message_id, campaign_id, batch_id, machine, detail}; what else it has is as the question says: its data
 * stays the event's. */
struct history_ask;
bool history_look_object(const struct history_event *event, const struct history_ask *ask,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

struct history_ask {
	struct history_filter filter;
	const char *cursor; /* of the page before, or NULL */
	size_t limit;       /* 0: all */
	uint64_t budget_us; /* 0: as long as it takes */
	bool whole;
	bool marks; /* with room for `status` and `late`, which mail_paths.h fills */
	/* As long as it takes: called now and then with how many have been looked at; may be NULL. */
	void (*on_step)(void *arg, uint64_t looked);
};

struct history_told {
	char cursor[HISTORY_CURSOR_ROOM]; /* where the next page begins; "" where there is none */
	bool complete;                    /* nothing more is there */
	size_t damaged;                   /* files that could not be read, or not whole */
};

/* One event, newest first; it lives as long as the call. False: enough. */
typedef bool history_look_visit(
	void *arg, const struct history_event *event, const msgpack_object *object);

/* Does all of the time that is asked for end before the oldest event that is kept: a day before it, or
 * anywhere before it once older ones have gone? True with the words. */
bool history_look_gone(
	struct history_view *view, const struct history_filter *filter, struct error *why);

/* OPS_FOUND, also when there is none; OPS_WRONG, OPS_NOT_FOUND (that time is gone) or OPS_TROUBLE with the
 * cause. */
enum ops_found history_look_each(struct history_view *view, const struct history_ask *ask,
	history_look_visit *fn, void *arg, struct history_told *told, struct error *why);

/* Each that comes from now on, oldest first. wait is called where there is none, and waits a moment; until it
 * or fn says false. */
enum ops_found history_look_follow(struct history_view *view, const struct history_ask *ask,
	history_look_visit *fn, void *arg, bool (*wait)(void *arg), struct error *why);

/* A page of them in the list, which outlives the look: at most as many as the limit (0: HISTORY_PAGE)
 * and HISTORY_PAGE_BYTES. */
enum ops_found history_look_page(struct history_view *view, const struct history_ask *ask,
	struct list *events, struct history_told *told, struct error *why);

/* {events, complete, cursor, damaged_files} of such a page. */
enum ops_found history_look_answer(struct history_view *view, const struct history_ask *ask,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

/* What a page's answer says of how whole it is. */
void history_told_put(const struct history_told *told, struct map *m);

#endif
