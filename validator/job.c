/* job - see job.h. */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>

#include "providers/entry.h"
#include "providers/hops.h"
#include "providers/notice.h"
#include "providers/request.h"

enum {
	ZONE_BYTES = 16384,
	ROOM_KEPT = 64,
	FRAME_KEPT = 65536,
};

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
	[REFUSED_LOOP] = "loop",
	[REFUSED_REPLAYED] = "replayed",
	[REFUSED_QUARANTINED] = "quarantined",
	[REFUSED_SOURCE] = "source",
	[REFUSED_LATE] = "late",
	[REFUSED_UNAVAILABLE] = "unavailable",
};

const char *
outcome_name(enum job_outcome outcome)
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
	job->busy.now = false;
	job->busy.times = 0;
	job->why.text[0] = 0;
	job->untold = job->ahead = false;
	job->unable = UNABLE_STORE;
	job->batch[0] = 0;
	job->source = NULL;
	job->foreign = NULL;
	job->status = 0;
	job->proof = (struct proof){.token = {NULL, 0}};
	job->anew = false;
	job->confirm_url = (struct slice){NULL, 0};
	job->normals = (struct normals){0};
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

static enum job_outcome
outcome_of(enum event_fault fault)
{
	static const enum job_outcome outcomes[] = {
		[FAULT_NONE] = OUTCOME_NEW,
		[FAULT_FIELDS] = OUTCOME_MISSING,
		[FAULT_OLD] = OUTCOME_OLD,
		[FAULT_FUTURE] = OUTCOME_FUTURE,
		[FAULT_JSON] = OUTCOME_BAD,
	};

	return outcomes[fault];
}

static bool
take_event(struct job *job, size_t from, struct candidate *c, const struct judge *judge,
	const struct inbound *in)
{
	const struct normal *ev = &job->normals.list[from];
	struct entry entry;

	if (!entry_of(ev, in->now_ms, &job->zone, &entry) ||
		!hops_put(&entry.data, in->hops, &job->zone))
		return false;
	*c = (struct candidate){
		.type = entry.type,
		.id = entry.id,
		.email = entry.email,
		.key = entry.key,
		.unknown_kind = ev->unknown_kind,
		.no_address = notice_no_address(ev),
		.ts_ms = entry.ts_ms,
		.data = entry.data,
		.missing = ev->missing,
		.outcome = outcome_of(ev->fault),
		.from = from,
	};
	if (ev->fault)
		return true;
	if (ev->event_id.n > WIDTH_ID)
		job_note_long(job, c, "event_id", ev->event_id.n);
	job_fit(job, c, judge->cfg);
	return !job->normals.incomplete;
}

static void
take_events(struct job *job, const struct judge *judge, const struct inbound *in)
{
	bool good = job_room(job, job->normals.count);
	size_t n = 0;

	for (size_t i = 0; good && i < job->normals.count; i++)
		if (!job->normals.list[i].skipped)
			good = take_event(job, i, &job->events[n++], judge, in);
	if (!good) {
		error_set(&job->why, "out of memory");
		job->refusal = REFUSED_UNAVAILABLE;
		return;
	}
	job->count = n;
	job->proof = job->normals.proof;
	job->confirm_url = job->normals.confirm_url;
}

/* An event with a fault is answered by what is wrong with it, as in a batch. */
static enum refusal
refusal_of(enum check_step step, const struct config_source *source)
{
	switch (step) {
	case CHECK_ACCEPTED:
	case CHECK_EVENT:
		return REFUSED_NOT;
	case CHECK_MALFORMED:
		return REFUSED_JSON;
	case CHECK_TOO_MANY:
		return REFUSED_TOO_MANY;
	case CHECK_SIGNATURE:
		return source->quarantine ? REFUSED_QUARANTINED : REFUSED_SIGNATURE;
	case CHECK_STALE:
		return REFUSED_STALE;
	case CHECK_POLICY:
		return REFUSED_POLICY;
	case CHECK_LOOP:
		return REFUSED_LOOP;
	case CHECK_UNAVAILABLE:
		break;
	}
	return REFUSED_UNAVAILABLE;
}

static bool
is_native(const struct provider *provider)
{
	return strcmp(provider->name, "trotline") == 0;
}

void
job_judge(struct job *job, struct provider_source *keys, const struct judge *judge, uint64_t now_ms)
{
	struct inbound in = {
		.now_ms = now_ms,
		.zone = &job->zone,
		.json = judge->json,
		.certificate = judge->certificate,
		.known_certificate = judge->known,
		.certificate_arg = judge->certificate_arg,
		.lean = true,
	};
	enum check_step step;

	job->foreign = is_native(provider_of(keys)) ? NULL : provider_of(keys);
	if (judge->mono_ms > job->rq.deadline) {
		job->refusal = REFUSED_LATE;
		error_set(&job->why, "no verdict in time");
		return;
	}
	request_inbound(&job->rq, judge->cfg, &in);
	step = provider_check(keys, &in, &job->normals, &job->why);
	job->untold = in.untold;
	job->unable = step == CHECK_UNAVAILABLE ? UNABLE_PROOF : UNABLE_STORE;
	job->ahead = in.ahead;
	job->status = provider_status(keys, step);
	job->refusal = refusal_of(step, job->source);
	if (job->refusal == REFUSED_NOT)
		take_events(job, judge, &in);
}
