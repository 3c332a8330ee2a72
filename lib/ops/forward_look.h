/* forward_look - destinations as operators see them: how each is and how far, what was tried, its dead letters,
 * replays. Only reads. */
#ifndef TROTLINE_OPS_FORWARD_LOOK_H
#define TROTLINE_OPS_FORWARD_LOOK_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "found.h"
#include "lib/base/error.h"
#include "lib/base/map.h"
#include "lib/config/config.h"
#include "lib/store/forward.h"
#include "lib/store/history.h"

struct forward_look {
	const struct config *cfg;
	struct forward *store;     /* NULL: no stage has made it yet */
	struct history_view *view; /* NULL: there is no history yet */
	uint64_t first, last;      /* its numbers; 0: none */
	uint64_t now_ms;
	bool without_keys; /* who looks is given none: they are not read, and `keys` is null */
};

/* use: FORWARD_LOOK, or FORWARD_CHANGE for who acts. False with the cause: what is there cannot be read. To be
 * closed after either. */
bool forward_look_open(
	struct forward_look *l, const struct config *cfg, enum forward_use use, struct error *why);
void forward_look_close(struct forward_look *l);

/* Is one of that name configured, or known from before? OPS_NOT_FOUND with the cause, which says what may have been
 * meant. *kept (may be NULL): does the store know it? */
enum ops_found forward_look_name(
	const struct forward_look *l, const char *name, bool *kept, struct error *why);

/* Adds an object for each, those of the configuration in its order, then those that have left it: {name,
 * configured, url (without its query), state (that of forward.h, or "new"), since, paused, lag: {events, seconds},
 * owed, dead, delivered, missed, skipped, last_status, last_try, last_success, cause, concurrency, rate, next}.
 * lag.events: numbers that it has not read yet, whether it wants them or not, and what it is owed beside;
 * lag.seconds: how long ago the oldest of them was accepted. False with the cause. */
bool forward_look_list(struct forward_look *l, struct list *all, struct error *why);

/* The same of one, and {added, next_due, skip_to, history: {first, last}, types, sources, machine, from, data, order,
 * batch_events, timeout_ms, retry_ms, network, keys: {live, next_goes}, keys_error, replays: [those that have not
 * ended]}. */
enum ops_found forward_look_show(struct forward_look *l, const char *name, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

/* One row; it lives as long as the call. False: enough. */
typedef bool forward_look_visit(void *arg, const msgpack_object *row);

/* {number, at, id, type, reason, try, status, took_ms, cause, answer}, the newest first. id NULL: of all events. */
enum ops_found forward_look_attempts(struct forward_look *l, const char *name, const char *id,
	uint64_t most, forward_look_visit *fn, void *arg, struct error *why);

/* {number, id, type, email, sequence, replay, attempts, first_try, failed_at, status, reason}; whole: with the
 * answer, and the body as it was sent. */
enum ops_found forward_look_letters(struct forward_look *l, const char *name, uint64_t most,
	bool whole, forward_look_visit *fn, void *arg, struct error *why);
/* which: its number, or the id under which it was sent. */
enum ops_found forward_look_letter(struct forward_look *l, const char *name, const char *which,
	forward_look_visit *fn, void *arg, struct error *why);

/* {id, to, state, email, type, source, since, until, rate, new_ids, meant, sent, dead, missed, share (of its numbers
 * that are behind it, 0 to 1), made, ended}; id 0: all, the newest first. */
enum ops_found forward_look_jobs(
	struct forward_look *l, uint64_t id, forward_look_visit *fn, void *arg, struct error *why);

/* How many events a second it takes, by its last answers; 0: nobody knows. */
uint64_t forward_look_pace(struct forward_look *l, const char *name);

#endif
