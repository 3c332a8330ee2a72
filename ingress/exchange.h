/* exchange - one HTTP request from its first header to its answer, and the table of those under
 * way.
 *
 * Pure: knows no HTTP library and no socket. An exchange is named towards the validator by its
 * place in the table and a generation, so that an answer that comes too late finds nobody. */
#ifndef TROTLINE_INGRESS_EXCHANGE_H
#define TROTLINE_INGRESS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/config/config.h"
#include "refusals.h"
#include "target.h"

enum exchange_state {
	EXCHANGE_FREE,
	EXCHANGE_READING, /* the body is coming in */
	EXCHANGE_UNSENT,  /* complete, nobody has taken it yet (or the one that had is gone) */
	EXCHANGE_SENT,    /* with a validator or admin; the connection is suspended */
	EXCHANGE_ANSWERED,
};

struct exchange {
	enum exchange_state state;
	uint32_t slot, generation;
	void *connection; /* the listener's request */
	struct target
		target; /* decided once, with the headers: a reload may come before the rest */
	const struct config_source *source;
	size_t share; /* 1 + index of the source that it counts against, 0: none */
	bool batch;
	bool keeps;                 /* its body is wanted */
	struct slice asks;          /* the id of a batch that it asks for; absent: none */
	enum refusal_cause refused; /* once the body has come in */
	char *body;
	size_t n, room, limit;
	uint64_t expected;            /* its announced length, or 0 */
	uint64_t pace;                /* bytes that came of late, at pace_ms */
	uint64_t pace_ms;             /* monotonic */
	uint64_t came_ms;             /* monotonic: its last bytes */
	size_t peer;                  /* EXCHANGE_SENT: which validator has it */
	TAILQ_ENTRY(exchange) unsent; /* EXCHANGE_UNSENT: those that wait with it */
	uint64_t since_ms;            /* monotonic: when it began */
	uint64_t whole_us;            /* monotonic µs: when all of it was in; 0: not yet */
	uint64_t give_up_ms; /* monotonic: answered 503 without a verdict; set when complete */
};

TAILQ_HEAD(exchange_list, exchange);

struct exchanges;

/* At most `most` at a time, their bodies at most memory bytes together. NULL: memory is short. */
struct exchanges *exchanges_new(size_t most, size_t memory);
void exchanges_destroy(struct exchanges **t);

/* A new one in EXCHANGE_READING, or NULL when the table is full. */
struct exchange *exchange_open(struct exchanges *t, void *connection, uint64_t now_ms);
/* Counts it against a source. No source may hold more than half of the places when there are others,
 * so that a flood from one leaves room for them. False: it has its half. */
bool exchange_claim(struct exchanges *t, struct exchange *x, size_t source, size_t sources);

/* Frees what it holds and its place. */
void exchange_close(struct exchanges *t, struct exchange *x);

/* Adds bytes of the body. Memory is taken for what has come, never for what is announced.
 * EXCHANGE_BODY_LARGE: over x->limit; EXCHANGE_BODY_MEMORY: there
 * is none left for it (or memory is short).
 *
 * An eighth of the memory is for small bodies (64 KiB, and a 64th of the memory at most) alone. When
 * there are other sources, one holds at most as much as it leaves free, of either kind, but for a single
 * body. */
enum exchange_body { EXCHANGE_BODY_OK, EXCHANGE_BODY_LARGE, EXCHANGE_BODY_MEMORY };
enum exchange_body exchange_add(
	struct exchanges *t, struct exchange *x, struct slice bytes, uint64_t now_ms);

/* Whose body should give way when x has no memory for n bytes more: the one, still coming in, that
 * holds the most for its pace and for how long nothing of it has come; none of a source that holds
 * less than x's; x itself where that is no other. */
struct exchange *exchange_slowest(
	struct exchanges *t, struct exchange *x, size_t n, uint64_t now_ms);

/* Gives the body back: it is not needed any more. */
void exchange_drop_body(struct exchanges *t, struct exchange *x);

/* The number that travels with the request, and the exchange that waits for it, or NULL. */
uint64_t exchange_number(const struct exchange *x);
struct exchange *exchange_waiting(struct exchanges *t, uint64_t number);

/* Walks all places; state EXCHANGE_FREE ones too. */
size_t exchanges_places(const struct exchanges *t);
struct exchange *exchange_place(struct exchanges *t, size_t i);

size_t exchanges_live(const struct exchanges *t);

#endif
