/* The custodian on a real journal: whatever comes back, or does not, every event reaches one end.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "retrier/custodian.h"
#include "scratch.h"

enum { SENT_MAX = 200000, TICKS_MOST = 2000 };

static struct scratch s;
static struct journal *j;
static struct metrics *metrics;
static struct custodian *c;
static struct error why;
static size_t opened, bounced, dlq; /* routes */

/* What the custodian has handed over. */
static struct sent {
	uint64_t seq, attempts;
	size_t route;
} sent[SENT_MAX];
static size_t sent_count;
static bool refuses[CONFIG_HANDLERS_MAX + 2];

/* The rules that hold for everything that is sent. */
static bool
take_sent(void *arg, size_t route, const struct journal_event *ev)
{
	const bool dead = ev->tried && ev->last.dead;

	(void)arg;
	if (refuses[route])
		return false;
	cr_assert_eq(route == dlq, dead, "seq %llu", (unsigned long long)ev->seq);
	cr_assert_not(ev->tried && ev->last.due, "seq %llu", (unsigned long long)ev->seq);
	cr_assert_lt(sent_count, (size_t)SENT_MAX);
	sent[sent_count].seq = ev->seq;
	sent[sent_count].attempts = ev->tried ? ev->last.attempts : 0;
	sent[sent_count++].route = route;
	return true;
}

static void
begin(void)
{
	c = custodian_new(s.cfg, j, metrics, take_sent, NULL);
	cr_assert_not_null(c);
}

static void
setup_with(const char *more)
{
	scratch_open(&s, more);
	j = scratch_journal(&s);
	metrics = metrics_new();
	opened = config_route(s.cfg, slice_of("email_opened"));
	bounced = config_route(s.cfg, slice_of("email_bounced"));
	dlq = s.cfg->handlers_count;
	begin();
}

static void
setup(void)
{
	setup_with("retry:\n  delay: 10s\n  max_delay: 10s\n  jitter_percent: 0\n  attempts: 3\n");
}

static void
teardown(void)
{
	custodian_destroy(&c);
	metrics_destroy(&metrics);
	journal_close(&j);
	scratch_close(&s);
}

TestSuite(custodian, .init = setup, .fini = teardown, .timeout = 120);

static uint64_t
event_of(const char *type)
{
	static unsigned n;
	char id[32];

	snprintf(id, sizeof id, "evt_%u", n++);
	return scratch_accept(&s, j, type, id);
}

static bool
tell_many(const char *advice, const char *who, const uint64_t *seqs, size_t n)
{
	const struct advice a = {
		.journal = journal_id(j),
		.seqs = {seqs, n},
		.advice = slice_of(advice),
		.who = slice_of(who),
	};

	return custodian_told(c, &a, &why);
}

static bool
tell(const char *advice, const char *who, uint64_t seq)
{
	return tell_many(advice, who, &seq, 1);
}

static bool
give_many(const char *verdict, const char *handler, const uint64_t *seqs, size_t n)
{
	const struct verdict v = {
		.journal = journal_id(j),
		.seqs = {seqs, n},
		.verdict = slice_of(verdict),
		.reason = slice_of("because"),
		.handler = slice_of(handler),
	};

	return custodian_take(c, &v, &why);
}

static bool
give(const char *verdict, const char *handler, uint64_t seq)
{
	return give_many(verdict, handler, &seq, 1);
}

static void
tick(void)
{
	custodian_settle(c, &why);
	custodian_tick(c, &why);
	custodian_deliver(c, &why);
}

static void
survey(void)
{
	cr_assert(custodian_survey(c, &why), "%s", why.text);
}

/* As at a start: all that is there is found. */
static void
look(void)
{
	survey();
	tick();
}

/* How often an event was sent on a route since the last clear. */
static size_t
times_sent(uint64_t seq, size_t route)
{
	size_t n = 0;

	for (size_t i = 0; i < sent_count; i++)
		n += sent[i].seq == seq && sent[i].route == route;
	return n;
}

enum state { GONE, ACCEPTED, SCHEDULED, DEAD };

static enum state
state_of(uint64_t seq)
{
	struct journal_event ev;
	enum state state = GONE;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	if (journal_event_at(j, seq, &ev))
		state = ev.tried && ev.last.dead  ? DEAD
			: ev.tried && ev.last.due ? SCHEDULED
						  : ACCEPTED;
	journal_read_end(j);
	return state;
}

static uint64_t
events_left(void)
{
	struct journal_stat st;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_stat(j, &st);
	journal_read_end(j);
	return st.owed[TAKER_HANDLER];
}

static void
answer(const struct sent *one)
{
	if (one->route == dlq)
		tell("buried", "dlq", one->seq);
	else
		give("done", s.cfg->handlers[one->route].name, one->seq);
}

/* Everything that is sent is answered well, until nothing is left. */
static void
answer_all(void)
{
	size_t done = sent_count;

	for (int i = 0; i < TICKS_MOST && events_left() > 0; i++) {
		look();
		for (; done < sent_count; done++)
			answer(&sent[done]);
		scratch_skip_ms(s.cfg->journal.lease_ms / 4);
	}
	tick();
	cr_expect_eq(events_left(), 0, "%llu events are left", (unsigned long long)events_left());
}

Test(custodian, at_a_start_what_the_journal_holds_is_sent_on_the_route_of_its_type)
{
	const uint64_t one = event_of("email_opened"), two = event_of("email_bounced"),
		       three = event_of("no_such_type");

	cr_expect_neq(opened, bounced);
	look();
	cr_expect_eq(sent_count, 3);
	cr_expect_eq(times_sent(one, opened), 1);
	cr_expect_eq(times_sent(two, bounced), 1);
	cr_expect_eq(times_sent(three, s.cfg->handler_unknown), 1);
}

Test(custodian, a_route_gets_one_event_first_and_more_with_every_answer)
{
	for (int i = 0; i < 20; i++)
		event_of("email_opened");
	look();
	cr_expect_eq(sent_count, 1);
	give("done", "opened", 1);
	tick();
	cr_expect_eq(sent_count, 3);
	give("done", "opened", 2);
	tick();
	cr_expect_eq(sent_count, 6);
	for (uint64_t i = 0; i < sent_count; i++)
		cr_expect_eq(sent[i].seq, i + 1, "oldest first");
}

Test(custodian, a_first_delivery_has_its_lease)
{
	uint64_t seq;

	look();
	seq = event_of("email_opened");
	for (int i = 0; i < 10; i++) {
		scratch_skip_ms(s.cfg->journal.lease_ms / 11);
		look();
		cr_expect_eq(sent_count, 0);
	}
	for (int i = 0; i < 5; i++) {
		scratch_skip_ms(s.cfg->journal.lease_ms / 11);
		look();
	}
	cr_expect_eq(times_sent(seq, opened), 1);
}

Test(custodian, an_event_without_a_verdict_is_sent_again_after_its_lease_and_not_before)
{
	const uint64_t seq = event_of("email_opened");

	look();
	scratch_skip_ms(s.cfg->journal.lease_ms - 1000);
	look();
	cr_expect_eq(times_sent(seq, opened), 1);
	scratch_skip_ms(1000);
	look();
	cr_expect_eq(times_sent(seq, opened), 2);
	scratch_skip_ms(s.cfg->journal.lease_ms);
	look();
	cr_expect_eq(times_sent(seq, opened), 3);
	give("done", "opened", seq);
	give("done", "opened", seq);
	tick();
	cr_expect_eq(state_of(seq), GONE);
	scratch_skip_ms(s.cfg->journal.lease_ms);
	look();
	cr_expect_eq(times_sent(seq, opened), 3);
}

/* An older one, on another route, is out all the while. */
Test(custodian, an_event_that_is_sent_again_early_has_a_whole_lease_from_then_on)
{
	const uint64_t lease_ms = s.cfg->journal.lease_ms;
	const uint64_t older = event_of("email_bounced"), seq = event_of("email_opened");

	look();
	tell("returned", "opened", seq);
	scratch_skip_ms(lease_ms / 2);
	look();
	cr_expect_eq(times_sent(seq, opened), 2);
	scratch_skip_ms(lease_ms - 1000);
	look();
	cr_expect_eq(times_sent(older, bounced), 2);
	cr_expect_eq(times_sent(seq, opened), 2);
	scratch_skip_ms(1000);
	look();
	cr_expect_eq(times_sent(seq, opened), 3);
}

Test(custodian, a_handler_that_left_before_an_event_came_is_not_counted_against_it)
{
	const uint64_t lease_ms = s.cfg->journal.lease_ms;
	uint64_t seq;

	event_of("email_bounced");
	seq = event_of("email_opened");
	look();
	for (int i = 0; i < 3; i++) {
		tell("gone", "opened", 0);
		tell("returned", "opened", seq);
		scratch_skip_ms(lease_ms / 2);
		look();
		scratch_skip_ms(lease_ms);
		look();
	}
	cr_expect_eq(state_of(seq), ACCEPTED);
}

Test(custodian, a_retry_waits_for_its_time_and_is_counted)
{
	const uint64_t seq = event_of("email_opened");

	look();
	give("retry", "opened", seq);
	tick();
	cr_expect_eq(state_of(seq), SCHEDULED);
	scratch_skip_ms(9000);
	look();
	cr_expect_eq(times_sent(seq, opened), 1);
	scratch_skip_ms(1000);
	look();
	cr_expect_eq(times_sent(seq, opened), 2);
	cr_expect_eq(sent[1].attempts, 1);
	cr_expect_eq(state_of(seq), ACCEPTED);
}

enum { DAY_MS = 86400000 };

Test(custodian, a_clock_that_jumps_moves_no_retry)
{
	const uint64_t seq = event_of("email_opened");

	look();
	give("retry", "opened", seq);
	tick();
	scratch_jump_ms(DAY_MS);
	look();
	cr_expect_eq(times_sent(seq, opened), 1, "not all at once");
	scratch_jump_ms(-2 * DAY_MS);
	scratch_skip_ms(10000);
	look();
	cr_expect_eq(times_sent(seq, opened), 2, "not never");
}

/* As after the clock was set while nothing ran. */
static void
begin_anew(int64_t jump_ms)
{
	custodian_destroy(&c);
	scratch_jump_ms(jump_ms);
	sent_count = 0;
	begin();
}

Test(custodian, a_clock_that_was_set_back_before_a_start_stalls_no_retry)
{
	const uint64_t seq = event_of("email_opened");

	give("retry", "opened", seq);
	tick();
	cr_expect_eq(state_of(seq), SCHEDULED);
	begin_anew(-DAY_MS);
	scratch_skip_ms(10000);
	look();
	cr_expect_eq(times_sent(seq, opened), 1);
}

Test(custodian, a_clock_that_was_set_forth_before_a_start_sends_no_faster_than_the_pace)
{
	uint64_t seqs[100];

	for (size_t i = 0; i < 100; i++)
		seqs[i] = event_of("email_opened");
	give_many("retry", "opened", seqs, 100);
	tick();
	begin_anew(DAY_MS);
	look();
	look();
	cr_expect_eq(sent_count, 1, "%zu are sent before an answer has come", sent_count);
	answer_all();
}

Test(custodian, an_event_out_of_tries_goes_to_the_dead_letters_and_leaves_when_they_have_it)
{
	const uint64_t seq = event_of("email_opened");

	look();
	for (int i = 0; i < 3; i++) {
		give("retry", "opened", seq);
		tick();
		scratch_skip_ms(10000);
		look();
	}
	cr_expect_eq(times_sent(seq, opened), 4);
	give("retry", "opened", seq);
	tick();
	cr_expect_eq(state_of(seq), DEAD);
	cr_expect_eq(times_sent(seq, dlq), 1);
	scratch_skip_ms(s.cfg->journal.lease_ms);
	look();
	cr_expect_eq(times_sent(seq, dlq), 2, "without an answer it is handed over again");
	tell("buried", "dlq", seq);
	tick();
	cr_expect_eq(state_of(seq), GONE);
	cr_expect_eq(times_sent(seq, opened), 4);
}

Test(custodian, trouble_of_ours_costs_an_event_no_try)
{
	const uint64_t seq = event_of("email_opened");

	for (int i = 0; i < 10; i++) {
		look();
		give("later", "opened", seq);
		tick();
		cr_expect_eq(state_of(seq), SCHEDULED);
		scratch_skip_ms(10000);
	}
	look();
	cr_expect_eq(sent[sent_count - 1].attempts, 0);
}

struct story {
	char verdicts[8]; /* d done, r retry, x dead, b buried, R returned, f ten seconds pass */
	enum state end;
};

ParameterizedTestParameters(custodian, verdicts_in_any_order_lead_to_a_state_of_the_table)
{
	static struct story stories[] = {
		{"d", GONE},
		{"dd", GONE},
		{"dr", GONE},
		{"dx", GONE},
		{"db", GONE},
		{"dR", GONE},
		{"r", SCHEDULED},
		{"rr", SCHEDULED},
		{"rd", GONE},
		{"rx", DEAD},
		{"rb", SCHEDULED},
		{"rR", SCHEDULED},
		{"rf", ACCEPTED},
		{"rfd", GONE},
		{"rfr", SCHEDULED},
		{"rfx", DEAD},
		{"x", DEAD},
		{"xx", DEAD},
		{"xd", DEAD},
		{"xr", DEAD},
		{"xR", DEAD},
		{"xb", GONE},
		{"xbb", GONE},
		{"xbd", GONE},
		{"xbx", GONE},
		{"b", ACCEPTED},
		{"bd", GONE},
		{"R", ACCEPTED},
		{"RR", ACCEPTED},
		{"Rd", GONE},
		{"Rr", SCHEDULED},
		{"Rx", DEAD},
		{"rfrfrfr", DEAD},
	};

	return cr_make_param_array(struct story, stories, sizeof stories / sizeof *stories);
}

static void
go_on(char verdict, uint64_t seq)
{
	switch (verdict) {
	case 'd':
		give("done", "opened", seq);
		break;
	case 'r':
		give("retry", "opened", seq);
		break;
	case 'x':
		give("dead", "opened", seq);
		break;
	case 'b':
		tell("buried", "dlq", seq);
		break;
	case 'R':
		tell("returned", "opened", seq);
		break;
	default:
		tick();
		scratch_skip_ms(10000);
		tick();
	}
}

/* Once with a settlement after each verdict, once with all that can be in one. */
ParameterizedTest(
	const struct story *story, custodian, verdicts_in_any_order_lead_to_a_state_of_the_table)
{
	for (int together = 0; together < 2; together++) {
		const uint64_t seq = event_of("email_opened");

		look();
		for (const char *v = story->verdicts; *v; v++) {
			go_on(*v, seq);
			if (!together)
				tick();
		}
		tick();
		cr_expect_eq(state_of(seq), story->end, "%s", story->verdicts);
	}
	answer_all();
}

Test(custodian, verdicts_on_first_deliveries_count_as_well)
{
	uint64_t one, two, three;

	look();
	one = event_of("email_opened");
	two = event_of("email_opened");
	three = event_of("email_opened");
	give("done", "opened", one);
	give("retry", "opened", two);
	give("dead", "opened", three);
	tick();
	cr_expect(state_of(one) == GONE && state_of(two) == SCHEDULED && state_of(three) == DEAD);
	cr_expect_eq(times_sent(three, dlq), 1);
	answer_all();
}

Test(custodian, what_the_router_returns_is_tried_again_after_a_pause)
{
	uint64_t seq;

	look();
	seq = event_of("email_opened");
	tell("returned", "opened", seq);
	tick();
	cr_expect_eq(times_sent(seq, opened), 0);
	scratch_skip_ms(50);
	tick();
	cr_expect_eq(times_sent(seq, opened), 1);
}

Test(custodian, what_the_validator_returns_finds_its_route_itself)
{
	uint64_t seq;

	look();
	seq = event_of("email_bounced");
	tell("returned", "validator", seq);
	tick();
	cr_expect_eq(times_sent(seq, bounced), 1);
}

Test(custodian, a_missing_handler_is_probed_and_stops_no_other)
{
	for (int i = 0; i < 50; i++)
		event_of("email_opened");
	for (int i = 0; i < 50; i++)
		event_of("email_bounced");
	for (int i = 0; i < 200; i++) {
		const size_t before = sent_count;

		look();
		for (size_t k = before; k < sent_count; k++)
			sent[k].route == opened ? tell("returned", "opened", sent[k].seq)
						: give("done", "bounced", sent[k].seq);
		scratch_skip_ms(100);
	}
	cr_expect_eq(events_left(), 50);
	cr_expect_lt(sent_count, 50 + 40);
	answer_all();
}

Test(custodian, events_that_do_not_exist_are_taken_back_by_nobody)
{
	static const uint64_t seqs[] = {
		5, 1000, UINT64_C(1) << 33, (UINT64_C(1) << TAKER_SHIFT) - 1};

	look();
	cr_expect(tell_many("returned", "opened", seqs, 4));
	cr_expect(tell_many("returned", "validator", seqs, 4));
	cr_expect(give_many("done", "opened", seqs, 4));
	cr_expect(give_many("retry", "opened", seqs, 4));
	scratch_skip_ms(2000);
	look();
	survey();
	cr_expect_eq(sent_count, 0);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_WAITING, ""), 0);
}

Test(custodian, a_scheduled_or_dead_event_taken_back_by_a_new_custodian_stays_what_it_is)
{
	const uint64_t waits = event_of("email_opened"), dead = event_of("email_opened");

	scratch_settle(j, dead, MOVE_DEAD);
	look();
	give("retry", "opened", waits);
	tick();
	custodian_destroy(&c);
	begin();
	sent_count = 0;
	tell("returned", "opened", waits);
	tell("returned", "opened", dead);
	scratch_skip_ms(100);
	tick();
	cr_expect_eq(times_sent(waits, opened), 0);
	cr_expect_eq(times_sent(dead, opened), 0);
	answer_all();
}

Test(custodian, what_a_taker_has_acknowledged_to_the_router_is_done)
{
	const uint64_t seq = event_of("email_opened");

	look();
	cr_expect(tell("done", "opened", seq));
	tick();
	cr_expect_eq(state_of(seq), GONE);
}

Test(custodian, a_verdict_that_is_not_ours_is_refused_with_the_cause)
{
	struct verdict v = {
		.journal = slice_of("0123456789abcdef"),
		.verdict = slice_of("done"),
		.reason = slice_of(""),
		.handler = slice_of("opened"),
	};
	static uint64_t many[5000];

	cr_expect_not(custodian_take(c, &v, &why));
	cr_expect_str_eq(why.text, "a frame for another journal, 0123456789abcdef");
	cr_expect_not(give("perhaps", "opened", 1));
	cr_expect_str_eq(why.text, "no verdict is called perhaps");
	cr_expect_not(tell("perhaps", "opened", 1));
	cr_expect_str_eq(why.text, "no advice is called perhaps");
	cr_expect_not(tell_many("returned", "opened", many, 5000));
	cr_expect_not(give_many("done", "opened", many, 5000));
	cr_expect_str_eq(why.text, "more than 4096 events in one frame");
}

ParameterizedTestParameters(custodian, a_verdict_counts_only_from_whom_the_event_is_owed_to)
{
	static char verdicts[][8] = {"done", "retry", "dead", "later"};

	return cr_make_param_array(char[8], verdicts, sizeof verdicts / sizeof *verdicts);
}

ParameterizedTest(
	const char *verdict, custodian, a_verdict_counts_only_from_whom_the_event_is_owed_to)
{
	uint64_t all[3];

	for (size_t i = 0; i < 3; i++)
		all[i] = event_of(i ? "email_opened" : "email_bounced");
	give_many(verdict, "opened", all, 1);
	tick();
	cr_expect_eq(state_of(all[0]), ACCEPTED, "on its first way");
	give_many(verdict, "opened", all, 3);
	tick();
	cr_expect_eq(state_of(all[0]), ACCEPTED, "one frame with events of two");
	cr_expect_neq(state_of(all[1]), ACCEPTED);
	cr_expect_neq(state_of(all[2]), ACCEPTED);
	look();
	tell("returned", "bounced", all[0]);
	scratch_skip_ms(s.cfg->journal.lease_ms);
	tick();
	cr_expect_geq(times_sent(all[0], bounced), 1);
	give(verdict, "opened", all[0]);
	tick();
	cr_expect_eq(state_of(all[0]), ACCEPTED, "sent again");
	cr_expect_not(give(verdict, "nobody", all[0]));
	cr_expect_not(give(verdict, "dlq", all[0]));
	give(verdict, "handler-bounced", all[0]);
	tick();
	cr_expect_neq(state_of(all[0]), ACCEPTED, "its own handler, as it calls itself");
}

/* Does the log say that a verdict was refused? What it says from now on goes to a file. */
static bool
refusal_is_told(const char *verdict, const char *handler, uint64_t seq)
{
	static char text[4096];
	FILE *file = tmpfile();
	ssize_t n;

	cr_assert_not_null(file);
	cr_assert_geq(dup2(fileno(file), STDERR_FILENO), 0);
	log_open("retrier", LEVEL_WARN);
	give(verdict, handler, seq);
	tick();
	n = pread(fileno(file), text, sizeof text - 1, 0);
	cr_assert_geq(n, 0);
	text[n] = '\0';
	fclose(file);
	return strstr(text, "verdicts refused") != NULL;
}

Test(custodian, a_verdict_on_what_is_given_up_comes_late_and_is_not_called_another_s)
{
	const uint64_t dying = event_of("email_opened"), other = event_of("email_bounced");

	look();
	give("dead", "opened", dying);
	tick();
	cr_expect_not(refusal_is_told("done", "opened", dying));
	cr_expect_eq(state_of(dying), DEAD);
	cr_expect(refusal_is_told("done", "opened", other));
}

Test(custodian, more_verdicts_than_it_holds_are_settled_in_between)
{
	static uint64_t seqs[3000];

	for (size_t i = 0; i < 3000; i++)
		seqs[i] = i + 1;
	for (int i = 0; i < 20; i++)
		event_of("email_opened");
	cr_expect(give_many("done", "opened", seqs, 3000));
	cr_expect(give_many("done", "opened", seqs, 3000));
	cr_expect_eq(events_left(), 0);
}

/* Handlers may be anybody's programs. */
Test(custodian, verdicts_on_no_events_take_no_room)
{
	char reason[WIDTH_REASON];
	const struct verdict v = {
		.journal = journal_id(j),
		.verdict = slice_of("retry"),
		.reason = {reason, sizeof reason},
		.handler = slice_of("opened"),
	};
	const uint64_t seq = event_of("email_opened");

	memset(reason, 'r', sizeof reason);
	for (int i = 0; i < 10000; i++)
		cr_assert(custodian_take(c, &v, &why), "%s", why.text);
	cr_expect(give("done", "opened", seq));
	tick();
	cr_expect_eq(state_of(seq), GONE);
}

Test(custodian, verdicts_survive_a_journal_in_trouble)
{
	const uint64_t one = event_of("email_opened"), two = event_of("email_opened");

	look();
	give("done", "opened", one);
	give("retry", "opened", two);
	scratch_flush_error = EIO;
	cr_expect_not(custodian_settle(c, &why));
	cr_expect_not(custodian_tick(c, &why));
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	tick();
	cr_expect_eq(state_of(one), GONE);
	cr_expect_eq(state_of(two), SCHEDULED);
	answer_all();
}

Test(custodian, why_an_event_is_given_up_is_not_forgotten_in_trouble)
{
	const uint64_t seq = event_of("email_opened");
	struct journal_event ev;

	for (int i = 0; i < 4; i++) {
		look();
		scratch_flush_error = i == 3 ? EIO : 0;
		give("retry", "opened", seq);
		tick();
		scratch_skip_ms(10000);
	}
	scratch_flush_error = 0;
	tick();
	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	cr_assert(journal_event_at(j, seq, &ev));
	cr_expect_eq(ev.last.dead, DEATH_TRIES);
	journal_read_end(j);
}

Test(custodian, verdicts_that_find_no_room_in_trouble_are_no_bad_frames)
{
	static uint64_t seqs[3000];

	for (size_t i = 0; i < 3000; i++)
		seqs[i] = i + 1;
	for (int i = 0; i < 20; i++)
		event_of("email_opened");
	scratch_flush_error = EIO;
	cr_expect(give_many("retry", "opened", seqs, 3000));
	cr_expect(give_many("done", "opened", seqs, 3000), "%s", why.text);
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	tick();
	cr_expect_eq(state_of(seqs[0]), SCHEDULED);
	answer_all();
}

Test(custodian, it_finds_its_way_after_trouble_though_no_verdict_comes)
{
	const uint64_t seq = event_of("email_opened");

	look();
	give("retry", "opened", seq);
	tick();
	scratch_skip_ms(10000);
	scratch_flush_error = EIO;
	tick();
	scratch_flush_error = 0;
	cr_expect_eq(times_sent(seq, opened), 1);
	scratch_skip_ms(1000);
	tick();
	cr_expect_eq(times_sent(seq, opened), 2);
}

Test(custodian, an_event_that_cannot_be_read_is_a_dead_letter_and_ends)
{
	const struct journal_key key = scratch_key(&s, j, "x", 1);

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_assert_eq(journal_append(j, &key, slice_of("no frame"), 1, &why), STORE_OK);
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	look();
	tick();
	tick();
	cr_expect_eq(times_sent(1, dlq), 1);
	cr_expect_eq(state_of(1), DEAD);
	tell("buried", "dlq", 1);
	tick();
	cr_expect_eq(state_of(1), GONE);
}

Test(custodian, an_event_put_back_from_the_dead_letters_goes_to_its_handler)
{
	const uint64_t seq = event_of("email_opened");
	struct slice frame;

	look();
	give("dead", "opened", seq);
	tick();
	tell("buried", "dlq", seq);
	tick();
	frame = scratch_frame(journal_id(j), seq, "email_opened", "evt");
	cr_assert_eq(journal_revive(j, seq, frame, &why), STORE_OK);
	sent_count = 0;
	answer_all();
	cr_expect_geq(times_sent(seq, opened), 1);
}

/* Its letter was left behind by a kill, and is replayed again while the event waits for its time. */
Test(custodian, an_event_put_back_while_it_waits_is_sent_at_once)
{
	const uint64_t seq = event_of("email_opened");
	struct slice frame;

	look();
	give("retry", "opened", seq);
	tick();
	cr_assert_eq(state_of(seq), SCHEDULED);
	frame = scratch_frame(journal_id(j), seq, "email_opened", "evt");
	cr_assert_eq(journal_revive(j, seq, frame, &why), STORE_OK);
	sent_count = 0;
	cr_assert(tell("returned", "dlq", seq), "%s", why.text);
	tick();
	cr_expect_eq(times_sent(seq, opened), 1);
}

/* Its letter may be stored, and the verdict on its way, when an operator puts it back. */
Test(custodian, a_late_burial_does_not_take_an_event_that_was_put_back)
{
	const uint64_t seq = event_of("email_opened");
	struct slice frame;

	look();
	give("dead", "opened", seq);
	tick();
	frame = scratch_frame(journal_id(j), seq, "email_opened", "evt");
	cr_assert_eq(journal_revive(j, seq, frame, &why), STORE_OK);
	tell("buried", "dlq", seq);
	tick();
	cr_expect_eq(state_of(seq), ACCEPTED);
	sent_count = 0;
	answer_all();
	cr_expect_geq(times_sent(seq, opened), 1);
}

Test(custodian, dead_letters_wait_while_nobody_takes_them)
{
	const uint64_t seq = event_of("email_opened");

	refuses[dlq] = true;
	look();
	give("dead", "opened", seq);
	for (int i = 0; i < 10; i++) {
		scratch_skip_ms(s.cfg->journal.lease_ms);
		look();
	}
	cr_expect_eq(state_of(seq), DEAD);
	refuses[dlq] = false;
	tick();
	cr_expect_eq(times_sent(seq, dlq), 1);
}

Test(custodian, an_event_whose_handlers_go_away_thrice_is_sent_alone_and_then_given_up)
{
	const uint64_t seq = event_of("email_opened");
	size_t before;

	for (int i = 0; i < 3; i++) {
		look();
		tell("gone", "opened", 0);
		scratch_skip_ms(s.cfg->journal.lease_ms);
		event_of("email_opened");
	}
	cr_expect_eq(times_sent(seq, opened), 3);
	before = sent_count;
	look();
	cr_expect_eq(state_of(seq), DEAD);
	cr_expect_eq(times_sent(seq, dlq), 1);
	cr_expect_gt(sent_count, before + 1, "the others go on");
	answer_all();
}

Test(custodian, many_events_that_end_at_once_are_not_held_up_by_leases_of_a_route_that_hangs)
{
	enum { MANY = 70000, GROUP = 10000 };
	const uint64_t hangs = event_of("email_bounced");
	size_t done = 0;

	for (uint64_t i = 0; i < MANY; i += GROUP) {
		cr_assert_eq(journal_begin(j, &why), STORE_OK);
		for (uint64_t k = 0; k < GROUP; k++) {
			char id[32];
			struct journal_key key;

			snprintf(id, sizeof id, "m%llu", (unsigned long long)(i + k));
			key = scratch_key(&s, j, id, i + k);
			cr_assert_eq(journal_append(j, &key,
					     scratch_frame(
						     journal_id(j), i + k + 2, "email_opened", "x"),
					     1, &why),
				STORE_OK);
		}
		cr_assert_eq(journal_commit(j, &why), STORE_OK);
	}
	survey();
	for (int i = 0; i < TICKS_MOST && done <= MANY; i++) {
		tick();
		for (; done < sent_count; done++)
			if (sent[done].seq != hangs)
				give("done", "opened", sent[done].seq);
	}
	tick();
	cr_expect_eq(times_sent(hangs, bounced), 1);
	cr_expect_eq(sent_count, 1 + MANY);
	cr_expect_eq(events_left(), 1);
}

/* So full that reasons and times find no room: what ends events must not wait behind them. */
Test(custodian, in_a_full_journal_what_is_done_leaves_though_retries_find_no_room)
{
	static uint64_t seqs[4096];
	char reason[513];
	struct verdict v = {
		.verdict = slice_of("retry"),
		.reason = {reason, 512},
		.handler = slice_of("opened"),
	};
	uint64_t last, seq = 1;

	custodian_destroy(&c);
	journal_close(&j);
	memset(reason, 'r', sizeof reason);
	s.cfg->journal.max_bytes = 1 << 20;
	j = scratch_journal(&s);
	begin();
	v.journal = journal_id(j);
	do {
		last = event_of("email_opened");
		cr_assert_eq(journal_begin(j, &why), STORE_OK);
		journal_abort(j);
	} while (!journal_full(j, 1000));
	while (seq < last) {
		for (v.seqs = (struct seqs){seqs, 0}; v.seqs.n < 500 && seq < last; v.seqs.n++)
			seqs[v.seqs.n] = seq++;
		custodian_take(c, &v, &why);
		tick();
	}
	cr_expect(give("done", "opened", last));
	tick();
	cr_expect_eq(state_of(last), GONE);
	answer_all();
}

Test(custodian, figures_tell_what_waits)
{
	struct journal_stat st;

	event_of("email_opened");
	event_of("email_opened");
	look();
	give("retry", "opened", 1);
	look();
	survey();
	cr_assert(journal_read_begin(j, &why));
	journal_stat(j, &st);
	journal_read_end(j);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_QUEUE, ""), 2);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_SCHEDULED, ""), 1);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_REMEMBERED, ""), 2);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_JOURNAL_LIMIT, ""), (double)st.limit_bytes);
}

static uint64_t
draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
random_step(uint64_t *random, uint64_t last)
{
	static const char verdicts[] = "ddddrrrxbR";
	const uint64_t what = draw(random) % 100;

	if (what < 55)
		go_on(verdicts[draw(random) % (sizeof verdicts - 1)], 1 + draw(random) % last);
	else if (what < 75)
		tick();
	else if (what < 85)
		custodian_survey(c, &why);
	else if (what < 94)
		scratch_skip_ms(draw(random) % 5000);
	else if (what < 97)
		refuses[draw(random) % (dlq + 1)] ^= true;
	else if (what < 98)
		tell("gone", "opened", 0);
	else if (what < 99)
		scratch_flush_error = scratch_flush_error ? 0 : draw(random) % 2 ? EIO : ENOSPC;
	else {
		custodian_destroy(&c);
		begin();
	}
}

ParameterizedTestParameters(custodian, whatever_happens_every_event_reaches_an_end)
{
	static uint64_t seeds[] = {3, 99, 20260102, 424242};

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof *seeds);
}

ParameterizedTest(const uint64_t *seed, custodian, whatever_happens_every_event_reaches_an_end)
{
	static const char *const types[] = {"email_opened", "email_bounced", "odd"};
	uint64_t random = *seed, last = 0;

	for (int i = 0; i < 6000; i++) {
		if (scratch_flush_error == 0 && i % 20 == 0) {
			scratch_skip_ms(1000);
			last = event_of(types[draw(&random) % 3]);
		}
		random_step(&random, last);
	}
	scratch_flush_error = 0;
	memset(refuses, 0, sizeof refuses);
	scratch_skip_ms(20000);
	answer_all();
}

/* Neither those that come late, nor those on events of others. */
Test(custodian, verdicts_that_take_effect_are_counted_by_handler_and_word)
{
	const uint64_t done = event_of("email_opened"), tried = event_of("email_opened");
	const uint64_t other = event_of("email_opened");

	look();
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_VERDICTS, ""), 0);
	cr_assert(give("done", "opened", done));
	cr_assert(give("later", "handler-opened", tried));
	cr_assert(give("done", "bounced", other));
	tick();
	cr_assert(give("done", "opened", done));
	tick();
	cr_expect_eq(
		metrics_sum(metrics, METRIC_FAMILY_VERDICTS, "handler=\"opened\",verdict=\"done\""),
		1);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_VERDICTS,
			     "handler=\"opened\",verdict=\"later\""),
		1);
	cr_expect_eq(metrics_sum(metrics, METRIC_FAMILY_VERDICTS, ""), 2);
}
