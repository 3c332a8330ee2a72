/* wire - the wiring table: every socket of the pipeline, who binds it and who connects.
 *
 * Sockets carry work, the journal carries truth: whatever is lost in one is only late. All are ipc
 * sockets in <data_dir>/run (0700), with small high-water marks, bounded LINGER, MAXMSGSIZE, and
 * ZMQ_IMMEDIATE on the connecting side (but for answers, verdicts and advice, which have one place
 * to go: they wait for it). */
#ifndef TROTLINE_WIRE_H
#define TROTLINE_WIRE_H

#include <czmq.h>
#include <stddef.h>

#include "lib/config/config.h"

/* X(name, file name of the socket in run/, binds, connects, frames, high-water mark)
 * %s is a handler's or stage's name, %zu an instance number. Each validator but the first has sockets
 * of its own, requests.%zu-%zu: what is for one waits for no other. */
#define WIRES(X)                                                                                   \
	X(REQUESTS, "requests.%zu", "ingress PUSH", "validator PULL", "request bundles", 4)        \
	X(QUESTIONS, "questions.%zu", "ingress PUSH", "admin PULL", "question", 64)                \
	X(ANSWERS, "answers.%zu", "ingress PULL", "validator, admin PUSH", "answer bundles", 4096) \
	X(EVENTS, "events.%zu", "router PULL", "validator, retrier PUSH", "event bundles", 256)    \
	X(ROUTE, "route-%s.%zu", "router PUSH", "handler PULL", "event", 1024)                     \
	X(OWN_ROUTE, "route-%s.%zu", "router PUSH", "handler that `up` starts PULL",               \
		"event bundles", 64)                                                               \
	X(VERDICTS, "verdicts", "retrier PULL", "handler PUSH", "verdict", 4096)                   \
	X(ADVICE, "advice", "retrier PULL", "router, validator, dlq, replay PUSH", "advice", 4096) \
	X(DEAD, "dead", "dlq PULL", "retrier PUSH", "dead", 64)                                    \
	X(TAP, "tap-%s.%zu", "every stage XPUB", "trotline tap, ingress SUB",                      \
		"event, verdict, advice, stats", 1000)

#define WIRE_ENUM(name, file, binds, connects, frames, hwm) WIRE_##name,
enum wire { WIRES(WIRE_ENUM) WIRE_COUNT };

struct wire_row {
	const char *name, *file, *binds, *connects, *frames;
	int hwm;
};

extern const struct wire_row wire_table[WIRE_COUNT];

/* Opens one end of a wire. name: the handler or stage for the routes and TAP, the validator's number
 * for REQUESTS, else NULL;
 * instance: which one, ignored where the table has no number. NULL with the cause on failure. The
 * caller destroys the socket with zsock_destroy. */
zsock_t *wire_bind(const struct config *cfg, enum wire wire, int type, const char *name,
	size_t instance, struct error *why);
zsock_t *wire_connect(const struct config *cfg, enum wire wire, int type, const char *name,
	size_t instance, struct error *why);

/* Connects an open socket to one more instance. */
bool wire_connect_more(zsock_t *sock, const struct config *cfg, enum wire wire, const char *name,
	size_t instance, struct error *why);

/* Sends bytes as one frame without waiting. False when the pipe is full or nobody is there. */
bool wire_send(zsock_t *sock, const void *bytes, size_t n);

/* Would a frame be taken now? */
bool wire_has_room(zsock_t *sock);

#endif
