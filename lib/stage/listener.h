/* listener - an HTTP server in a stage's own loop: one thread, libmicrohttpd with its epoll
 * descriptor among the loop's. Nobody else includes the library.
 *
 * In: connections, up to a number; each holds at most one request at a time. Out: calls, when a
 * request's headers are in, for each piece of its body, when all of it is in, and when it is over;
 * its owner answers within the first or the third call, or says listener_wait and answers later.
 * State: the connections. Where requests go and what is refused is its owner's.
 *
 * A connection that waits is suspended in the library, which must not be stopped before it has been
 * resumed: listener_destroy sees to it. */
#ifndef TROTLINE_STAGE_LISTENER_H
#define TROTLINE_STAGE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "head.h"
#include "lib/base/error.h"
#include "lib/base/peer.h"
#include "lib/base/slice.h"
#include "stage.h"

struct listener;

/* A request; lives until it is over. */
struct listener_request {
	const char *method;
	const char *path;   /* decoded, without the query; "" where it holds a NUL */
	const char *target; /* path and query as they came; NULL: memory was short */
	enum head_fault
		fault; /* it is to be refused for this, by begin or, if it came later, complete */
	bool probe; /* its connection is one too many: it may ask how the pipeline is, and no more */
	bool crowded; /* its client has too many requests under way through a proxy */
	size_t body;  /* bytes of it so far */
	void *owner;  /* the owner's; NULL at first */
};

struct listener_calls {
	void *arg;
	/* The headers are in. False: cut the connection. */
	bool (*begin)(void *arg, struct listener_request *rq);
	/* A piece of the body of a request without an answer. False: cut the connection. */
	bool (*body)(void *arg, struct listener_request *rq, struct slice bytes);
	/* All of a request without an answer is in: answer it or let it wait. */
	void (*complete)(void *arg, struct listener_request *rq);
	/* Its answer has left, or its connection is gone. */
	void (*over)(void *arg, struct listener_request *rq);
	/* Between two turns of the library; true: it has something more to do. May be NULL. */
	bool (*between)(void *arg);
};

struct listener_options {
	const char *listen;  /* for messages */
	const char *address; /* numeric */
	uint64_t port;
	size_t connections; /* at most, and as the system allows; then the longest idle gives way */
	size_t each;        /* at most of one address; 0: a quarter, 64 at least */
	size_t header_bytes; /* of a request's headers, at most */
	uint64_t silent_ms;  /* a connection on which nothing moves for so long is closed */
	bool shared;         /* other processes listen on the same port */
	bool figures;        /* the stage's figures tell of its connections */
};

/* Listens. NULL with the cause. st and what it is given pointers to outlive it. */
struct listener *listener_new(struct stage *st, const struct listener_options *options,
	const struct listener_calls *calls, struct error *why);
/* Sends what can be sent at once; cuts what still waits, and closes all. */
void listener_destroy(struct listener **l);

/* Does what can be done without waiting, for a bounded time, and goes on by itself when others have
 * had their turn. To be called after answers, and some times a second. */
void listener_run(struct listener *l);

/* From now on each answer closes its connection. */
void listener_drain(struct listener *l);

/* Cuts connections on which a request's head takes longer than head_ms to come in, all of it longer
 * than request_ms, its answer longer than that to leave, and those without a request for longer than
 * idle_ms. The library's own time-out sees silence only. */
struct listener_times {
	uint64_t idle_ms, head_ms, request_ms;
};
void listener_sweep(struct listener *l, uint64_t now_ms, const struct listener_times *times);

/* ---- a request ---- */

struct listener_answer {
	unsigned status;
	char *body; /* malloc'd, becomes the listener's; NULL: none */
	size_t n;
	const char *type;     /* of the body; lives for ever */
	struct slice headers; /* more of them: `Name: value\n` lines */
};

void listener_answer(struct listener_request *rq, const struct listener_answer *answer);

/* Who asks: the whole address; and in words, with its port (192.0.2.7:4711, [2001:db8::1]:4711), ""
 * when it cannot be told. */
enum { LISTENER_PEER_MAX = 54 };
struct peer listener_from(const struct listener_request *rq);
void listener_peer(const struct listener_request *rq, char out[LISTENER_PEER_MAX]);

/* Within complete: the answer comes later. */
void listener_wait(struct listener_request *rq);

/* The value of a header, or of a parameter of the query; NULL where there is none. */
const char *listener_header(const struct listener_request *rq, const char *name);
const char *listener_query(const struct listener_request *rq, const char *name);
/* A parameter of the query that is none of these (a NULL ends them), or NULL. */
const char *listener_stranger(const struct listener_request *rq, const char *const known[]);

/* Calls fn for each header, in order; they live as long as the request. Returns how many there
 * are, also when fn has ended the walk by false, or is NULL. */
typedef bool listener_header_fn(void *arg, struct slice name, struct slice value);
size_t listener_headers(const struct listener_request *rq, listener_header_fn *fn, void *arg);

#endif
