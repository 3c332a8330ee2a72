/* Group commit on a real journal: who gets in, who is a duplicate, and that nothing counts of a
 * group whose commit has failed. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "providers/source_keys.h"
#include "scratch.h"
#include "seen_model.h"
#include "validator/group.h"

enum { JOBS = 4 };

static struct scratch s;
static struct journal *j;
static struct claims claims;
static struct provider_source *keys;
static struct json_reader *reader;
static struct job jobs[JOBS];
static struct job *group[JOBS];
static msgpack_sbuffer frames;
static struct error why;

static void
setup(void)
{
	scratch_open(&s, NULL);
	j = scratch_journal(&s);
	keys = source_keys(&s.cfg->sources[0], &s.why);
	reader = json_reader_new();
	cr_assert(keys && reader);
	cr_assert(claims_open(&claims, &seen_journal, &(struct seen_home){.cfg = s.cfg}, &s.why));
	for (size_t i = 0; i < JOBS; i++) {
		job_init(&jobs[i]);
		group[i] = &jobs[i];
	}
	msgpack_sbuffer_init(&frames);
}

static void
teardown(void)
{
	for (size_t i = 0; i < JOBS; i++)
		job_free(&jobs[i]);
	msgpack_sbuffer_destroy(&frames);
	provider_source_destroy(&keys);
	json_reader_destroy(&reader);
	claims_close(&claims);
	journal_close(&j);
	scratch_close(&s);
}

TestSuite(group, .init = setup, .fini = teardown, .timeout = 60);

/* An event of now as JSON; good until the next call but seven. */
static const char *
event(const char *id)
{
	static char texts[8][200];
	static unsigned turn;
	char *text = texts[turn++ % 8];

	snprintf(text, sizeof texts[0],
		"{\"event_type\":\"email_opened\",\"event_id\":\"%s\",\"timestamp\":%llu,"
		"\"data\":{\"email\":\"ann@example.com\"}}",
		id, (unsigned long long)clock_wall_ms() / 1000);
	return text;
}

static void
judge(struct job *job)
{
	job_judge(job, keys, &(const struct judge){.cfg = s.cfg, .json = reader}, clock_wall_ms());
}

static struct job *
ask(size_t i, uint64_t number, bool batch, const char *body)
{
	scratch_request(&jobs[i], number, batch, body);
	jobs[i].source = &s.cfg->sources[0];
	judge(&jobs[i]);
	return &jobs[i];
}

static size_t
commit(size_t n)
{
	return group_commit(j, &claims, group, n, &frames);
}

static unsigned
status_of(const struct job *job)
{
	msgpack_sbuffer body;
	unsigned status;

	msgpack_sbuffer_init(&body);
	status = job_answer(job, clock_wall_ms(), &body);
	msgpack_sbuffer_destroy(&body);
	return status;
}

static struct journal_stat
stat_now(void)
{
	struct journal_stat st;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_stat(j, &st);
	journal_read_end(j);
	return st;
}

Test(group, new_events_are_stored_with_one_flush_and_packed_for_the_router)
{
	struct journal_event ev;
	msgpack_zone zone;
	struct event frame;
	unsigned before;

	for (size_t i = 0; i < JOBS; i++)
		ask(i, i, false, event((char[]){(char)('a' + i), 0}));
	before = scratch_flushes;
	cr_assert_eq(commit(JOBS), JOBS);
	cr_expect_eq(scratch_flushes, before + 1);
	msgpack_zone_init(&zone, 4096);
	cr_assert(journal_read_begin(j, &why));
	for (size_t i = 0; i < JOBS; i++) {
		const struct candidate *c = &jobs[i].events[0];

		cr_expect_eq(status_of(&jobs[i]), 202);
		cr_assert_eq(c->seq, i + 1);
		cr_assert(journal_event_at(j, c->seq, &ev));
		cr_expect(slice_eq(ev.frame, (struct slice){frames.data + c->at, c->n}));
		cr_assert(frame_unpack(&event_schema, ev.frame.p, ev.frame.n, &zone, &frame, &why));
		cr_expect(frame.seq == c->seq && slice_eq(frame.id, c->id));
		cr_expect(slice_eq(frame.journal, journal_id(j)));
		cr_expect(slice_is(frame.source, "email") && !frame.batch.p);
	}
	journal_read_end(j);
	msgpack_zone_destroy(&zone);
}

Test(group, an_id_that_is_known_is_a_duplicate)
{
	ask(0, 1, false, event("a"));
	cr_assert_eq(commit(1), 1);
	ask(0, 2, false, event("a"));
	cr_expect_eq(commit(1), 0);
	cr_expect_eq(status_of(&jobs[0]), 200);
	cr_expect_eq(jobs[0].events[0].seq, 0, "nothing to pass on");
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
}

Test(group, of_two_requests_with_one_id_in_a_group_the_second_is_a_duplicate)
{
	ask(0, 1, false, event("a"));
	ask(1, 2, false, event("a"));
	cr_expect_eq(commit(2), 1);
	cr_expect_eq(status_of(&jobs[0]), 202);
	cr_expect_eq(status_of(&jobs[1]), 200);
}

Test(group, the_same_request_asked_again_is_answered_as_the_first_time)
{
	ask(0, 1, false, event("a"));
	cr_assert_eq(commit(1), 1);
	ask(0, 1, false, event("a"));
	cr_expect_eq(commit(1), 0);
	cr_expect_eq(status_of(&jobs[0]), 202);
	cr_expect_eq(jobs[0].events[0].seq, 0, "it was passed on the first time");
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
	scratch_settle(j, 1, MOVE_DONE);
	ask(0, 1, false, event("a"));
	cr_expect_eq(commit(1), 0);
	cr_expect_eq(status_of(&jobs[0]), 202, "though it is done by now");
}

static struct journal_batch
batch_row(const char *id)
{
	struct journal_batch row = {.queued = UINT64_MAX};

	cr_assert(journal_read_begin(j, &why));
	cr_expect(journal_find_batch(j, slice_of(id), &row), "%s", id);
	journal_read_end(j);
	return row;
}

Test(group, a_batch_stores_what_is_new_in_it_and_is_remembered)
{
	struct journal_batch row;
	char text[1000];

	ask(0, 1, false, event("b"));
	commit(1);
	snprintf(text, sizeof text, "[%s,%s,7,%s,%s]", event("a"), event("b"), event("a"),
		event("c"));
	ask(0, 2, true, text);
	cr_expect_eq(commit(1), 2);
	cr_expect_eq(status_of(&jobs[0]), 202);
	cr_expect_eq(jobs[0].events[0].outcome, OUTCOME_NEW);
	cr_expect_eq(jobs[0].events[1].outcome, OUTCOME_DUPLICATE);
	cr_expect_eq(jobs[0].events[2].outcome, OUTCOME_BAD);
	cr_expect_eq(jobs[0].events[3].outcome, OUTCOME_DUPLICATE, "twice in the batch");
	cr_expect_eq(jobs[0].events[4].outcome, OUTCOME_NEW);
	row = batch_row(jobs[0].batch);
	cr_expect_eq(row.first, 2);
	cr_expect_eq(row.queued, 2);
	cr_expect_eq(row.duplicates, 2);
	cr_expect_eq(row.invalid, 1);
}

Test(group, a_batch_asked_again_keeps_its_outcomes_and_its_name)
{
	char text[1000], name[37];
	struct journal_batch row;

	snprintf(text, sizeof text, "[%s,%s,7]", event("a"), event("a"));
	ask(0, 1, true, text);
	cr_assert_eq(commit(1), 1);
	memcpy(name, jobs[0].batch, sizeof name);
	ask(0, 2, true, "[8]");
	commit(1);
	ask(0, 1, true, text);
	cr_expect_eq(commit(1), 0);
	cr_expect_eq(jobs[0].events[0].outcome, OUTCOME_NEW);
	cr_expect_eq(jobs[0].events[1].outcome, OUTCOME_DUPLICATE);
	cr_expect_str_eq(jobs[0].batch, name);
	row = batch_row(jobs[0].batch);
	cr_expect_eq(row.queued, 1);
}

Test(group, batches_without_a_new_event_are_remembered_too)
{
	ask(0, 1, true, "[1,2]");
	ask(1, 2, true, "[]");
	cr_expect_eq(commit(2), 0);
	cr_expect_eq(batch_row(jobs[0].batch).invalid, 2);
	cr_expect_eq(batch_row(jobs[1].batch).invalid, 0);
	cr_expect_str_neq(jobs[0].batch, jobs[1].batch);
}

Test(group, what_was_refused_before_takes_no_part)
{
	unsigned before = scratch_flushes;

	scratch_request_signed(&jobs[0], 1, false, slice_of(event("a")), "sha256=no");
	jobs[0].source = &s.cfg->sources[0];
	judge(&jobs[0]);
	ask(1, 2, false, "{}");
	cr_expect_eq(commit(2), 0);
	cr_expect_eq(status_of(&jobs[0]), 401);
	cr_expect_eq(status_of(&jobs[1]), 400);
	cr_expect_eq(scratch_flushes, before);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 0);
}

Test(group, a_request_whose_time_is_over_does_not_enter_and_others_do)
{
	ask(0, 1, false, event("a"));
	ask(1, 2, false, event("b"));
	jobs[0].rq.deadline = clock_mono_ms() - 1;
	cr_expect_eq(commit(2), 1);
	cr_expect_eq(jobs[0].refusal, REFUSED_LATE);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(status_of(&jobs[1]), 202);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_NEW);
}

ParameterizedTestParameters(group, when_the_commit_fails_nothing_of_the_group_counts)
{
	static int errors[] = {EIO, ENOSPC};

	return cr_make_param_array(int, errors, sizeof errors / sizeof *errors);
}

ParameterizedTest(const int *error, group, when_the_commit_fails_nothing_of_the_group_counts)
{
	ask(0, 1, false, event("a"));
	ask(1, 2, false, event("a"));
	ask(2, 3, false, "{}");
	ask(3, 4, true, "[7]");
	scratch_flush_error = *error;
	cr_expect_eq(commit(JOBS), 0);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(status_of(&jobs[1]), 503, "its twin was not stored, so it is no duplicate");
	cr_expect_eq(status_of(&jobs[2]), 400, "that is the sender's fault whatever we do");
	cr_expect_eq(status_of(&jobs[3]), 503);
	cr_expect_eq(jobs[0].events[0].seq, 0);
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	ask(0, 5, false, event("a"));
	cr_expect_eq(commit(1), 1);
	cr_expect_eq(status_of(&jobs[0]), 202);
}

Test(group, a_duplicate_of_something_old_is_no_duplicate_of_a_group_that_failed)
{
	ask(0, 1, false, event("old"));
	cr_assert_eq(commit(1), 1);
	ask(0, 2, false, event("old"));
	ask(1, 3, false, event("new"));
	scratch_flush_error = EIO;
	commit(2);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(status_of(&jobs[1]), 503);
}

Test(group, a_journal_in_trouble_is_503_for_all_until_it_is_opened_anew)
{
	ask(0, 1, false, event("a"));
	scratch_flush_error = EIO;
	commit(1);
	scratch_flush_error = 0;
	ask(0, 2, false, event("a"));
	ask(1, 3, false, "[]");
	cr_expect_eq(commit(2), 0);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(status_of(&jobs[1]), 400);
	scratch_skip_ms(1000);
	ask(0, 4, false, event("a"));
	cr_expect_eq(commit(1), 1);
}

/* A journal is full of these soon. */
static const char *
large_event(const char *id)
{
	static char text[8192];

	snprintf(text, sizeof text,
		"{\"event_type\":\"email_opened\",\"event_id\":\"%s\",\"timestamp\":%llu,"
		"\"data\":{\"email\":\"ann@example.com\",\"note\":\"%03000d\"}}",
		id, (unsigned long long)clock_wall_ms() / 1000, 0);
	return text;
}

Test(group, a_full_journal_refuses_new_events_and_still_knows_duplicates)
{
	uint64_t number = 100;
	char id[32];

	journal_close(&j);
	s.cfg->journal.max_bytes = 1 << 20;
	j = scratch_journal(&s);
	do {
		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)++number);
		ask(0, number, false, large_event(id));
		commit(1);
	} while (status_of(&jobs[0]) == 202);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_str_eq(jobs[0].why.text, "journal full");
	cr_expect_eq(scratch_seen(&s, j, id), SEEN_NEW);
	cr_expect_eq(scratch_seen(&s, j, "evt_101"), SEEN_DUPLICATE);
	for (uint64_t seq = 1; seq <= 100; seq++)
		scratch_settle(j, seq, MOVE_DONE);
	ask(0, ++number, false, event("after"));
	cr_expect_eq(commit(1), 1);
}

Test(group, an_event_too_large_for_a_route_is_refused_and_sinks_no_others)
{
	char *text = malloc(9 << 20), *end;

	s.cfg->limits.event_bytes = 1024;
	end = text + sprintf(text, "[%s,", event("a"));
	end += sprintf(end,
		"{\"event_type\":\"x\",\"event_id\":\"large\",\"timestamp\":%llu,\"data\":{\"t\":"
		"\"",
		(unsigned long long)clock_wall_ms() / 1000);
	memset(end, 'x', 4000);
	sprintf(end + 4000, "\"}},%s]", event("b"));
	ask(0, 1, true, text);
	free(text);
	cr_expect_eq(commit(1), 2);
	cr_expect_eq(jobs[0].events[1].outcome, OUTCOME_LARGE);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 2);
	cr_expect_eq(scratch_seen(&s, j, "large"), SEEN_NEW);
	cr_expect_eq(scratch_seen(&s, j, "b"), SEEN_DUPLICATE);
}

Test(group, the_same_id_of_another_source_is_another_event)
{
	ask(0, 1, false, event("a"));
	cr_assert_eq(commit(1), 1);
	ask(0, 2, false, event("a"));
	jobs[0].rq.source = slice_of("other");
	jobs[0].source = &s.cfg->sources[1];
	cr_expect_eq(commit(1), 1);
	cr_expect_eq(status_of(&jobs[0]), 202);
}

Test(group, the_marks_of_a_large_batch_and_of_many_requests_are_all_different)
{
	char text[20000], *end = text;

	*end++ = '[';
	for (int i = 0; i < 100; i++)
		end += sprintf(end, "%s%s", i ? "," : "", event("same"));
	sprintf(end, "]");
	ask(0, 1, true, text);
	cr_expect_eq(commit(1), 1);
	for (uint64_t number = 2; number < 200; number++) {
		ask(0, number << 32, false, event("same"));
		cr_expect_eq(commit(1), 0);
		cr_assert_eq(status_of(&jobs[0]), 200, "%llu", (unsigned long long)number);
	}
}

/* Proven by what covers no event, as Mailgun does. */
static void
ask_by_token(size_t i, const char *id, const char *token, uint64_t signed_ms)
{
	static uint64_t number = 1;

	ask(i, number++, false, event(id));
	jobs[i].foreign = provider_find("mailgun");
	jobs[i].proof = (struct proof){.token = slice_of(token), .signed_ms = signed_ms};
}

Test(group, a_proof_that_covers_no_event_is_good_for_the_one_it_came_with_first)
{
	const uint64_t now_ms = clock_wall_ms();

	ask_by_token(0, "a", "t", now_ms);
	ask_by_token(1, "b", "t", now_ms);
	ask_by_token(2, "b", "u", now_ms);
	cr_expect_eq(commit(3), 2);
	cr_expect_eq(status_of(&jobs[0]), 200);
	cr_expect_eq(status_of(&jobs[1]), 406);
	cr_expect_eq(status_of(&jobs[2]), 200);
	ask_by_token(0, "c", "t", now_ms);
	ask_by_token(1, "a", "t", now_ms);
	cr_expect_eq(commit(2), 0);
	cr_expect_eq(status_of(&jobs[0]), 406);
	cr_expect_eq(status_of(&jobs[1]), 200);
	cr_expect_eq(scratch_seen(&s, j, "c"), SEEN_NEW);
}

/* From here on another node is asked as well. */
static void
join_the_model(void)
{
	claims_close(&claims);
	seen_model_reset();
	cr_assert(claims_open(&claims, &seen_model, &(struct seen_home){.cfg = s.cfg}, &s.why));
}

/* The other node claims an event of this source, and has it durable or not yet. */
static void
other_node_has(const char *id, bool durable)
{
	const struct seen_claim made = {
		.hash = journal_hash(j, slice_of("email"), slice_of(id)), .window_ms = 1000};
	struct seen_claim claim = made;

	seen_model_node = 2;
	cr_assert_eq(seen_model.claim(claims.seen, &claim, 1, &why), STORE_OK);
	if (durable)
		seen_model.keep(claims.seen, &made, 1);
	seen_model_node = 1;
	memset(&seen_model_calls, 0, sizeof seen_model_calls);
}

Test(group, a_whole_group_is_asked_for_at_the_door_at_once_and_told_once)
{
	char text[1000];

	join_the_model();
	snprintf(text, sizeof text, "[%s,%s,7]", event("b"), event("c"));
	ask(0, 1, false, event("a"));
	ask(1, 2, true, text);
	ask(2, 3, false, "{}");
	cr_expect_eq(commit(3), 3);
	cr_expect_eq(seen_model_calls.claims, 1);
	cr_expect_eq(seen_model_calls.claimed, 3, "what was refused is not asked for");
	cr_expect_eq(seen_model_calls.keeps, 1);
	cr_expect_eq(seen_model_calls.kept, 3);
	cr_expect_eq(seen_model_calls.drops, 0);
}

Test(group, what_another_node_has_is_a_duplicate_and_is_not_stored)
{
	char text[1000];

	join_the_model();
	other_node_has("a", true);
	snprintf(text, sizeof text, "[%s,%s]", event("a"), event("b"));
	ask(0, 1, false, event("a"));
	ask(1, 2, true, text);
	cr_expect_eq(commit(2), 1);
	cr_expect_eq(status_of(&jobs[0]), 200);
	cr_expect_eq(jobs[1].events[0].outcome, OUTCOME_DUPLICATE);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_NEW);
	cr_expect_eq(seen_model_calls.kept, 1, "only what is durable here");
	cr_expect_eq(seen_model_calls.dropped, 0);
}

Test(group, what_another_node_is_storing_is_503_and_the_rest_of_that_request_is_dropped)
{
	char text[1000];

	join_the_model();
	other_node_has("a", false);
	snprintf(text, sizeof text, "[%s,%s]", event("b"), event("a"));
	ask(0, 1, true, text);
	ask(1, 2, false, event("c"));
	cr_expect_eq(commit(2), 1);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(status_of(&jobs[1]), 202);
	cr_expect_eq(scratch_seen(&s, j, "b"), SEEN_NEW, "nothing of it was stored");
	cr_expect_eq(seen_model_calls.kept, 1);
	cr_expect_eq(seen_model_calls.dropped, 1);
	ask(0, 3, false, event("a"));
	cr_expect_eq(commit(1), 0, "a group of which nothing enters");
	cr_expect_eq(status_of(&jobs[0]), 503);
}

Test(group, the_journal_has_the_last_word_about_what_was_free)
{
	ask(0, 1, false, event("a"));
	cr_assert_eq(commit(1), 1);
	join_the_model();
	ask(0, 1, false, event("a"));
	ask(1, 2, false, event("a"));
	ask(2, 3, false, event("b"));
	jobs[2].rq.deadline = clock_mono_ms() - 1;
	cr_expect_eq(commit(3), 0);
	cr_expect_eq(status_of(&jobs[0]), 202, "the same request");
	cr_expect_eq(status_of(&jobs[1]), 200);
	cr_expect_eq(seen_model_calls.kept, 2, "durable here, whenever it became so");
	cr_expect_eq(seen_model_calls.dropped, 1, "it came too late");
}

Test(group, after_a_commit_that_failed_nothing_is_told_for_nobody_knows_what_the_disk_has)
{
	join_the_model();
	ask(0, 1, false, event("a"));
	scratch_flush_error = EIO;
	cr_expect_eq(commit(1), 0);
	scratch_flush_error = 0;
	cr_expect_eq(seen_model_calls.claimed, 1);
	cr_expect_eq(seen_model_calls.keeps + seen_model_calls.drops, 0);
}

Test(group, when_the_door_cannot_be_asked_the_group_is_503_with_the_cause)
{
	join_the_model();
	seen_model_fails = STORE_FAILED;
	ask(0, 1, false, event("a"));
	ask(1, 2, false, "{}");
	cr_expect_eq(commit(2), 0);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_str_eq(jobs[0].why.text, "the model is away");
	cr_expect_eq(status_of(&jobs[1]), 400);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 0);
}

Test(group, claims_that_are_old_when_the_lock_is_there_are_made_again)
{
	join_the_model();
	seen_model_aged = 1;
	ask(0, 1, false, event("a"));
	cr_expect_eq(commit(1), 1);
	cr_expect_eq(seen_model_calls.claims, 2);
	cr_expect_eq(seen_model_calls.kept, 1);
	cr_expect_eq(status_of(&jobs[0]), 202);
}

Test(group, what_another_node_has_stored_meanwhile_is_a_duplicate_by_the_second_claim)
{
	join_the_model();
	other_node_has("b", false);
	claims.patience_ms = 1000;
	seen_model_aged = 1;
	ask(0, 1, false, event("a"));
	ask(1, 2, false, event("b"));
	cr_expect_eq(commit(2), 1);
	cr_expect_eq(status_of(&jobs[0]), 202);
	cr_expect(jobs[1].busy.now, "it is to be asked for again, and is not answered");
	cr_expect_eq(jobs[1].events[0].seq, 0);
	cr_expect_eq(scratch_seen(&s, j, "b"), SEEN_NEW);
}

Test(group, a_busy_request_waits_20_40_80_ms_and_is_503_when_its_patience_is_over)
{
	uint64_t waits[8];
	size_t n = 0;

	join_the_model();
	other_node_has("a", false);
	claims.patience_ms = 1000;
	ask(0, 1, false, event("a"));
	while (commit(1) == 0 && jobs[0].busy.now && n < 8) {
		waits[n] = jobs[0].busy.again_ms - clock_mono_ms();
		scratch_skip_ms(waits[n++]);
	}
	cr_assert_geq(n, 5);
	for (size_t i = 0; i < 5; i++)
		cr_expect(waits[i] >= (20U << i) - 10 && waits[i] <= 20U << i, "%llu",
			(unsigned long long)waits[i]);
	cr_expect_eq(status_of(&jobs[0]), 503);
	cr_expect_eq(jobs[0].unable, UNABLE_BUSY);
}

Test(group, a_busy_request_is_let_in_once_the_other_node_has_given_it_up)
{
	const struct seen_claim claim = {.hash = journal_hash(j, slice_of("email"), slice_of("a"))};

	join_the_model();
	other_node_has("a", false);
	claims.patience_ms = 1000;
	ask(0, 1, false, event("a"));
	cr_expect_eq(commit(1), 0);
	cr_assert(jobs[0].busy.now);
	seen_model_node = 2;
	seen_model.drop(claims.seen, &claim, 1);
	seen_model_node = 1;
	cr_expect_eq(commit(1), 1);
	cr_expect_not(jobs[0].busy.now);
	cr_expect_eq(status_of(&jobs[0]), 202);
}
