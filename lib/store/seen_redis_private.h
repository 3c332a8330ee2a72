/* seen_redis_private - what the files of the engine share; see seen_redis.c. */
#ifndef TROTLINE_STORE_SEEN_REDIS_PRIVATE_H
#define TROTLINE_STORE_SEEN_REDIS_PRIVATE_H

#include "journal.h"
#include "redis_link.h"
#include "seen.h"
#include "seen_redis_courier.h"

enum {
	SERVERS_MAX = 16,
	TRIP_MOST = 2048, /* orders: more are more trips, each with a deadline of its own */
	CONFIRM_MS = 10,  /* so long a confirm waits at most for a trip to ride in */
	BEAT_MS =
		1000, /* the marker and the number are written so often, and who is away is tried */
	LEASE_MS = 10000, /* so long a node that says nothing more has its number */
	NAME_BYTES = 300,
	KEY_BYTES = 80,
	VALUE_BYTES = 64,
};

/* Waits for the next trip. */
struct told {
	struct hash128 hash;
	uint64_t window_ms; /* 0: it is a drop */
};

/* The rows of the seen log that are sent again. */
struct refill {
	uint64_t next, end; /* end 0: none under way */
	uint64_t from;      /* of those that are under way */
	uint64_t sent, began_ms, again_ms;
};

struct server {
	struct seen *seen;
	size_t index;
	char name[NAME_BYTES], marker[KEY_BYTES], whole[KEY_BYTES], filler[KEY_BYTES];
	struct redis_wire *wire; /* NULL: away */
	bool met;                /* there was something to say of it */
	bool well;               /* and the last of it was that it is of use */
	enum store_cause cause;
	struct error why;
	uint64_t asked_ms; /* when a connection was last asked for */
	struct told *told;
	size_t n, room;
	uint64_t oldest_ms; /* of those */
	uint64_t filled;    /* up to this number all that this process has stored is there, */
	bool known;         /* if that is known */
	bool marked;        /* its marker stands there */
	bool doubt;         /* something more may be durable and was not told */
	bool ours, fills;   /* the number, and the filling of it all, were ours a second ago */
	uint64_t
		whole_seq; /* all of the journal is there up to this, to be marked; 0: nothing new */
	uint64_t beat_ms;
	unsigned beats;
	struct refill refill;
};

struct seen {
	struct seen_home home;
	unsigned number;
	char number_text[8], claim_text[8], number_key[KEY_BYTES], machine[40];
	struct redis_way ways[SERVERS_MAX];
	struct server servers[SERVERS_MAX];
	size_t count;
	struct courier *courier;
	struct redis_form claim, keep, drop;
	uint64_t keep_ms; /* of the form */
	uint64_t claimed_ms;
	size_t untold;              /* claims that were free and of which nothing was told */
	struct journal_known *rows; /* while rows are sent again */
	struct seen_state state;
	bool up[SERVERS_MAX];
};

/* ---- seen_redis_trip.c: one trip to one server ---- */

/* Its confirms and drops go, with the orders gathered behind them, of which `heard` hears. False: it is
 * away now. */
typedef void trip_heard(
	void *arg, size_t i, const redisReply *reply, struct redis_reading *reading);
bool trip_go(struct server *s, size_t gathered, trip_heard *heard, void *arg);

/* Puts the confirms and drops that wait in front of what is gathered next; how many. */
size_t trip_begin(struct server *s);

/* Sends what waits, in as many trips as it takes. */
bool trip_flush(struct server *s);

/* Lets one more wait. */
void trip_tell(struct server *s, struct hash128 hash, uint64_t window_ms);

/* ---- seen_redis_beat.c: connecting, the number, the marker ---- */

/* From now on it is away, for that. What waited is forgotten: it lies above `filled`. */
void server_away(struct server *s, enum store_cause cause, const struct error *why);

/* Takes a connection that has been made, or why there is none; asks for one each second. */
void server_reach(struct server *s, uint64_t now_ms);

/* Once a second. */
void server_beat(struct server *s, uint64_t now_ms);

/* How long an id of any source is remembered at the least. */
uint64_t seen_window_ms(const struct seen *seen);

/* ---- seen_redis_refill.c ---- */

/* Rows from `from` on to the newest one are sent again. */
void refill_begin(struct server *s, uint64_t from);
void refill_step(struct server *s, uint64_t now_ms);

#endif
