/* refused - see refused.h. */
#include "refused.h"

/* Only so many of a second are told, however many a stranger sends. */
static bool
has_turn(struct refused_feed *feed, uint64_t now_ms)
{
	if (now_ms / 1000 != feed->second) {
		feed->second = now_ms / 1000;
		feed->told = 0;
	}
	if (feed->told < REFUSED_A_SECOND) {
		feed->told++;
		return true;
	}
	feed->left_out++;
	return false;
}

static void
tell(struct refused_feed *feed, struct tap *tap, const struct job *job, struct refused *r)
{
	r->at = job->rq.received;
	r->source = job->rq.source;
	r->batch = job->rq.batch;
	r->bytes = job->rq.body.n;
	r->left_out = feed->left_out;
	msgpack_sbuffer_clear(&feed->frame);
	if (!frame_pack(&refused_schema, r, &feed->frame))
		return;
	feed->left_out = 0;
	tap_send(tap, "refused", r->source, feed->frame.data, feed->frame.size);
}

/* One that a batch was taken without, or the one that was posted. */
static void
tell_events(struct refused_feed *feed, struct tap *tap, const struct job *job, unsigned status,
	uint64_t now_ms)
{
	for (size_t i = 0; i < job->count; i++) {
		const struct candidate *c = &job->events[i];
		const char *error = outcome_error(c->outcome);
		struct refused r = {
			.step = slice_of(outcome_name(c->outcome)),
			.reason = slice_of(error),
			.status = job->rq.batch ? 0 : status,
			.type = slice_cut(c->type, WIDTH_TYPE),
			.id = slice_cut(c->id, WIDTH_ID),
		};

		if (error && has_turn(feed, now_ms))
			tell(feed, tap, job, &r);
	}
}

void
refused_tell(struct refused_feed *feed, struct tap *tap, const struct job *job, uint64_t now_ms)
{
	struct refused r = {.step = slice_of(refusal_name(job->refusal)),
		.reason = slice_cut(slice_of(job->why.text), WIDTH_REASON)};
	unsigned status;

	if (!tap_wanted(tap, "refused"))
		return;
	msgpack_sbuffer_clear(&feed->body);
	status = job_answer(job, now_ms, &feed->body);
	if (job->refusal == REFUSED_NOT) {
		tell_events(feed, tap, job, status, now_ms);
		return;
	}
	r.status = status;
	if (has_turn(feed, now_ms))
		tell(feed, tap, job, &r);
}

void
refused_close(struct refused_feed *feed)
{
	msgpack_sbuffer_destroy(&feed->frame);
	msgpack_sbuffer_destroy(&feed->body);
}
