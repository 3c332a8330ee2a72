/* outlet - the door through which the router sends events to those that they are owed to. One
 * implementation a file; each is a `const struct outlet_engine`.
 *
 * A taker is whoever has a socket, a topic, a stream of its own: here a handler, by its place in
 * cfg->handlers, and behind them history, where events are owed to it. None ever waits for another: nothing here blocks.
 *
 * An event is the router's until outlet send says true, then the engine's, until
 * - it has left and nobody answers here for it (a ZeroMQ socket: handlers answer to the retrier),
 * or
 * - it comes back, by the call `back`, or
 * - the engine knows that its taker has it for good, and says `done` (an engine that acknowledges).
 * Exactly one of these, and once; but what the process holds when it ends needs none of them, for
 * whatever has no verdict within its lease comes again. So an engine keeps nothing on disk, may
 * hold events as long as their lease, and may send one twice (as the pipeline may): an event's
 * identity is (journal, seq).
 *
 * Numbers are of one journal: when the first event of another one is to be sent, the router flushes
 * before it, and an engine that has events of the former without an answer forgets them.
 *
 * All is called on one thread, that of the loop; an engine registers with the loop what it has to
 * hear and to do by the clock, and makes its calls from there, from send or from flush. */
#ifndef TROTLINE_ROUTER_OUTLET_H
#define TROTLINE_ROUTER_OUTLET_H

#include <czmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"
#include "lib/config/config.h"
#include "proto/frame.h"
#include "proto/taker.h"

/* What the router hears. seqs lives until the call returns; a call must not send. */
struct outlet_calls {
	void *arg;
	/* These found no room after all: they are the router's again. */
	void (*back)(void *arg, size_t taker, const uint64_t *seqs, size_t n);
	/* Stored, or applied, by the taker, durably: their end. */
	void (*done)(void *arg, size_t taker, const uint64_t *seqs, size_t n);
	/* A process of the taker has gone, and maybe some of what was sent to it. */
	void (*gone)(void *arg, size_t taker);
};

static inline size_t
outlet_takers(const struct config *cfg)
{
	return cfg->handlers_count + (config_owed(cfg) & OWED_HISTORY ? 1 : 0);
}

struct outlet;

struct outlet_engine {
	/* For the router of that instance. NULL with the cause. cfg, loop and what calls.arg points
	 * to outlive it. */
	struct outlet *(*open)(const struct config *cfg, size_t instance, zloop_t *loop,
		const struct outlet_calls *calls, struct error *why);
	/* Makes no call; what it holds is dropped. */
	void (*close)(struct outlet **outlet);
	/* Takes one event: ev as unpacked (its email is the key by which an order must be kept),
	 * frame as it stands in the journal; both live until it returns. It may hold it until
	 * flush. False: there is no room, the event stays the router's, and no call is made for it.
	 */
	bool (*send)(
		struct outlet *outlet, size_t taker, const struct event *ev, struct slice frame);
	/* Nothing more comes for now: what send has held leaves, or comes back. */
	void (*flush)(struct outlet *outlet);
};

extern const struct outlet_engine outlet_zmq;  /* handlers, each on a socket of its own */
extern const struct outlet_engine outlet_none; /* nobody: all is done that is sent */

#endif
