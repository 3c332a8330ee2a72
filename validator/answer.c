/* answer - the HTTP status and JSON body for what a job has come to; pure. */
#include <stdio.h>

#include "job.h"
#include "lib/base/timestamp.h"
#include "proto/limits.h"
#include "proto/providers.h"

static void
put(msgpack_sbuffer *out, const char *text)
{
	msgpack_sbuffer_write(out, text, strlen(text));
}

static void
put_number(msgpack_sbuffer *out, size_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%zu", number);
	put(out, text);
}

static void
put_id(msgpack_sbuffer *out, struct slice id)
{
	if (id.p)
		json_quote(id, out);
	else
		put(out, "null");
}

static void
put_missing(msgpack_sbuffer *out, unsigned missing)
{
	const char *comma = "";

	put(out, "[");
	for (size_t i = 0; i < NATIVE_FIELDS; i++) {
		if (!(missing & 1U << i))
			continue;
		put(out, comma);
		json_quote(slice_of(native_names[i]), out);
		comma = ",";
	}
	put(out, "]");
}

const char *
outcome_error(enum job_outcome outcome)
{
	switch (outcome) {
	case OUTCOME_MISSING:
		return event_fault_text(FAULT_FIELDS);
	case OUTCOME_OLD:
		return event_fault_text(FAULT_OLD);
	case OUTCOME_FUTURE:
		return event_fault_text(FAULT_FUTURE);
	case OUTCOME_BAD:
		return event_fault_text(FAULT_JSON);
	case OUTCOME_LARGE:
		return "Event too large";
	default:
		return NULL;
	}
}

static unsigned
answer_single(const struct candidate *c, msgpack_sbuffer *out)
{
	switch (c->outcome) {
	case OUTCOME_NEW:
		put(out, "{\"status\":\"accepted\",\"event_id\":");
		put_id(out, c->id);
		put(out, ",\"message\":\"Event queued for processing\"}");
		return 202;
	case OUTCOME_DUPLICATE:
		put(out, "{\"status\":\"ignored\",\"reason\":\"duplicate\",\"event_id\":");
		put_id(out, c->id);
		put(out, "}");
		return 200;
	default:
		put(out, "{\"error\":");
		json_quote(slice_of(outcome_error(c->outcome)), out);
		if (c->outcome == OUTCOME_MISSING) {
			put(out, ",\"fields\":");
			put_missing(out, c->missing);
		}
		put(out, "}");
		return c->outcome == OUTCOME_LARGE ? 413 : 400;
	}
}

static void
put_result(msgpack_sbuffer *out, size_t index, const struct candidate *c)
{
	const char *error = outcome_error(c->outcome);

	put(out, index ? ",{\"index\":" : "{\"index\":");
	put_number(out, index);
	put(out, ",\"event_id\":");
	put_id(out, c->id);
	put(out, ",\"status\":");
	put(out, error                       ? "\"invalid\""
		 : c->outcome == OUTCOME_NEW ? "\"queued\""
					     : "\"duplicate\"");
	put(out, ",\"error\":");
	if (error)
		json_quote(slice_of(error), out);
	else
		put(out, "null");
	if (c->outcome == OUTCOME_MISSING) {
		put(out, ",\"fields\":");
		put_missing(out, c->missing);
	}
	put(out, "}");
}

static unsigned
answer_batch(const struct job *job, uint64_t now_ms, msgpack_sbuffer *out)
{
	size_t queued = 0, duplicate = 0;
	char at[TIMESTAMP_BYTES];

	for (size_t i = 0; i < job->count; i++) {
		queued += job->events[i].outcome == OUTCOME_NEW;
		duplicate += job->events[i].outcome == OUTCOME_DUPLICATE;
	}
	put(out, "{\"status\":\"queued\",\"batch_result\":{\"batch_id\":");
	json_quote(slice_of(job->batch), out);
	put(out, ",\"queued_count\":");
	put_number(out, queued);
	put(out, ",\"duplicate_count\":");
	put_number(out, duplicate);
	put(out, ",\"invalid_count\":");
	put_number(out, job->count - queued - duplicate);
	put(out, ",\"results\":[");
	for (size_t i = 0; i < job->count; i++)
		put_result(out, i, &job->events[i]);
	put(out, "]},\"processed_at\":\"");
	put(out, timestamp_text(now_ms, at));
	put(out, "\"}");
	return 202;
}

static const char *
error_of_refusal(enum refusal refusal)
{
	switch (refusal) {
	case REFUSED_SIGNATURE:
		return "Invalid signature";
	case REFUSED_STALE:
		return "Timestamp outside the window";
	case REFUSED_REPLAYED:
		return "Proof used before";
	case REFUSED_POLICY:
		return "Not allowed";
	case REFUSED_LOOP:
		return "Handed on too often";
	case REFUSED_JSON:
		return "Invalid body";
	default:
		return "Service unavailable";
	}
}

/* Providers want a plain 200; what they make of other statuses is in their own row. */
static unsigned
answer_foreign(const struct job *job, msgpack_sbuffer *out)
{
	const bool ours = job->refusal == REFUSED_UNAVAILABLE || job->refusal == REFUSED_LATE;

	if (job->refusal == REFUSED_NOT || job->refusal == REFUSED_QUARANTINED) {
		put(out, "{\"status\":\"ok\"}");
		return 200;
	}
	put(out, "{\"error\":");
	json_quote(slice_of(error_of_refusal(job->refusal)), out);
	put(out, "}");
	return ours ? provider_busy(job->foreign->name) : job->status;
}

static unsigned
answer_refusal(const struct job *job, msgpack_sbuffer *out)
{
	switch (job->refusal) {
	case REFUSED_QUARANTINED:
		put(out, "{\"status\":\"quarantined\"}");
		return 200;
	case REFUSED_SIGNATURE:
		put(out, "{\"error\":\"Invalid signature\"}");
		return 401;
	case REFUSED_JSON:
	case REFUSED_NO_ARRAY:
		put(out, "{\"error\":\"Invalid JSON\"}");
		return 400;
	case REFUSED_LOOP:
		put(out, "{\"error\":\"Handed on too often\"}");
		return 422;
	case REFUSED_TOO_MANY:
		put(out, "{\"error\":\"Too many events in one batch\"}");
		return 413;
	default:
		put(out, "{\"error\":\"Service unavailable\"}");
		return 503;
	}
}

/* SNS shows its credentials only when it is asked for them. */
static bool
asks_for_password(const struct job *job)
{
	const char *scheme = job->source->scheme ? job->source->scheme : job->foreign->scheme;

	return scheme && strcmp(scheme, "basic") == 0;
}

void
job_answer_headers(const struct job *job, unsigned status, char *out, size_t size)
{
	struct error why = job->why;
	int n = 0;

	out[0] = 0;
	if (status == 503 || status == 429)
		error_hide_paths(&why);
	if (status == 503 || status == 429)
		n = snprintf(out, size, "Retry-After: %d\n", RETRY_AFTER_S);
	if (status == 401 && job->foreign && asks_for_password(job))
		n = snprintf(out, size, "WWW-Authenticate: Basic realm=\"trotline\"\n");
	if (!job->untold && job->refusal != REFUSED_NOT && job->refusal != REFUSED_SIGNATURE &&
		job->refusal != REFUSED_QUARANTINED && job->why.text[0])
		snprintf(out + n, size - (size_t)n, "X-Error-Detail: %s\n", why.text);
}

unsigned
job_answer(const struct job *job, uint64_t now_ms, msgpack_sbuffer *body)
{
	if (job->foreign)
		return answer_foreign(job, body);
	if (job->refusal != REFUSED_NOT)
		return answer_refusal(job, body);
	return job->rq.batch ? answer_batch(job, now_ms, body)
			     : answer_single(&job->events[0], body);
}
