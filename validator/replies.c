/* replies - see replies.h. */
#include "replies.h"

#include "lib/base/log.h"
#include "lib/stage/wire.h"
#include "proto/bundle.h"

enum { BUNDLE_BYTES = 256 << 10 };

bool
replies_open(struct replies *r, const struct config *cfg, struct error *why)
{
	bool good = true;

	r->count = cfg->processes.ingress;
	msgpack_sbuffer_init(&r->body);
	for (size_t i = 0; i < r->count; i++) {
		msgpack_sbuffer_init(&r->out[i]);
		r->to[i] = wire_connect(cfg, WIRE_ANSWERS, ZMQ_PUSH, NULL, i, why);
		good &= r->to[i] != NULL;
	}
	return good;
}

void
replies_close(struct replies *r)
{
	for (size_t i = 0; i < r->count; i++) {
		zsock_destroy(&r->to[i]);
		msgpack_sbuffer_destroy(&r->out[i]);
	}
	msgpack_sbuffer_destroy(&r->body);
}

static void
flush(struct replies *r, size_t ingress)
{
	msgpack_sbuffer *out = &r->out[ingress];

	if (out->size > 0 && !wire_send(r->to[ingress], out->data, out->size))
		log_warn("answers lost", LF_UINT("ingress", ingress));
	msgpack_sbuffer_clear(out);
}

/* Adds the answer to the bundle for its ingress. */
static void
pack(struct replies *r, const struct job *job, uint64_t now_ms)
{
	struct answer answer = {.boot = job->rq.boot, .request = job->rq.request};
	char headers[ERROR_TEXT_MAX + 64];
	const size_t answer_to = job->rq.ingress;
	msgpack_sbuffer *out;
	size_t mark;

	if (answer_to >= r->count)
		return;
	msgpack_sbuffer_clear(&r->body);
	answer.status = job_answer(job, now_ms, &r->body);
	job_answer_headers(job, (unsigned)answer.status, headers, sizeof headers);
	answer.headers = slice_of(headers);
	answer.body = (struct slice){r->body.data, r->body.size};
	out = &r->out[answer_to];
	mark = bundle_open(out);
	if (frame_pack(&answer_schema, &answer, out))
		bundle_close(out, mark);
	else
		bundle_drop(out, mark);
	if (out->size > BUNDLE_BYTES)
		flush(r, answer_to);
}

void
replies_send(struct replies *r, const struct job *jobs, size_t n, uint64_t now_ms)
{
	for (size_t i = 0; i < n; i++)
		pack(r, &jobs[i], now_ms);
	for (size_t i = 0; i < r->count; i++)
		flush(r, i);
}
