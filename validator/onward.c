/* onward - see onward.h. */
#include "onward.h"

#include "lib/base/clock.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/wire.h"

enum { BUNDLE_MAX = 128, BUNDLE_BYTES = 256 << 10, BUNDLE_MS = 10 };

/* Tells the retrier what no router took, so that it need not wait for the lease. */
static void
give_back(void *arg, const uint64_t *seqs, size_t n)
{
	const struct onward *o = arg;
	const struct advice returned = {
		.journal = journal_id(o->journal),
		.seqs = {seqs, n},
		.advice = slice_of("returned"),
		.who = slice_of(o->st->name),
	};

	stage_send_advice(o->advice, &returned);
}

static void
go(void *arg)
{
	struct onward *o = arg;

	parcel_go(&o->accepted, o->events, give_back, o);
	o->gone_ms = clock_mono_ms();
}

/* A bundle wakes a router and several handlers, which with few events in it costs more than they
 * do. So one that is not full waits until the last is BUNDLE_MS old: what is accepted is applied
 * that much later at most. */
void
onward_go_in_time(struct onward *o)
{
	const uint64_t age_ms = clock_mono_ms() - o->gone_ms;

	if (o->accepted.n == 0)
		return;
	if (age_ms >= BUNDLE_MS)
		go(o);
	else
		stage_call_after(o->later, BUNDLE_MS - age_ms);
}

void
onward_take(struct onward *o, const struct job *job, const char *frames)
{
	if (job->refusal != REFUSED_NOT)
		return;
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];

		if (c->outcome != OUTCOME_NEW || !c->seq)
			continue;
		if (parcel_add(&o->accepted, c->seq, (struct slice){frames + c->at, c->n}))
			go(o);
	}
}

bool
onward_open(struct onward *o, struct stage *st, const struct journal *journal, struct error *why)
{
	const struct config *cfg = st->cfg;
	bool good = true;

	o->st = st;
	o->journal = journal;
	parcel_init(&o->accepted, 0, BUNDLE_MAX, BUNDLE_BYTES);
	o->events = wire_connect(cfg, WIRE_EVENTS, ZMQ_PUSH, NULL, 0, why);
	o->advice = wire_connect(cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, why);
	if (!o->events || !o->advice)
		return false;
	for (size_t i = 1; i < cfg->processes.router; i++)
		good &= wire_connect_more(o->events, cfg, WIRE_EVENTS, NULL, i, why);
	o->later = stage_call(st, go, o);
	return good;
}

void
onward_close(struct onward *o)
{
	go(o);
	zsock_destroy(&o->events);
	zsock_destroy(&o->advice);
	parcel_destroy(&o->accepted);
}
