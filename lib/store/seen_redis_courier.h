/* seen_redis_courier - a thread that does what must not hold up the groups: it connects to servers, names
 * and TLS included, and sends rows of the seen log over connections of its own.
 *
 * One errand of each kind a server at a time: asked for, then looked for now and then. The loop's side
 * never waits. Its two threads share the errands alone, behind one mutex. */
#ifndef TROTLINE_STORE_SEEN_REDIS_COURIER_H
#define TROTLINE_STORE_SEEN_REDIS_COURIER_H

#include "redis_link.h"

struct courier;

/* One row: for so long it is remembered still. */
struct courier_row {
	struct hash128 hash;
	uint64_t left_ms;
};

enum { COURIER_ROWS = 8192 };

/* ways: of `count` servers; it and `value`, what each row is given, outlive the courier. NULL when the
 * system has no thread for it. */
struct courier *courier_new(const struct redis_way *ways, size_t count, const char *value);

/* False: it is stuck in a name's resolver and is left behind, with what it was made with. */
bool courier_destroy(struct courier **courier);

/* ---- connecting ---- */

/* Does nothing where it is under way. */
void courier_connect(struct courier *c, size_t server, uint64_t timeout_ms);

/* Has it ended since it was asked for? Then *wire is the caller's, NULL where *found says why not. */
bool courier_connected(
	struct courier *c, size_t server, struct redis_wire **wire, struct redis_found *found);

/* ---- rows ---- */

enum courier_state { COURIER_IDLE, COURIER_AT_WORK, COURIER_FAILED };

/* How the rows last given stand. COURIER_FAILED is told once, with the cause: none of them may be there. */
enum courier_state courier_look(struct courier *c, size_t server, struct error *why);

/* Where to put the next ones, COURIER_ROWS at most, while it is idle; then n of them are to go. */
struct courier_row *courier_room(struct courier *c, size_t server);
void courier_send(struct courier *c, size_t server, size_t n, uint64_t timeout_ms);

/* There are no more: the connection for them ends, once it is idle. */
void courier_rest(struct courier *c, size_t server);

#endif
