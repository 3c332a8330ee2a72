/* validator - the only stage that reads secrets: verifies, parses, checks, deduplicates, stores,
 * answers.
 *
 * In: request frames from every ingress. Out: rows in the journal, then answer frames to the
 * ingress that asked, then event frames to the routers. State: none but the journal. A kill before
 * the commit leaves nothing (ingress asks another or answers 503), after it everything (ingress
 * asks again and is told "accepted"; the retrier sends what the routers did not get). */
#include <stdlib.h>

#include "errands.h"
#include "group.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/parcel.h"
#include "lib/stage/stage.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/wire.h"
#include "lib/store/quarantine.h"
#include "proto/bundle.h"
#include "proto/types.h"
#include "providers/source_keys.h"

enum {
	GROUP_MAX = 512,
	GROUP_BYTES = 16 << 20,
	GROUP_US = 10000,
	DRAIN_GROUPS = 64,
};
enum { BUNDLE_MAX = 128, BUNDLE_BYTES = 256 << 10, BUNDLE_MS = 10, SECOND_MS = 1000 };

struct validator {
	struct stage *st;
	struct journal *journal;
	struct claims claims;
	struct quarantine *quarantine; /* opened at the first need */
	struct errands *errands;       /* what SNS has us fetch */
	struct json_reader *json;
	struct provider_source *keys[CONFIG_SOURCES_MAX]; /* in the order of cfg->sources */
	zsock_t *requests, *events, *advice;
	zsock_t *answers[CONFIG_PROCESSES_MAX]; /* one an ingress */
	struct job jobs[GROUP_MAX];
	struct job *group[GROUP_MAX];
	size_t made; /* jobs that were ever in use */
	size_t count;
	zmq_msg_t bundle;  /* the requests in hand */
	struct slice rest; /* what is left of them */
	bool finishing;    /* take no other bundle */
	msgpack_sbuffer frames, body;
	msgpack_sbuffer out[CONFIG_PROCESSES_MAX]; /* answers, one bundle an ingress */
	struct parcel accepted;                    /* for a router */
	uint64_t passed_on_ms;                     /* monotonic: when the last one went */
	struct hook *pass_later;                   /* the next one's time has come */
};

static void
connect_all(struct validator *v)
{
	const struct config *cfg = v->st->cfg;
	struct error why = {""};
	bool good = true;

	v->requests = wire_connect(cfg, WIRE_REQUESTS, ZMQ_PULL, NULL, 0, &why);
	v->events = wire_connect(cfg, WIRE_EVENTS, ZMQ_PUSH, NULL, 0, &why);
	v->advice = wire_connect(cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &why);
	if (!v->requests || !v->events || !v->advice)
		stage_fail("cannot connect", &why);
	for (size_t i = 1; i < cfg->processes.ingress; i++)
		good &= wire_connect_more(v->requests, cfg, WIRE_REQUESTS, NULL, i, &why);
	for (size_t i = 1; i < cfg->processes.router; i++)
		good &= wire_connect_more(v->events, cfg, WIRE_EVENTS, NULL, i, &why);
	for (size_t i = 0; i < cfg->processes.ingress; i++) {
		v->answers[i] = wire_connect(cfg, WIRE_ANSWERS, ZMQ_PUSH, NULL, i, &why);
		good &= v->answers[i] != NULL;
	}
	if (!good)
		stage_fail("cannot connect", &why);
}

static void
drop_keys(struct provider_source **keys)
{
	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		provider_source_destroy(&keys[i]);
}

static bool
make_keys(const struct config *cfg, struct provider_source **keys, struct error *why)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		keys[i] = source_keys(&cfg->sources[i], why);
		if (keys[i])
			continue;
		drop_keys(keys);
		return false;
	}
	return true;
}

/* The loop calls it between two groups, so every request meets one set of secrets. */
static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct validator *v = arg;
	struct provider_source *keys[CONFIG_SOURCES_MAX] = {NULL};

	if (!make_keys(next, keys, why))
		return false;
	drop_keys(v->keys);
	memcpy(v->keys, keys, sizeof keys);
	journal_set_windows(v->journal, next);
	return true;
}

static struct validator *
validator_new(struct stage *st)
{
	struct validator *v = calloc(1, sizeof *v);
	struct error why = {"out of memory"};

	if (!v)
		stage_fail("cannot start", &why);
	v->st = st;
	for (size_t i = 0; i < GROUP_MAX; i++)
		v->group[i] = &v->jobs[i];
	msgpack_sbuffer_init(&v->frames);
	msgpack_sbuffer_init(&v->body);
	parcel_init(&v->accepted, BUNDLE_MAX, BUNDLE_BYTES);
	for (size_t i = 0; i < CONFIG_PROCESSES_MAX; i++)
		msgpack_sbuffer_init(&v->out[i]);
	zmq_msg_init(&v->bundle);
	if (!make_keys(st->cfg, v->keys, &why))
		stage_fail("cannot verify signatures", &why);
	v->json = json_reader_new();
	v->journal = v->json ? journal_open(st->cfg, JOURNAL_ACCEPT, &why) : NULL;
	if (!v->journal)
		stage_fail("cannot open the journal", &why);
	if (!claims_open(&v->claims, &seen_journal, st->cfg, &why))
		stage_fail("cannot ask for duplicates", &why);
	if (!journal_prepare(v->journal, &why))
		log_warn("journal not ready yet", LF_TEXT("cause", why.text));
	v->errands = errands_new(st->cfg, st->instance);
	if (!v->errands)
		stage_fail("cannot start", &(struct error){"out of memory"});
	connect_all(v);
	return v;
}

static void
validator_destroy(struct validator *v)
{
	for (size_t i = 0; i < v->made; i++)
		job_free(&v->jobs[i]);
	for (size_t i = 0; i < CONFIG_PROCESSES_MAX; i++)
		zsock_destroy(&v->answers[i]);
	drop_keys(v->keys);
	zsock_destroy(&v->requests);
	zsock_destroy(&v->events);
	zsock_destroy(&v->advice);
	json_reader_destroy(&v->json);
	claims_close(&v->claims);
	journal_close(&v->journal);
	quarantine_close(&v->quarantine);
	errands_destroy(&v->errands);
	msgpack_sbuffer_destroy(&v->frames);
	msgpack_sbuffer_destroy(&v->body);
	parcel_destroy(&v->accepted);
	for (size_t i = 0; i < CONFIG_PROCESSES_MAX; i++)
		msgpack_sbuffer_destroy(&v->out[i]);
	zmq_msg_close(&v->bundle);
	free(v);
}

static void
count_bad_frame(struct validator *v, const struct error *why)
{
	log_warn("bad frame", LF_TEXT("cause", why->text));
	++*metric(v->st->metrics, METRIC_FAMILY_BAD_FRAMES, "stage=\"validator\"");
}

/* The next request: from the bundle in hand, or from the next message. False: none has come. */
static bool
next_request(struct validator *v, struct slice *frame)
{
	while (!bundle_next(&v->rest, frame)) {
		if (v->rest.n > 0)
			count_bad_frame(v, &(struct error){"no bundle of requests"});
		v->rest = (struct slice){NULL, 0};
		if (v->finishing ||
			zmq_msg_recv(&v->bundle, zsock_resolve(v->requests), ZMQ_DONTWAIT) < 0)
			return false;
		v->rest = (struct slice){zmq_msg_data(&v->bundle), zmq_msg_size(&v->bundle)};
	}
	return true;
}

static void
flush_answers(struct validator *v, size_t ingress)
{
	msgpack_sbuffer *out = &v->out[ingress];

	if (out->size > 0 && !wire_send(v->answers[ingress], out->data, out->size))
		log_warn("answers lost", LF_UINT("ingress", ingress));
	msgpack_sbuffer_clear(out);
}

/* Adds the answer to the bundle for its ingress. */
static void
pack_answer(struct validator *v, const struct job *job, uint64_t now_ms)
{
	struct answer answer = {.boot = job->rq.boot, .request = job->rq.request};
	char headers[ERROR_TEXT_MAX + 64];
	const size_t answer_to = job->rq.ingress;
	msgpack_sbuffer *out;
	size_t mark;

	if (answer_to >= v->st->cfg->processes.ingress)
		return;
	msgpack_sbuffer_clear(&v->body);
	answer.status = job_answer(job, now_ms, &v->body);
	job_answer_headers(job, (unsigned)answer.status, headers, sizeof headers);
	answer.headers = slice_of(headers);
	answer.body = (struct slice){v->body.data, v->body.size};
	out = &v->out[answer_to];
	mark = bundle_open(out);
	if (frame_pack(&answer_schema, &answer, out))
		bundle_close(out, mark);
	else
		bundle_drop(out, mark);
	if (out->size > BUNDLE_BYTES)
		flush_answers(v, answer_to);
}

static void
send_answers(struct validator *v, uint64_t now_ms)
{
	for (size_t i = 0; i < v->count; i++)
		pack_answer(v, &v->jobs[i], now_ms);
	for (size_t i = 0; i < v->st->cfg->processes.ingress; i++)
		flush_answers(v, i);
}

static const char *
type_label(struct slice type)
{
	const struct event_type *row = type.p ? event_type_find(type) : NULL;

	return row ? row->name : "other";
}

/* All series stand from the start at 0, so that a rate can be told from the first event on. */
static void
open_counters(struct metrics *m)
{
	char labels[160];

	for (size_t i = 0; i < event_types_count; i++)
		for (int o = OUTCOME_NEW; o <= OUTCOME_DUPLICATE; o++) {
			snprintf(labels, sizeof labels, "event_type=\"%s\",status=\"%s\"",
				event_types[i].name, outcome_name((enum job_outcome)o));
			metric(m, METRIC_FAMILY_EVENTS, labels);
		}
	for (int r = REFUSED_SIGNATURE; r <= REFUSED_UNAVAILABLE; r++) {
		snprintf(labels, sizeof labels, "error_type=\"%s\"", refusal_name((enum refusal)r));
		metric(m, METRIC_FAMILY_ERRORS, labels);
	}
}

/* When a source last had something accepted. */
static double *
last_accepted(struct metrics *m, struct slice source)
{
	char labels[96];

	snprintf(labels, sizeof labels, "source=\"%.*s\"", SLICE_ARG(source));
	return metric(m, METRIC_FAMILY_ACCEPTED, labels);
}

/* Silence is counted from the start of this process at the earliest. */
static void
open_sources(struct metrics *m, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		double *last = last_accepted(m, slice_of(cfg->sources[i].name));

		if (*last == 0)
			*last = (double)clock_wall_ms() / 1e3;
	}
}

static void
count_event(struct validator *v, const struct candidate *c)
{
	char labels[160];

	snprintf(labels, sizeof labels, "event_type=\"%s\",status=\"%s\"", type_label(c->type),
		outcome_name(c->outcome));
	++*metric(v->st->metrics, METRIC_FAMILY_EVENTS, labels);
	if (c->outcome == OUTCOME_NEW || c->outcome == OUTCOME_DUPLICATE)
		return;
	snprintf(labels, sizeof labels, "error_type=\"%s\"", outcome_name(c->outcome));
	++*metric(v->st->metrics, METRIC_FAMILY_ERRORS, labels);
}

static void
report(struct validator *v, const struct job *job)
{
	bool any = false;
	char labels[80];

	if (job->refusal != REFUSED_NOT) {
		snprintf(labels, sizeof labels, "error_type=\"%s\"", refusal_name(job->refusal));
		++*metric(v->st->metrics, METRIC_FAMILY_ERRORS, labels);
		log_info("refused", LF_SLICE("source", job->rq.source),
			LF_TEXT("as", refusal_name(job->refusal)), LF_TEXT("cause", job->why.text));
		return;
	}
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];

		any |= c->outcome == OUTCOME_NEW;
		count_event(v, c);
		log_info(outcome_name(c->outcome), LF_UINT("seq", c->seq),
			LF_SLICE("source", job->rq.source), LF_SLICE("id", c->id),
			LF_SLICE("type", c->type));
	}
	if (any)
		*last_accepted(v->st->metrics, job->rq.source) = (double)clock_wall_ms() / 1e3;
}

/* Tells the retrier what no router took, so that it need not wait for the lease. */
static void
give_back(void *arg, const uint64_t *seqs, size_t n)
{
	const struct validator *v = arg;
	const struct advice returned = {
		.journal = journal_id(v->journal),
		.seqs = {seqs, n},
		.advice = slice_of("returned"),
		.who = slice_of(v->st->name),
	};

	stage_send_advice(v->advice, &returned);
}

static void
flush_events(void *arg)
{
	struct validator *v = arg;

	parcel_go(&v->accepted, v->events, give_back, v);
	v->passed_on_ms = clock_mono_ms();
}

/* A bundle wakes a router and several handlers, which with few events in it costs more than they
 * do. So one that is not full waits until the last is BUNDLE_MS old: what is accepted is applied
 * that much later at most. */
static void
flush_events_in_time(struct validator *v)
{
	const uint64_t age_ms = clock_mono_ms() - v->passed_on_ms;

	if (v->accepted.n == 0)
		return;
	if (age_ms >= BUNDLE_MS)
		flush_events(v);
	else
		stage_call_after(v->pass_later, BUNDLE_MS - age_ms);
}

static void
pass_on(struct validator *v, const struct job *job)
{
	if (job->refusal != REFUSED_NOT)
		return;
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];

		if (c->outcome != OUTCOME_NEW || !c->seq)
			continue;
		if (parcel_add(&v->accepted, c->seq, (struct slice){v->frames.data + c->at, c->n}))
			flush_events(v);
	}
}

/* Keeps a buffer that one huge group has blown up from staying so. */
static void
shrink(msgpack_sbuffer *buffer)
{
	if (buffer->alloc <= 2 * (size_t)GROUP_BYTES)
		return;
	msgpack_sbuffer_destroy(buffer);
	msgpack_sbuffer_init(buffer);
}

static void
judge(struct validator *v, struct job *job, uint64_t now_ms)
{
	const struct judge judge = {v->st->cfg, v->json, errands_certificate, v->errands};

	job->source = config_source_find(judge.cfg, job->rq.source);
	if (!job->source) {
		error_set(&job->why, "no source of that name");
		job->refusal = REFUSED_SOURCE;
		return;
	}
	job_judge(job, v->keys[job->source - judge.cfg->sources], &judge, now_ms);
}

/* The place behind those that are taken. */
static struct job *
next_job(struct validator *v)
{
	struct job *job = &v->jobs[v->count];

	if (v->count == v->made) {
		job_init(job);
		v->made++;
	} else {
		job_reset(job);
	}
	return job;
}

/* Takes and judges everything that has queued up meanwhile, and what comes while it does so, within
 * the group's limits: the more there are in one commit, the less its flush costs each. */
static void
gather(struct validator *v, uint64_t now_ms)
{
	const uint64_t end_us = clock_mono_us() + GROUP_US;
	struct slice frame;
	size_t bytes = 0;
	struct error why;

	v->count = 0;
	while (v->count < GROUP_MAX && bytes < GROUP_BYTES && clock_mono_us() < end_us &&
		next_request(v, &frame)) {
		struct job *job = next_job(v);

		bytes += frame.n;
		if (job_open(job, frame, &why)) {
			judge(v, job, now_ms);
			v->count++;
		} else {
			count_bad_frame(v, &why);
		}
	}
}

static void
refuse_quarantined(struct validator *v, const struct error *why)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->jobs[i].refusal != REFUSED_QUARANTINED)
			continue;
		v->jobs[i].refusal = REFUSED_UNAVAILABLE;
		v->jobs[i].why = *why;
	}
}

/* What is answered 200 without being accepted is on disk before the answer, too. */
static void
set_aside(struct validator *v, uint64_t now_ms)
{
	struct slice frames[GROUP_MAX];
	struct error why = {""};
	size_t n = 0;

	for (size_t i = 0; i < v->count; i++)
		if (v->jobs[i].refusal == REFUSED_QUARANTINED)
			frames[n++] = (struct slice){v->jobs[i].frame.data, v->jobs[i].frame.size};
	if (n == 0)
		return;
	if (!v->quarantine)
		v->quarantine = quarantine_open(v->st->cfg, QUARANTINE_KEEP, &why);
	if (!v->quarantine || !quarantine_put(v->quarantine, frames, n, now_ms, &why))
		refuse_quarantined(v, &why);
}

/* A subscription that is answered 200 will be confirmed: that it shall be is on disk before. */
static void
promise_confirmations(struct validator *v)
{
	for (size_t i = 0; i < v->count; i++) {
		struct job *job = &v->jobs[i];

		if (job->refusal == REFUSED_NOT && job->confirm_url.p &&
			!errands_confirm(v->errands, job->confirm_url, &job->why))
			job->refusal = REFUSED_UNAVAILABLE;
	}
}

static void
handle_group(struct validator *v)
{
	struct metrics *m = v->st->metrics;
	const uint64_t now_ms = clock_wall_ms();
	uint64_t start_us;
	size_t events;

	gather(v, now_ms);
	if (v->count == 0)
		return;
	set_aside(v, now_ms);
	promise_confirmations(v);
	start_us = clock_mono_us();
	events = group_commit(v->journal, &v->claims, v->st->cfg, v->group, v->count, &v->frames);
	if (events > 0) {
		metric_observe(m, METRIC_FAMILY_COMMIT, "stage=\"validator\"",
			(double)(clock_mono_us() - start_us) / 1e6);
		metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", (double)events);
	}
	send_answers(v, now_ms);
	for (size_t i = 0; i < v->count; i++) {
		pass_on(v, &v->jobs[i]);
		report(v, &v->jobs[i]);
	}
	flush_events_in_time(v);
	shrink(&v->frames);
}

/* The loop wakes for a message, not for what is left of one: that is finished before. */
static void
on_requests(void *arg)
{
	struct validator *v = arg;

	handle_group(v);
	v->finishing = true;
	while (v->rest.n > 0)
		handle_group(v);
	v->finishing = false;
}

static void
on_second(void *arg)
{
	const struct validator *v = arg;

	errands_tick(v->errands);
}

/* What ingress has sent already is answered before the end. */
static void
on_drain(void *arg)
{
	struct validator *v = arg;

	for (int i = 0; i < DRAIN_GROUPS && (i == 0 || v->count > 0); i++)
		on_requests(v);
	stage_stop(v->st);
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("validator", source_keys_load, argc, argv);
	struct validator *v = validator_new(st);

	open_counters(st->metrics);
	open_sources(st->metrics, st->cfg);
	stage_on_read(st, v->requests, on_requests, v);
	stage_every(st, SECOND_MS, on_second, v);
	v->pass_later = stage_call(st, flush_events, v);
	stage_on_reload(st, on_reload, v);
	stage_on_drain(st, on_drain, v);
	stage_run(st);
	flush_events(v);
	validator_destroy(v);
	return stage_destroy(&st);
}
