/* questions - see questions.h.
 *
 * In: question frames from every ingress. Out: answer frames to the one that asked. State: none; a
 * kill costs nothing, for ingress asks again each second until it has an answer or gives up. */
#include "questions.h"

#include <stdlib.h>

#include "lib/base/json.h"
#include "lib/base/log.h"
#include "lib/ops/batch_status.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/wire.h"
#include "page.h"
#include "proto/bundle.h"
#include "proto/frame.h"
#include "proto/limits.h"

enum { ZONE_BYTES = 8192, BURST = 16 };

struct questions {
	struct admin *admin;
	zsock_t *asked;
	zsock_t *answers[CONFIG_PROCESSES_MAX]; /* one an ingress */
	msgpack_sbuffer out;
};

/* What an answer holds, and what its texts live in. */
struct told {
	struct answer answer;
	struct error why;
	char headers[64];
	char *text; /* malloc'd */
};

static enum ops_found
ask(struct admin *a, const struct question *asked, msgpack_zone *zone, struct told *t)
{
	msgpack_object object;
	enum ops_found found;

	if (!admin_stores(a, &t->why))
		return OPS_TROUBLE;
	found = batch_status(
		a->journal, a->letters, asked->id, asked->source, zone, &object, &t->why);
	if (found != OPS_FOUND)
		return found;
	t->text = json_write(&object, false);
	return t->text ? OPS_FOUND : OPS_TROUBLE;
}

/* Whoever asks has proved nothing: the cause, which may name a path, is for the log. */
static void
tell_trouble(struct told *t)
{
	t->answer.status = 503;
	t->answer.body = slice_of("{\"error\":\"Service unavailable\"}");
	snprintf(t->headers, sizeof t->headers, "Retry-After: %d\n", RETRY_AFTER_S);
	log_warn("no answer about a batch", LF_TEXT("cause", t->why.text));
}

static void
tell(struct admin *a, const struct question *asked, msgpack_zone *zone, struct told *t)
{
	t->answer = (struct answer){.boot = asked->boot, .request = asked->request};
	switch (ask(a, asked, zone, t)) {
	case OPS_FOUND:
		t->answer.status = 200;
		t->answer.body = slice_of(t->text);
		break;
	case OPS_NOT_FOUND:
		t->answer.status = 404;
		t->answer.body = slice_of("{\"error\":\"Not found\"}");
		if (page_other_node(a, asked->id))
			snprintf(t->headers, sizeof t->headers, "X-Trotline-Node: %u\n",
				page_other_node(a, asked->id));
		break;
	case OPS_TROUBLE:
	case OPS_WRONG:
		tell_trouble(t);
		break;
	}
	t->answer.headers = slice_of(t->headers);
}

static void
send_answer(struct questions *q, uint64_t ingress, const struct answer *answer)
{
	size_t mark;

	if (ingress >= CONFIG_PROCESSES_MAX || !q->answers[ingress])
		return;
	msgpack_sbuffer_clear(&q->out);
	mark = bundle_open(&q->out);
	if (!frame_pack(&answer_schema, answer, &q->out))
		return;
	bundle_close(&q->out, mark);
	if (!wire_send(q->answers[ingress], q->out.data, q->out.size))
		log_warn("answers lost", LF_UINT("ingress", ingress));
}

static void
take(struct questions *q, struct slice frame)
{
	struct told told = {.text = NULL};
	struct question asked;
	msgpack_zone zone;

	msgpack_zone_init(&zone, ZONE_BYTES);
	if (frame_unpack(&question_schema, frame.p, frame.n, &zone, &asked, &told.why)) {
		tell(q->admin, &asked, &zone, &told);
		send_answer(q, asked.ingress, &told.answer);
	} else {
		bad_frame(q->admin->st->metrics, "admin", told.why.text);
	}
	free(told.text);
	msgpack_zone_destroy(&zone);
}

/* Some at a time: operators' requests go in between. */
static void
on_questions(void *arg)
{
	struct questions *q = arg;
	void *sock = zsock_resolve(q->asked);
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST && zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) >= 0; n++)
		take(q, (struct slice){zmq_msg_data(&msg), zmq_msg_size(&msg)});
	zmq_msg_close(&msg);
}

static bool
connect_all(struct questions *q, const struct config *cfg, struct error *why)
{
	bool good;

	q->asked = wire_connect(cfg, WIRE_QUESTIONS, ZMQ_PULL, NULL, 0, why);
	good = q->asked != NULL;
	for (size_t i = 1; good && i < cfg->processes.ingress; i++)
		good = wire_connect_more(q->asked, cfg, WIRE_QUESTIONS, NULL, i, why);
	for (size_t i = 0; good && i < cfg->processes.ingress; i++) {
		q->answers[i] = wire_connect(cfg, WIRE_ANSWERS, ZMQ_PUSH, NULL, i, why);
		good = q->answers[i] != NULL;
	}
	return good;
}

struct questions *
questions_new(struct admin *a)
{
	struct questions *q = calloc(1, sizeof *q);
	struct error why = {"out of memory"};

	if (!q)
		stage_fail("cannot start", &why);
	q->admin = a;
	msgpack_sbuffer_init(&q->out);
	if (!connect_all(q, a->st->cfg, &why))
		stage_fail("cannot connect", &why);
	stage_on_read(a->st, q->asked, on_questions, q);
	return q;
}

void
questions_destroy(struct questions **q_p)
{
	struct questions *q = *q_p;

	if (!q)
		return;
	zsock_destroy(&q->asked);
	for (size_t i = 0; i < CONFIG_PROCESSES_MAX; i++)
		zsock_destroy(&q->answers[i]);
	msgpack_sbuffer_destroy(&q->out);
	free(q);
	*q_p = NULL;
}
