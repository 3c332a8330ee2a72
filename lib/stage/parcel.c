/* parcel - see parcel.h. */
#include "parcel.h"

#include "proto/bundle.h"
#include "wire.h"

void
parcel_init(struct parcel *p, unsigned to, size_t events_most, size_t bytes_most)
{
	p->events_most = events_most < PARCEL_EVENTS ? events_most : PARCEL_EVENTS;
	p->bytes_most = bytes_most;
	p->to = to;
	p->n = 0;
	msgpack_sbuffer_init(&p->bundle);
}

void
parcel_destroy(struct parcel *p)
{
	msgpack_sbuffer_destroy(&p->bundle);
	p->n = 0;
}

bool
parcel_add(struct parcel *p, uint64_t seq, struct slice frame)
{
	if (p->n == 0 && p->to)
		bundle_address(&p->bundle, p->to);
	bundle_add(&p->bundle, frame);
	p->seqs[p->n++] = seq;
	return p->n == p->events_most || p->bundle.size >= p->bytes_most;
}

size_t
parcel_go(struct parcel *p, zsock_t *to, parcel_back *back, void *arg)
{
	const size_t n = p->n;
	const bool sent = n > 0 && wire_send(to, p->bundle.data, p->bundle.size);

	p->n = 0;
	msgpack_sbuffer_clear(&p->bundle);
	if (n > 0 && !sent)
		back(arg, p->seqs, n);
	return sent ? n : 0;
}
