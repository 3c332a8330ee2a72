/* outlet_none - an outlet with nobody behind it: what is sent is done with the next flush. It is
 * the shortest engine that acknowledges, and the one to copy. */
#include <stdlib.h>

#include "outlet.h"

enum { HELD_MOST = 64 };

struct outlet {
	struct outlet_calls calls;
	size_t takers;
	struct held {
		uint64_t seqs[HELD_MOST];
		size_t n;
	} held[CONFIG_HANDLERS_MAX + 1]; /* by taker */
};

static struct outlet *
none_open(const struct config *cfg, size_t instance, zloop_t *loop,
	const struct outlet_calls *calls, struct error *why)
{
	struct outlet *o = calloc(1, sizeof *o);

	(void)instance;
	(void)loop;
	if (!o) {
		error_set(why, "out of memory");
		return NULL;
	}
	o->calls = *calls;
	o->takers = outlet_takers(cfg);
	return o;
}

static void
none_close(struct outlet **o)
{
	free(*o);
	*o = NULL;
}

static bool
none_send(struct outlet *o, size_t taker, const struct event *ev, struct slice frame)
{
	struct held *held = &o->held[taker];

	(void)frame;
	if (held->n == HELD_MOST)
		return false;
	held->seqs[held->n++] = ev->seq;
	return true;
}

static void
none_flush(struct outlet *o)
{
	for (size_t i = 0; i < o->takers; i++) {
		if (o->held[i].n > 0)
			o->calls.done(o->calls.arg, i, o->held[i].seqs, o->held[i].n);
		o->held[i].n = 0;
	}
}

const struct outlet_engine outlet_none = {none_open, none_close, none_send, none_flush};
