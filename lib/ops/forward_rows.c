/* forward_rows - see forward_rows.h. */
#include "forward_rows.h"

#include "lib/base/map.h"

bool
forward_attempt_object(
	const struct forward_attempt *attempt, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	map_uint(&m, "number", attempt->number);
	map_time(&m, "at", attempt->at_ms);
	map_text(&m, "id", attempt->id);
	map_text(&m, "type", attempt->type);
	map_text(&m, "reason", attempt->reason);
	map_uint(&m, "try", attempt->try);
	map_uint(&m, "status", attempt->status);
	map_uint(&m, "took_ms", (attempt->took_us + 500) / 1000);
	map_text(&m, "cause", attempt->cause.n ? attempt->cause : (struct slice){NULL, 0});
	map_text(&m, "answer", attempt->answer);
	*out = map_object(&m);
	return !m.short_of_memory;
}

bool
forward_letter_object(
	const struct forward_letter *letter, bool whole, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	map_uint(&m, "number", letter->number);
	map_text(&m, "id", letter->id);
	map_text(&m, "type", letter->type);
	map_text(&m, "email", letter->email);
	map_uint(&m, "sequence", letter->pos);
	map_uint(&m, "replay", letter->job);
	map_uint(&m, "attempts", letter->attempts);
	map_time(&m, "first_try", letter->began_ms);
	map_time(&m, "failed_at", letter->failed_ms);
	map_uint(&m, "status", letter->status);
	map_text(&m, "reason", letter->reason);
	if (whole) {
		map_text(&m, "answer", letter->answer);
		map_text(&m, "body", letter->body);
	}
	*out = map_object(&m);
	return !m.short_of_memory;
}

static double
share_of(const struct forward_job *job)
{
	if (job->state == FORWARD_JOB_DONE || job->end <= job->begin)
		return 1;
	return (double)(job->next - job->begin) / (double)(job->end - job->begin);
}

bool
forward_job_object(const struct forward_job *job, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = map_in(zone);

	map_uint(&m, "id", job->id);
	map_text(&m, "to", slice_of(job->name));
	map_text(&m, "state", slice_of(forward_job_words[job->state]));
	map_text(&m, "email", job->email);
	map_text(&m, "type", job->type);
	map_text(&m, "source", job->source);
	map_time(&m, "since", job->since_ms);
	map_time(&m, "until", job->until_ms);
	map_uint(&m, "rate", job->rate);
	map_bool(&m, "new_ids", job->new_ids);
	map_uint(&m, "meant", job->meant);
	map_uint(&m, "sent", job->sent);
	map_uint(&m, "dead", job->died);
	map_uint(&m, "missed", job->missed);
	map_put(&m, "share",
		(msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = share_of(job)});
	map_time(&m, "made", job->made_ms);
	map_time(&m, "ended", job->ended_ms);
	*out = map_object(&m);
	return !m.short_of_memory;
}
