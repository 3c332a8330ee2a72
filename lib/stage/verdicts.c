/* verdicts - see verdicts.h. */
#include "verdicts.h"

#include "wire.h"

static bool
send_frame(zsock_t *sock, const struct frame_schema *schema, const void *frame)
{
	msgpack_sbuffer out;
	bool sent;

	msgpack_sbuffer_init(&out);
	sent = frame_pack(schema, frame, &out) && wire_send(sock, out.data, out.size);
	msgpack_sbuffer_destroy(&out);
	return sent;
}

bool
stage_send_verdict(zsock_t *verdicts, struct slice journal, const uint64_t *seqs, size_t n,
	const char *verdict, struct slice reason, const char *who)
{
	const struct verdict frame = {
		.journal = journal,
		.seqs = {seqs, n},
		.verdict = slice_of(verdict),
		.reason = reason.p ? reason : slice_of(""),
		.handler = slice_of(who),
	};

	return send_frame(verdicts, &verdict_schema, &frame);
}

bool
stage_send_advice(zsock_t *advice, const struct advice *what)
{
	return send_frame(advice, &advice_schema, what);
}
