/* intake - see intake.h. */
#include "intake.h"

#include "lib/stage/wire.h"
#include "proto/bundle.h"
#include "report.h"

bool
intake_open(struct intake *in, const struct stage *st, struct error *why)
{
	const struct config *cfg = st->cfg;
	bool good = true;
	char name[24];

	if (st->instance >= cfg->processes.validator)
		return error_set(why, "instance number beyond processes.validator");
	snprintf(name, sizeof name, "%zu", st->instance);
	in->metrics = st->metrics;
	zmq_msg_init(&in->bundle);
	in->requests = wire_connect(cfg, WIRE_REQUESTS, ZMQ_PULL, name, 0, why);
	if (!in->requests)
		return false;
	for (size_t i = 1; i < cfg->processes.ingress; i++)
		good &= wire_connect_more(in->requests, cfg, WIRE_REQUESTS, name, i, why);
	return good;
}

void
intake_close(struct intake *in)
{
	zsock_destroy(&in->requests);
	zmq_msg_close(&in->bundle);
}

bool
intake_next(struct intake *in, struct slice *frame)
{
	while (!bundle_next(&in->rest, frame)) {
		if (in->rest.n > 0)
			report_bad_frame(in->metrics, &(struct error){"no bundle of requests"});
		in->rest = (struct slice){NULL, 0};
		if (in->finishing ||
			zmq_msg_recv(&in->bundle, zsock_resolve(in->requests), ZMQ_DONTWAIT) < 0)
			return false;
		in->rest = bundle_of(zmq_msg_data(&in->bundle), zmq_msg_size(&in->bundle));
	}
	return true;
}
