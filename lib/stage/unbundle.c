/* unbundle - see unbundle.h. */
#include "unbundle.h"

#include "proto/bundle.h"

void
unbundle_open(struct unbundle *u)
{
	zmq_msg_init(&u->message);
	u->rest = (struct slice){NULL, 0};
}

void
unbundle_close(struct unbundle *u)
{
	zmq_msg_close(&u->message);
}

bool
unbundle_next(struct unbundle *u, zsock_t *sock, struct slice *frame)
{
	if (bundle_next(&u->rest, frame))
		return true;
	if (u->rest.n == 0) {
		if (zmq_msg_recv(&u->message, zsock_resolve(sock), ZMQ_DONTWAIT) < 0)
			return false;
		u->rest = bundle_of(zmq_msg_data(&u->message), zmq_msg_size(&u->message));
		if (bundle_next(&u->rest, frame))
			return true;
	}
	*frame = u->rest;
	u->rest = (struct slice){NULL, 0};
	return true;
}
