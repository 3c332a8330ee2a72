/* intake - requests, one by one, from the bundles in which every ingress sends them. */
#ifndef TROTLINE_VALIDATOR_INTAKE_H
#define TROTLINE_VALIDATOR_INTAKE_H

#include <czmq.h>
#include <stdbool.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/stage/stage.h"

struct intake {
	zsock_t *requests;
	zmq_msg_t bundle;  /* the requests in hand */
	struct slice rest; /* what is left of them */
	bool finishing;    /* take no other bundle */
	struct metrics *metrics;
};

/* Connects to every ingress; in is zeroed. Either way intake_close ends it. */
bool intake_open(struct intake *in, const struct stage *st, struct error *why);
void intake_close(struct intake *in);

/* The next request's frame: from the bundle in hand, or from the next message; it lives until the
 * next call. False: none has come. */
bool intake_next(struct intake *in, struct slice *frame);

#endif
