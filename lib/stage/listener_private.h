/* listener_private - what the files of the listener share; nobody else includes it. */
#ifndef TROTLINE_STAGE_LISTENER_PRIVATE_H
#define TROTLINE_STAGE_LISTENER_PRIVATE_H

#include <microhttpd.h>

#include "crowd.h"
#include "intake.h"
#include "lib/config/config_descriptors.h"
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
	bool cut;          /* it cannot go on */
	bool ended;        /* it is being closed */
	bool probe, proxy; /* one too many; of a trusted proxy */
	uint64_t since_ms; /* accepted, or its last request over */
	uint64_t done_ms;  /* its request was answered */
	struct crowd_member member;
	struct crowd_holder *client; /* for whom a proxy asks, while a request is under way */
	uint64_t came_ms;            /* the first byte of its request; 0: none has */
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
	struct crowd *crowd;
	struct connection *probes[CONNECTIONS_PROBES];
	struct network *trusted;
	size_t trusted_count;
	bool by_rfc;                      /* proxies send Forwarded */
	struct metrics *metrics;          /* NULL: its connections are not counted */
	uint64_t told_ms;                 /* when the log last said that there are too many */
	struct connection **fds, *nudges; /* by descriptor; those to be told to read */
	size_t fds_room, header_bytes;
	size_t limit; /* connections at most */
	int again;    /* eventfd: the library has more to do though its descriptor is silent */
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

/* Who may have a connection: listener_admit.c. */
bool listener_admit_open(
	struct listener *l, const struct config *cfg, size_t each, struct error *why);
void listener_admit_close(struct listener *l);
/* A new connection; another may give way. False: memory is short. */
bool listener_admit(struct connection *c);
void listener_forget(struct connection *c);
/* Its request goes on. */
void listener_phase(struct connection *c, enum phase phase);
/* Counts its request against the client that a proxy names. */
void listener_client(struct connection *c);
/* Closes it before its time; cause: a word for the figures. */
void listener_end(struct connection *c, const char *cause);

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
