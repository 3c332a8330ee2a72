/* listener_private - what listener.c and listener_request.c share; nobody else includes it. */
#ifndef TROTLINE_STAGE_LISTENER_PRIVATE_H
#define TROTLINE_STAGE_LISTENER_PRIVATE_H

#include <microhttpd.h>

#include "listener.h"

enum phase { IDLE, COMING, WAITING, READY, ANSWERED };

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
	uint64_t began_ms; /* its request */
	char *target;
	struct listener_answer answer; /* while it is READY */
};

struct listener {
	struct listener_calls calls;
	struct MHD_Daemon *daemon;
	struct connection *connections;
	double *open;
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

#endif
