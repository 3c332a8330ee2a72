/* What the validator makes of a request without a disk, and the answer that the sender gets. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/map.h"
#include "providers/source_keys.h"
#include "scratch.h"

static struct scratch s;
static struct job job;
static struct provider_source *keys;
static struct json_reader *reader;
static msgpack_sbuffer body;
static uint64_t now_ms;

static void
setup(void)
{
	scratch_open(&s, "limits:\n  batch_events: 3\n");
	keys = source_keys(&s.cfg->sources[0], &s.why);
	reader = json_reader_new();
	cr_assert(keys && reader);
	job_init(&job);
	msgpack_sbuffer_init(&body);
	now_ms = clock_wall_ms();
}

static void
teardown(void)
{
	job_free(&job);
	provider_source_destroy(&keys);
	json_reader_destroy(&reader);
	msgpack_sbuffer_destroy(&body);
	scratch_close(&s);
}

TestSuite(job, .init = setup, .fini = teardown);

static void
judge(void)
{
	job.source = &s.cfg->sources[0];
	job_judge(&job, keys, &(const struct judge){.cfg = s.cfg, .json = reader}, now_ms);
}

static void
judge_text(bool batch, const char *text)
{
	scratch_request(&job, 1, batch, text);
	judge();
}

/* The answer's body as text, good until the next call; its status in *status. */
static const char *
answer(unsigned *status)
{
	msgpack_sbuffer_clear(&body);
	*status = job_answer(&job, now_ms, &body);
	msgpack_sbuffer_write(&body, "", 1);
	return body.data;
}

static void
answers(unsigned expected, const char *text)
{
	unsigned status;
	const char *given = answer(&status);

	cr_expect_eq(status, expected, "%u %s", status, given);
	cr_expect_str_eq(given, text);
}

/* An event that is `age` seconds old, as JSON; good until the next call but three. */
static const char *
event(const char *id, int64_t age_s)
{
	static char texts[4][200];
	static unsigned turn;
	char *text = texts[turn++ % 4];

	snprintf(text, sizeof texts[0],
		"{\"event_type\":\"email_opened\",\"event_id\":\"%s\",\"timestamp\":%lld,"
		"\"data\":{\"email\":\"ann@example.com\"}}",
		id, (long long)(now_ms / 1000) - (long long)age_s);
	return text;
}

Test(job, a_good_event_may_enter_and_is_answered_accepted)
{
	judge_text(false, event("evt_1", 0));
	cr_assert(job.refusal == REFUSED_NOT && job.count == 1);
	cr_expect_eq(job.events[0].outcome, OUTCOME_NEW);
	cr_expect(slice_is(job.events[0].email, "ann@example.com"));
	answers(202, "{\"status\":\"accepted\",\"event_id\":\"evt_1\",\"message\":\"Event queued "
		     "for processing\"}");
}

/* The request in hand gets one more header. */
static void
add_header(const char *name, const char *value)
{
	static msgpack_object pair[2], headers[2];

	pair[0] = object_of_text(slice_of(name));
	pair[1] = object_of_text(slice_of(value));
	headers[0] = job.rq.headers.via.array.ptr[0];
	headers[1] = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {2, pair}};
	job.rq.headers.via.array.ptr = headers;
	job.rq.headers.via.array.size = 2;
}

static void
judge_hops(bool batch, const char *text, const char *hops)
{
	scratch_request(&job, 1, batch, text);
	add_header("trotline-hops", hops);
	judge();
}

Test(job, what_was_handed_on_up_to_three_times_says_so_in_its_data)
{
	judge_hops(false, event("evt_1", 0), "3");
	cr_assert(job.refusal == REFUSED_NOT && job.count == 1);
	cr_expect_eq(field_get(&job.events[0].data, "trotline_hops")->via.u64, 3);
	judge_text(false, event("evt_2", 0));
	cr_assert_eq(job.count, 1);
	cr_expect_null(field_get(&job.events[0].data, "trotline_hops"));
}

Test(job, what_leads_in_a_circle_is_refused_whole_once_its_signature_is_good)
{
	char batch[500], headers[256];

	judge_hops(false, event("evt_1", 0), "4");
	cr_expect_eq(job.refusal, REFUSED_LOOP);
	answers(422, "{\"error\":\"Handed on too often\"}");
	job_answer_headers(&job, 422, headers, sizeof headers);
	cr_expect(strstr(headers, "X-Error-Detail: header trotline-hops is 4"), "%s", headers);
	snprintf(batch, sizeof batch, "[%s,%s]", event("a", 0), event("b", 0));
	judge_hops(true, batch, "4");
	cr_expect_eq(job.refusal, REFUSED_LOOP);
	scratch_request_signed(&job, 1, false, slice_of(event("evt_1", 0)), "sha256=00");
	add_header("trotline-hops", "4");
	judge();
	cr_expect_eq(job.refusal, REFUSED_SIGNATURE);
}

Test(job, a_duplicate_is_answered_ignored)
{
	judge_text(false, event("evt_1", 0));
	job.events[0].outcome = OUTCOME_DUPLICATE;
	answers(200, "{\"status\":\"ignored\",\"reason\":\"duplicate\",\"event_id\":\"evt_1\"}");
}

Test(job, an_id_is_answered_as_json_whatever_is_in_it)
{
	judge_text(false, event("a\\\"b\\\\\\u0000\\n\\u00fc", 0));
	answers(202, "{\"status\":\"accepted\",\"event_id\":\"a\\\"b\\\\\\u0000\\n\xc3\xbc\","
		     "\"message\":\"Event queued for processing\"}");
}

Test(job, an_address_that_is_none_or_too_long_is_absent)
{
	char json[700], text[400];

	memset(text, 'x', 321);
	text[5] = '@';
	for (size_t n = 320; n <= 321; n++) {
		text[n] = '\0';
		snprintf(json, sizeof json,
			"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":%llu,\"data\":{"
			"\"email\":\"%s\"}}",
			(unsigned long long)now_ms, text);
		judge_text(false, json);
		cr_assert_eq(job.events[0].outcome, OUTCOME_NEW);
		cr_expect_eq(job.events[0].email.n, n == 320 ? n : 0);
		text[n] = 'x';
	}
	for (size_t i = 0; i < 2; i++) {
		snprintf(json, sizeof json,
			"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":%llu,\"data\":{"
			"\"email\":%s}}",
			(unsigned long long)now_ms, i ? "\"\"" : "{}");
		judge_text(false, json);
		cr_assert_eq(job.events[0].outcome, OUTCOME_NEW);
		cr_expect_null(job.events[0].email.p);
	}
}

struct refusal_row {
	char text[60];
	bool batch;
	unsigned status;
	char expected[120];
};

ParameterizedTestParameters(job, what_cannot_be_used_is_answered_with_what_is_wrong)
{
	static struct refusal_row rows[] = {
		{"", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"{", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"[]", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"\"x\"", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"null", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"{\"a\":1,\"a\":2}", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"{\"a\":\"\xff\"}", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"{} x", false, 400, "{\"error\":\"Invalid JSON\"}"},
		{"{}", false, 400,
			"{\"error\":\"Missing required fields\",\"fields\":[\"event_type\","
			"\"event_id\",\"timestamp\",\"data\"]}"},
		{"{\"event_id\":\"1\",\"timestamp\":1}", false, 400,
			"{\"error\":\"Missing required fields\",\"fields\":[\"event_type\","
			"\"data\"]}"},
		{"{}", true, 400, "{\"error\":\"Invalid JSON\"}"},
		{"[", true, 400, "{\"error\":\"Invalid JSON\"}"},
		{"[1,2,3,4]", true, 413, "{\"error\":\"Too many events in one batch\"}"},
	};

	return cr_make_param_array(struct refusal_row, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct refusal_row *row, job, what_cannot_be_used_is_answered_with_what_is_wrong)
{
	judge_text(row->batch, row->text);
	answers(row->status, row->expected);
}

Test(job, an_event_too_old_or_from_the_future_is_told_so)
{
	judge_text(false, event("evt_1", 601));
	answers(400, "{\"error\":\"Event too old\"}");
	judge_text(false, event("evt_1", 599));
	cr_expect_eq(job.events[0].outcome, OUTCOME_NEW);
	judge_text(false, event("evt_1", -302));
	answers(400, "{\"error\":\"Event from the future\"}");
	judge_text(false, event("evt_1", -299));
	cr_expect_eq(job.events[0].outcome, OUTCOME_NEW);
}

Test(job, a_wrong_signature_is_all_that_is_told)
{
	static const char *const bodies[] = {"{}", "no json", "[]"};
	char headers[600];
	unsigned status;

	for (size_t i = 0; i < 3; i++) {
		scratch_request_signed(&job, 1, i == 2, slice_of(bodies[i]),
			scratch_sign(slice_of("x"), SCRATCH_SECRET));
		judge();
		cr_expect_eq(job.refusal, REFUSED_SIGNATURE);
		cr_expect_eq(job.count, 0);
		answers(401, "{\"error\":\"Invalid signature\"}");
		answer(&status);
		job_answer_headers(&job, status, headers, sizeof headers);
		cr_expect_str_eq(headers, "");
	}
	scratch_request_signed(&job, 1, false, slice_of("{}"), NULL);
	judge();
	answers(401, "{\"error\":\"Invalid signature\"}");
}

Test(job, what_is_our_fault_is_503_with_the_time_to_come_again)
{
	static const enum refusal ours[] = {REFUSED_SOURCE, REFUSED_LATE, REFUSED_UNAVAILABLE};
	char headers[600];
	unsigned status;

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		judge_text(false, event("evt_1", 0));
		job.refusal = ours[i];
		error_set(&job.why, "disk\nfull");
		answers(503, "{\"error\":\"Service unavailable\"}");
		answer(&status);
		job_answer_headers(&job, status, headers, sizeof headers);
		cr_expect_str_eq(headers, "Retry-After: 5\nX-Error-Detail: disk?full\n");
	}
}

Test(job, a_cause_of_ours_names_no_path)
{
	char headers[600];

	judge_text(false, event("evt_1", 0));
	job.refusal = REFUSED_UNAVAILABLE;
	error_set(&job.why, "/srv/x/journal: no room; see \"/srv/y z\", https://example.com/a/b");
	job_answer_headers(&job, 503, headers, sizeof headers);
	cr_expect_str_eq(headers, "Retry-After: 5\nX-Error-Detail: (path): no room; see "
				  "\"(path) z\", https://example.com/a/b\n");
}

Test(job, the_longest_cause_fits_the_headers)
{
	char headers[ERROR_TEXT_MAX + 64], cause[ERROR_TEXT_MAX + 100];

	judge_text(false, event("evt_1", 0));
	memset(cause, 'c', sizeof cause - 1);
	cause[sizeof cause - 1] = '\0';
	error_set(&job.why, "%s", cause);
	job.refusal = REFUSED_UNAVAILABLE;
	job_answer_headers(&job, 503, headers, sizeof headers);
	cr_expect_eq(headers[strlen(headers) - 1], '\n');
}

Test(job, in_a_batch_each_event_is_judged_by_itself)
{
	char text[700], expected[900];
	unsigned status;
	const char *given;

	snprintf(text, sizeof text, "[%s,%s,{\"event_id\":\"evt_3\"}]", event("evt_1", 0),
		event("evt_2", 700));
	judge_text(true, text);
	cr_assert(job.refusal == REFUSED_NOT && job.count == 3);
	cr_expect_eq(job.events[0].outcome, OUTCOME_NEW);
	cr_expect_eq(job.events[1].outcome, OUTCOME_OLD);
	cr_expect_eq(job.events[2].outcome, OUTCOME_MISSING);
	snprintf(job.batch, sizeof job.batch, "the-batch");
	now_ms = 1767323045678;
	given = answer(&status);
	cr_expect_eq(status, 202);
	snprintf(expected, sizeof expected,
		"{\"status\":\"queued\",\"batch_result\":{\"batch_id\":\"the-batch\","
		"\"queued_count\":1,\"duplicate_count\":0,\"invalid_count\":2,\"results\":["
		"{\"index\":0,\"event_id\":\"evt_1\",\"status\":\"queued\",\"error\":null},"
		"{\"index\":1,\"event_id\":\"evt_2\",\"status\":\"invalid\",\"error\":\"Event too "
		"old\"},"
		"{\"index\":2,\"event_id\":\"evt_3\",\"status\":\"invalid\",\"error\":\"Missing "
		"required fields\",\"fields\":[\"event_type\",\"timestamp\",\"data\"]}]},"
		"\"processed_at\":\"2026-01-02T03:04:05.678Z\"}");
	cr_expect_str_eq(given, expected);
}

Test(job, what_is_no_object_in_a_batch_sinks_no_others)
{
	char text[400];
	unsigned status;

	snprintf(text, sizeof text, "[7,%s,[]]", event("evt_1", 0));
	judge_text(true, text);
	cr_assert_eq(job.count, 3);
	cr_expect_eq(job.events[0].outcome, OUTCOME_BAD);
	cr_expect_eq(job.events[1].outcome, OUTCOME_NEW);
	cr_expect_eq(job.events[2].outcome, OUTCOME_BAD);
	job.events[1].outcome = OUTCOME_LARGE;
	cr_expect_not_null(strstr(answer(&status),
		"{\"index\":0,\"event_id\":null,\"status\":\"invalid\",\"error\":\"Invalid "
		"JSON\"},"
		"{\"index\":1,\"event_id\":\"evt_1\",\"status\":\"invalid\",\"error\":\"Event too "
		"large\"}"));
	cr_expect_eq(status, 202);
}

Test(job, an_event_that_cannot_be_read_sinks_no_others_of_its_batch)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "{\"a\":\"\\x\"}"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char text[400];

		snprintf(text, sizeof text, "[%s,%s]", bad[i], event("evt_1", 0));
		judge_text(true, text);
		cr_assert(job.refusal == REFUSED_NOT && job.count == 2, "%s", text);
		cr_expect_eq(job.events[0].outcome, OUTCOME_BAD);
		cr_expect_eq(job.events[1].outcome, OUTCOME_NEW);
		judge_text(false, bad[i]);
		cr_expect_eq(job.refusal, REFUSED_JSON);
	}
}

Test(job, an_empty_batch_is_answered_too)
{
	unsigned status;

	judge_text(true, "[]");
	cr_expect_eq(job.refusal, REFUSED_NOT);
	cr_expect_not_null(strstr(answer(&status), "\"queued_count\":0,\"duplicate_count\":0,"
						   "\"invalid_count\":0,\"results\":[]"));
	cr_expect_eq(status, 202);
}

Test(job, a_batch_may_be_as_long_as_the_limit)
{
	judge_text(true, "[1,2,3]");
	cr_expect_eq(job.refusal, REFUSED_NOT);
	judge_text(true, "[1,2,3,4]");
	cr_expect_eq(job.refusal, REFUSED_TOO_MANY);
	cr_expect_eq(job.count, 0);
}

Test(job, nothing_of_a_request_is_left_for_the_next_one)
{
	judge_text(true, "[1,2,3]");
	snprintf(job.batch, sizeof job.batch, "the-batch");
	judge_text(false, "no json");
	cr_expect_eq(job.count, 0);
	cr_expect_eq(job.batch[0], '\0');
	judge_text(false, event("evt_1", 0));
	cr_expect_eq(job.refusal, REFUSED_NOT);
	cr_expect_eq(job.why.text[0], '\0');
	cr_expect_eq(job.events[0].outcome, OUTCOME_NEW);
}

Test(job, a_frame_that_is_no_request_is_refused_with_the_cause)
{
	struct error why = {""};

	job_reset(&job);
	cr_expect_not(job_open(&job, slice_of("no frame"), &why));
	cr_expect_neq(why.text[0], '\0');
	job_reset(&job);
	cr_expect_not(job_open(&job, (struct slice){"", 0}, &why));
}

Test(job, every_outcome_and_refusal_has_a_name)
{
	for (int i = OUTCOME_NEW; i <= OUTCOME_LARGE; i++)
		cr_expect_not_null(outcome_name((enum job_outcome)i));
	for (int i = REFUSED_NOT; i <= REFUSED_UNAVAILABLE; i++)
		cr_expect_not_null(refusal_name((enum refusal)i));
	cr_expect_null(outcome_error(OUTCOME_NEW));
	cr_expect_null(outcome_error(OUTCOME_DUPLICATE));
	for (int i = OUTCOME_MISSING; i <= OUTCOME_LARGE; i++)
		cr_expect_not_null(outcome_error((enum job_outcome)i));
}
