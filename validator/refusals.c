/* refusals - see refusals.h. */
#include "refusals.h"

static void
tell(struct refused_feed *feed, struct tap *tap, const struct job *job, struct refused *r,
	uint64_t now_ms)
{
	r->at = job->rq.received;
	r->source = job->rq.source;
	r->batch = job->rq.batch;
	r->bytes = job->rq.body.n;
	refused_tell(feed, tap, r, now_ms);
}

/* One that a batch was taken without, or the one that was posted. */
static void
tell_events(struct refused_feed *feed, struct tap *tap, const struct job *job, unsigned status,
	uint64_t now_ms)
{
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];
		const char *error = outcome_error(c->outcome);

		if (error)
			tell(feed, tap, job,
				&(struct refused){
					.step = slice_of(outcome_name(c->outcome)),
					.reason = slice_of(error),
					.status = status,
					.type = slice_cut(c->type, WIDTH_TYPE),
					.id = slice_cut(c->id, WIDTH_ID),
				},
				now_ms);
	}
}

void
refusals_tell(struct refused_feed *feed, struct tap *tap, const struct job *job, uint64_t now_ms)
{
	msgpack_sbuffer body = {0};
	unsigned status = 0;

	if (!refused_wanted(tap))
		return;
	if (job->refusal != REFUSED_NOT || !job->rq.batch)
		status = job_answer(job, now_ms, &body);
	msgpack_sbuffer_destroy(&body);
	if (job->refusal == REFUSED_NOT)
		tell_events(feed, tap, job, status, now_ms);
	else
		tell(feed, tap, job,
			&(struct refused){
				.step = slice_of(refusal_name(job->refusal)),
				.reason = slice_cut(slice_of(job->why.text), WIDTH_REASON),
				.status = status,
			},
			now_ms);
}
