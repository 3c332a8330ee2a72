/* seen - the door to those who may know an event besides this node's journal. One implementation a
 * file; each is a `const struct seen_engine`.
 *
 * Asked by group, so that an engine behind a network makes one trip for all of it, and before the
 * journal's lock is taken, so that nobody waits for that trip but the group itself:
 *
 *   claim    these are about to be stored here           -> free, taken, busy: each its own answer
 *            (the journal's transaction: its seen log has the last word, whatever claim said)
 *   keep     of those that were free: the commit has made them durable here
 *   drop     of those that were free: they were not stored after all
 *
 * After a commit that failed nobody knows what the disk has: neither keep nor drop is called, and
 * what was claimed ends by the engine's own time limit. The same for a kill between any two.
 *
 * An engine is a hint that spares work and tells a sender "duplicate": it holds nothing that the
 * journals do not, and may forget. What it must never do is to call an id taken that is not durable
 * elsewhere, for then an event is lost. So an id that this very node has claimed or kept is free:
 * its journal knows whether it is a duplicate, or the same request asked again. */
#ifndef TROTLINE_SEEN_H
#define TROTLINE_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "dedup.h"
#include "lib/base/error.h"
#include "lib/config/config.h"
#include "proto/causes.h"
#include "store.h"

enum seen_answer {
	SEEN_FREE,  /* nobody else has it: the journal decides */
	SEEN_TAKEN, /* durable on another node: a duplicate */
	SEEN_BUSY,  /* another node is storing it: to be asked for again */
	SEEN_AWAY,  /* who would know is away, and nothing is to be stored meanwhile */
};

struct seen_claim {
	struct hash128 hash;     /* journal_hash of source and id */
	uint64_t window_ms;      /* how long it is to be remembered from now on */
	enum seen_answer answer; /* out, by claim */
};

struct seen;
struct journal;

/* Whose it is. All of it outlives the engine. */
struct seen_home {
	const struct config *cfg;
	struct journal *journal; /* or NULL, for who asks and stores nothing */
	size_t instance;         /* which of the node's validators */
};

/* How those stand that are asked. */
struct seen_state {
	size_t servers;
	const bool *up;         /* of each */
	enum store_cause cause; /* of the first that is away */
	struct error why;
	uint64_t conflicts; /* ids that two nodes have durable, since the start */
};

struct seen_engine {
	/* NULL with the cause. */
	struct seen *(*open)(const struct seen_home *home, struct error *why);
	void (*close)(struct seen **seen);
	/* Answers each of n claims; the same hash may stand among them more than once. May wait, but for
	 * nobody else's work. Not STORE_OK: with the cause; none is claimed, and the group is 503. */
	enum store_rc (*claim)(
		struct seen *seen, struct seen_claim *claims, size_t n, struct error *why);
	/* Neither can fail for its caller: what could not be told is told later, or forgotten. A drop
	 * takes nothing back that was kept. */
	void (*keep)(struct seen *seen, const struct seen_claim *claims, size_t n);
	void (*drop)(struct seen *seen, const struct seen_claim *claims, size_t n);
	/* The rest may be NULL. Must what was claimed last be claimed again before the commit, as it may be
	 * over by then? */
	bool (*aged)(const struct seen *seen);
	/* Does what is due, between two groups; returns in how many ms it wants to be called again, or 0:
	 * in a second or so. */
	uint64_t (*tick)(struct seen *seen);
	const struct seen_state *(*state)(struct seen *seen);
};

extern const struct seen_engine seen_journal; /* one node: its journal alone knows */
extern const struct seen_engine seen_redis;   /* several: Redis tells them of each other */

#endif
