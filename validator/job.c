/* job - see job.h. */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>

enum { ZONE_BYTES = 16384, ROOM_KEPT = 64, FRAME_KEPT = 65536 };

static const char *const outcome_names[] = {
	[OUTCOME_NEW] = "accepted",
	[OUTCOME_DUPLICATE] = "duplicate",
	[OUTCOME_MISSING] = "invalid",
	[OUTCOME_OLD] = "too_old",
	[OUTCOME_FUTURE] = "future",
	[OUTCOME_BAD] = "invalid",
	[OUTCOME_LARGE] = "too_large",
};

static const char *const refusal_names[] = {
	[REFUSED_NOT] = "none",
	[REFUSED_SIGNATURE] = "signature",
	[REFUSED_JSON] = "json",
	[REFUSED_NO_ARRAY] = "json",
	[REFUSED_TOO_MANY] = "too_many",
	[REFUSED_STALE] = "stale",
	[REFUSED_POLICY] = "policy",
	[REFUSED_QUARANTINED] = "quarantined",
	[REFUSED_SOURCE] = "source",
	[REFUSED_LATE] = "late",
	[REFUSED_UNAVAILABLE] = "unavailable",
	[REFUSED_NO_BATCH] = "no_batch",
};

const char *
outcome_name(enum outcome outcome)
{
	return outcome_names[outcome];
}

const char *
refusal_name(enum refusal refusal)
{
	return refusal_names[refusal];
}

void
job_init(struct job *job)
{
	*job = (struct job){0};
	msgpack_sbuffer_init(&job->frame);
	msgpack_zone_init(&job->zone, ZONE_BYTES);
}

void
job_free(struct job *job)
{
	msgpack_sbuffer_destroy(&job->frame);
	msgpack_zone_destroy(&job->zone);
	free(job->found);
	free(job->events);
}

void
job_reset(struct job *job)
{
	if (job->frame.alloc > FRAME_KEPT) {
		msgpack_sbuffer_destroy(&job->frame);
		msgpack_sbuffer_init(&job->frame);
	}
	msgpack_sbuffer_clear(&job->frame);
	msgpack_zone_clear(&job->zone);
	if (job->room > ROOM_KEPT) {
		free(job->events);
		job->events = NULL;
		job->room = 0;
	}
	job->count = 0;
	job->refusal = REFUSED_NOT;
	job->enters = false;
	job->why.text[0] = 0;
	job->batch[0] = 0;
	job->source = NULL;
	job->asks = false;
	free(job->found);
	job->found = NULL;
	job->foreign = NULL;
	job->status = 0;
	job->bad = 0;
	job->confirm_url = (struct slice){NULL, 0};
}

bool
job_open(struct job *job, struct slice frame, struct error *why)
{
	if (frame.n == 0)
		return error_set(why, "an empty request frame");
	if (msgpack_sbuffer_write(&job->frame, frame.p, frame.n) != 0)
		return error_set(why, "out of memory");
	return frame_unpack(
		&request_schema, job->frame.data, job->frame.size, &job->zone, &job->rq, why);
}

static void
refuse(struct job *job, enum refusal refusal)
{
	job->refusal = refusal;
}

bool
job_room(struct job *job, size_t count)
{
	struct candidate *more;

	if (count <= job->room)
		return true;
	more = realloc(job->events, count * sizeof *more);
	if (!more)
		return false;
	job->events = more;
	job->room = count;
	return true;
}

static enum outcome
outcome_of(const struct job *job, const msgpack_object *object, msgpack_zone *zone, uint64_t now_ms,
	struct native_event *ev)
{
	if (object->type != MSGPACK_OBJECT_MAP)
		return OUTCOME_BAD;
	if (!native_read(object, zone, ev))
		return OUTCOME_MISSING;
	switch (native_freshness(
		ev->ts_ms, now_ms, job->source->max_age_ms, job->source->max_future_ms)) {
	case TOO_OLD:
		return OUTCOME_OLD;
	case FROM_THE_FUTURE:
		return OUTCOME_FUTURE;
	default:
		return OUTCOME_NEW;
	}
}

static void
judge_event(struct job *job, const msgpack_object *object, uint64_t now_ms, struct candidate *c)
{
	*c = (struct candidate){.seq = 0};
	c->outcome = outcome_of(job, object, &job->zone, now_ms, &c->ev);
}

static void
judge_single(struct job *job, const msgpack_object *root, uint64_t now_ms)
{
	if (root->type != MSGPACK_OBJECT_MAP) {
		error_set(&job->why, "the body is no JSON object");
		refuse(job, REFUSED_JSON);
		return;
	}
	if (!job_room(job, 1)) {
		refuse(job, REFUSED_UNAVAILABLE);
		return;
	}
	job->count = 1;
	judge_event(job, root, now_ms, &job->events[0]);
}

static void
judge_batch(struct job *job, const msgpack_object *root, const struct config *cfg, uint64_t now_ms)
{
	if (root->type != MSGPACK_OBJECT_ARRAY) {
		error_set(&job->why, "the body is no JSON array");
		refuse(job, REFUSED_NO_ARRAY);
		return;
	}
	if (root->via.array.size > cfg->limits.batch_events) {
		error_set(&job->why, "%u events, at most %llu", root->via.array.size,
			(unsigned long long)cfg->limits.batch_events);
		refuse(job, REFUSED_TOO_MANY);
		return;
	}
	if (!job_room(job, root->via.array.size)) {
		refuse(job, REFUSED_UNAVAILABLE);
		return;
	}
	job->count = root->via.array.size;
	for (size_t i = 0; i < job->count; i++)
		judge_event(job, &root->via.array.ptr[i], now_ms, &job->events[i]);
}

/* Of a batch, what cannot be read costs only the event that holds it. */
static bool
read_body(struct job *job, struct json_reader *json, msgpack_object *root)
{
	return job->rq.batch ? json_read_batch(json, job->rq.body, &job->zone, root, &job->why)
			     : json_read(json, job->rq.body, &job->zone, root, &job->why);
}

void
job_judge(struct job *job, const struct config *cfg, struct signer *signer,
	struct json_reader *json, uint64_t now_ms)
{
	msgpack_object root;

	if (!signer_verify(signer, &job->rq.headers, job->rq.body, &job->why))
		refuse(job, job->source->quarantine ? REFUSED_QUARANTINED : REFUSED_SIGNATURE);
	else if (!read_body(job, json, &root))
		refuse(job, REFUSED_JSON);
	else if (job->rq.batch)
		judge_batch(job, &root, cfg, now_ms);
	else
		judge_single(job, &root, now_ms);
}
