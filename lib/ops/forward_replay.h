/* forward_replay - a part of the history once more to a destination: counted first, then a job that the stage does. */
#ifndef TROTLINE_OPS_FORWARD_REPLAY_H
#define TROTLINE_OPS_FORWARD_REPLAY_H

#include "forward_look.h"
#include "tally.h"

struct replay_ask {
	const char *to;
	struct history_filter filter;
	uint64_t rate; /* events/s; 0: as the destination takes them */
	bool new_ids;
	void *arg;
	bool (*step)(void *arg, uint64_t looked); /* now and then; false: enough */
};

struct replay_told {
	uint64_t count, bytes;      /* events, and of their frames */
	uint64_t begin, end;        /* numbers: the first, and behind the last that there is */
	uint64_t first_ms, last_ms; /* when the first and the last of them was accepted */
	struct tally types;
	uint64_t pace; /* events/s that may be expected; 0: nobody knows */
	size_t damaged;
};

/* Can there be a replay to it? OPS_WRONG with the reason for a handler, OPS_NOT_FOUND for a name that is none. */
enum ops_found forward_replay_check(
	const struct forward_look *l, const char *to, bool *kept, struct error *why);

/* Which events are meant: those of the filter that the destination wants, up to now. */
enum ops_found forward_replay_count(struct forward_look *l, const struct replay_ask *ask,
	struct replay_told *told, struct error *why);

/* {to, count, bytes, first, last, by_type: [{event_type, count}], events_per_second, seconds}. */
bool forward_replay_object(const struct replay_ask *ask, struct replay_told *told,
	msgpack_zone *zone, msgpack_object *out);

/* The job, with a look of FORWARD_CHANGE. *id: its number. */
enum ops_found forward_replay_make(struct forward_look *l, const struct replay_ask *ask,
	const struct replay_told *told, uint64_t *id, struct error *why);

#endif
