/* listener_private - what listener.c, listener_read.c and listener_request.c share; nobody else
 * includes it. */
#ifndef TROTLINE_STAGE_LISTENER_PRIVATE_H
#define TROTLINE_STAGE_LISTENER_PRIVATE_H

#include <microhttpd.h>

#include "intake.h"
#include "listener.h"

enum phase { IDLE, COMING, WAITING, READY, ANSWERED };

/* Bytes that have come and may not go to the library yet, but for the first `ready`. */
struct held {
	char *bytes;
	size_t n, room, ready;
};

struct connection {
	struct listener_request rq; /* the one under way */
	struct connection *next, **back;
	struct listener *listener;
	struct MHD_Connection *mhd;
	int fd;
	enum phase phase;
	bool waited;       /* its request is one that had to wait */
	bool cut;          /* it cannot go on */
	uint64_t since_ms; /* accepted, or its last request over */
	uint64_t came_ms;  /* the first byte of its request; 0: none has */
	char *target;
	struct intake intake;
	struct held held;
	bool drained; /* there was no more to read */
	struct connection *nudge_next, **nudge_back;
	struct listener_answer answer; /* while it is READY */
};

struct listener {
	struct listener_calls calls;
	struct MHD_Daemon *daemon;
	struct connection *connections;
	double *open;
	struct connection **fds, *nudges; /* by descriptor; those to be told to read */
	size_t fds_room, header_bytes;
	size_t limit; /* connections at most */
	int again; /* eventfd: the library has more to do though its descriptor is silent */
	bool draining;
};

/* The library's calls about a request. */
enum MHD_Result listener_access(void *arg, struct MHD_Connection *mhd, const char *path,
	const char *method, const char *version, const char *bytes, size_t *n, void **context);
void listener_over(void *arg, struct MHD_Connection *mhd, void **context,
	enum MHD_RequestTerminationCode code);

/* NULL when memory was short as it came. */
struct connection *listener_connection(struct MHD_Connection *mhd);

/* Lets the library go on with one that waits. */
void listener_resume(struct connection *c);

/* From now on what this thread reads is for this listener's library; NULL: for nobody's. */
void listener_read_from(struct listener *l);
bool listener_read_open(struct connection *c);
void listener_read_close(struct connection *c);
/* Its request is over. */
void listener_read_next(struct connection *c);
/* Lets the library read where bytes are held for it. False: nowhere. */
bool listener_nudge(struct listener *l);
/* Throws away what has come. */
void listener_discard(struct connection *c);

#endif
