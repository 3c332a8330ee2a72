/* unbundle - the frames that come on a socket, one after the other, as messages of one frame or bundles. */
#ifndef TROTLINE_STAGE_UNBUNDLE_H
#define TROTLINE_STAGE_UNBUNDLE_H

#include <czmq.h>
#include <stdbool.h>

#include "lib/base/slice.h"

struct unbundle {
	zmq_msg_t message; /* in hand */
	struct slice rest; /* what is left of it */
};

void unbundle_open(struct unbundle *u);
void unbundle_close(struct unbundle *u);

/* The next frame: of the message in hand, or of the next one. What is no bundle is taken for a frame by
 * itself. False: none has come. The frame lives until the next call. */
bool unbundle_next(struct unbundle *u, zsock_t *sock, struct slice *frame);

#endif
