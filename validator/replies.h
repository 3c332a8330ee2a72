/* replies - the answers to a group of jobs, each in the bundle for the ingress that asked. */
#ifndef TROTLINE_VALIDATOR_REPLIES_H
#define TROTLINE_VALIDATOR_REPLIES_H

#include <czmq.h>
#include <msgpack.h>
#include <stdbool.h>

#include "job.h"

struct replies {
	size_t count; /* of ingresses */
	zsock_t *to[CONFIG_PROCESSES_MAX];
	msgpack_sbuffer out[CONFIG_PROCESSES_MAX]; /* bundles */
	msgpack_sbuffer body;
};

/* Connects to every ingress; r is zeroed. Either way replies_close ends it. */
bool replies_open(struct replies *r, const struct config *cfg, struct error *why);
void replies_close(struct replies *r);

/* Answers n jobs. What an ingress has no room for is lost, and logged: it answers 503 itself. */
void replies_send(struct replies *r, const struct job *jobs, size_t n, uint64_t now_ms);

#endif
