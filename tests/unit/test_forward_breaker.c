/* Whether a destination may be sent anything, and how much. */
#include <criterion/criterion.h>

#include "forward/breaker.h"

enum { EVEN = 1000000, MOST = 8 };

static struct breaker
fresh(void)
{
	struct breaker b;

	breaker_open(&b, FORWARD_UP, MOST);
	return b;
}

static unsigned
room(const struct breaker *b, uint64_t now)
{
	bool probe;

	return breaker_room(b, now, &probe);
}

static bool
probes(const struct breaker *b, uint64_t now)
{
	bool probe;

	return breaker_room(b, now, &probe) == 1 && probe;
}

static bool
answer(struct breaker *b, enum answer_class what, uint64_t now)
{
	return breaker_answer(b, what, 1, 0, now, 0.5);
}

static void
answers(struct breaker *b, enum answer_class what, unsigned n, uint64_t now)
{
	while (n-- > 0)
		answer(b, what, now);
}

/* ---- up ---- */

Test(forward_breaker, a_new_destination_takes_as_much_as_it_is_configured_for)
{
	struct breaker b = fresh();

	cr_expect_eq(room(&b, EVEN), MOST);
	cr_expect_not(probes(&b, EVEN));
	answers(&b, ANSWER_DONE, 100, EVEN);
	cr_expect_eq(room(&b, EVEN), MOST);
	cr_expect_eq(b.state, FORWARD_UP);
}

Test(forward_breaker, what_an_event_is_to_blame_for_changes_nothing)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_BAD, 1000, EVEN);
	answers(&b, ANSWER_GUARDED, 1000, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
	cr_expect_eq(room(&b, EVEN), MOST);
}

Test(forward_breaker, another_limit_counts_at_once)
{
	struct breaker b = fresh();

	breaker_limit(&b, 2);
	cr_expect_eq(room(&b, EVEN), 2);
	breaker_limit(&b, 16);
	cr_expect_eq(room(&b, EVEN), 16);
	answer(&b, ANSWER_SLOW, EVEN);
	breaker_limit(&b, 32);
	cr_expect_eq(room(&b, EVEN + 1000), 8, "what it has shown to bear stays");
}

/* ---- down ---- */

Test(forward_breaker, five_times_away_in_a_row_are_down)
{
	struct breaker b = fresh();

	for (int i = 0; i < 4; i++)
		cr_expect_not(answer(&b, ANSWER_AWAY, EVEN));
	cr_expect(answer(&b, ANSWER_AWAY, EVEN));
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect_eq(room(&b, EVEN), 0);
}

Test(forward_breaker, a_success_between_begins_the_row_anew)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_AWAY, 4, EVEN);
	answer(&b, ANSWER_DONE, EVEN);
	answers(&b, ANSWER_AWAY, 4, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
	answer(&b, ANSWER_BAD, EVEN);
	answer(&b, ANSWER_AWAY, EVEN);
	cr_expect_eq(b.state, FORWARD_DOWN, "no other answer does");
}

Test(forward_breaker, ten_errors_in_a_row_are_down_and_half_as_many_with_half_the_times_away)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_ERROR, 9, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
	cr_expect(answer(&b, ANSWER_ERROR, EVEN));
	cr_expect_eq(b.state, FORWARD_DOWN);

	b = fresh();
	answers(&b, ANSWER_ERROR, 4, EVEN);
	answers(&b, ANSWER_AWAY, 2, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
	answer(&b, ANSWER_AWAY, EVEN);
	cr_expect_eq(b.state, FORWARD_DOWN);
}

Test(forward_breaker, every_tenth_event_that_fails_for_ever_harms_nobody)
{
	struct breaker b = fresh();

	for (int i = 0; i < 1000; i++)
		answer(&b, i % 10 ? ANSWER_DONE : ANSWER_ERROR, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
	cr_expect_eq(room(&b, EVEN), MOST);
}

Test(forward_breaker, probes_come_after_a_second_doubling_to_a_minute_spread_by_a_fifth)
{
	static const uint64_t waits[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	static const double spreads[] = {0, 0.5, 1};

	for (size_t s = 0; s < 3; s++) {
		struct breaker b = fresh();
		uint64_t now = EVEN;

		for (size_t i = 0; i < 4; i++)
			breaker_answer(&b, ANSWER_AWAY, 1, 0, now, spreads[s]);
		for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
			const uint64_t wait =
				(uint64_t)((double)waits[i] * (0.8 + 0.4 * spreads[s]));

			breaker_answer(&b, ANSWER_AWAY, 1, 0, now, spreads[s]);
			cr_expect_eq(room(&b, now + wait - 1), 0);
			cr_expect(probes(&b, now + wait), "%zu", i);
			cr_expect_eq(breaker_wakes_ms(&b), now + wait);
			now += wait;
		}
	}
}

Test(forward_breaker, what_was_under_way_when_it_went_down_makes_no_wait_longer)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_AWAY, MOST, EVEN);
	cr_expect(probes(&b, EVEN + 1000));
	answers(&b, ANSWER_ERROR, MOST, EVEN + 500);
	cr_expect(probes(&b, EVEN + 1000));
}

Test(forward_breaker, the_first_success_of_a_probe_is_up_one_at_a_time_doubled_each_ten)
{
	static const unsigned rooms[] = {1, 2, 4, 8, 8};
	struct breaker b = fresh();

	answers(&b, ANSWER_AWAY, 5, EVEN);
	cr_expect(answer(&b, ANSWER_DONE, EVEN + 1000));
	cr_expect_eq(b.state, FORWARD_UP);
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		cr_expect_eq(room(&b, EVEN + 1000), rooms[i], "%zu", i);
		cr_expect_not(probes(&b, EVEN + 1000));
		answers(&b, ANSWER_DONE, 9, EVEN + 1000);
		cr_expect_eq(room(&b, EVEN + 1000), rooms[i]);
		answer(&b, ANSWER_DONE, EVEN + 1000);
	}
}

Test(forward_breaker, a_probe_that_an_event_is_to_blame_for_waits_no_longer_than_the_last)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_AWAY, 5, EVEN);
	for (uint64_t i = 1; i < 20; i++) {
		cr_expect(probes(&b, EVEN + 1000 * i));
		answer(&b, ANSWER_BAD, EVEN + 1000 * i);
		cr_expect_eq(room(&b, EVEN + 1000 * i), 0);
	}
	cr_expect_eq(b.state, FORWARD_DOWN);
}

Test(forward_breaker, a_probe_may_be_told_to_wait_longer)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_AWAY, 5, EVEN);
	cr_expect_not(breaker_answer(&b, ANSWER_SLOW, 1, 90000, EVEN + 1000, 0.5));
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect_eq(room(&b, EVEN + 90999), 0);
	cr_expect(probes(&b, EVEN + 91000));
}

Test(forward_breaker, as_it_was_kept_it_begins_and_is_probed_at_once)
{
	struct breaker b;

	breaker_open(&b, FORWARD_DOWN, MOST);
	cr_expect(probes(&b, 0));
	answer(&b, ANSWER_AWAY, EVEN);
	cr_expect(probes(&b, EVEN + 1000));
	breaker_open(&b, FORWARD_REFUSED, MOST);
	cr_expect(probes(&b, 0));
	breaker_open(&b, FORWARD_SLOW, MOST);
	cr_expect_eq(room(&b, 0), MOST / 2);
	cr_expect_not(probes(&b, 0));
	breaker_open(&b, FORWARD_SLOW, 1);
	cr_expect_eq(room(&b, 0), 1);
	breaker_open(&b, FORWARD_GONE, MOST);
	cr_expect_eq(room(&b, UINT64_MAX), 0);
	cr_expect_eq(breaker_wakes_ms(&b), 0);
}

Test(forward_breaker, too_many_exceptions_are_down)
{
	struct breaker b = fresh();

	cr_expect(breaker_overrun(&b, EVEN));
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect_eq(room(&b, EVEN + 999), 0);
	cr_expect(probes(&b, EVEN + 1000));
	cr_expect_not(breaker_overrun(&b, EVEN + 1000), "it is already");
}

/* ---- slow ---- */

Test(forward_breaker, slow_halves_and_pauses_a_second_doubling_to_a_minute)
{
	static const struct {
		uint64_t pause;
		unsigned room;
	} rows[] = {{1000, 4}, {2000, 2}, {4000, 1}, {8000, 1}, {16000, 1}, {32000, 1}, {60000, 1},
		{60000, 1}};
	struct breaker b = fresh();
	uint64_t now = EVEN;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cr_expect_eq(answer(&b, ANSWER_SLOW, now), i == 0);
		cr_expect_eq(b.state, FORWARD_SLOW);
		cr_expect_eq(room(&b, now + rows[i].pause - 1), 0);
		cr_expect_eq(breaker_wakes_ms(&b), now + rows[i].pause);
		cr_expect_eq(room(&b, now + rows[i].pause), rows[i].room, "%zu", i);
		cr_expect_not(probes(&b, now + rows[i].pause) && rows[i].room > 1);
		now += rows[i].pause;
	}
}

Test(forward_breaker, many_that_are_too_many_at_once_halve_it_once)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_SLOW, MOST, EVEN);
	cr_expect_eq(room(&b, EVEN + 1000), MOST / 2);
}

Test(forward_breaker, the_longer_of_retry_after_and_pause_counts)
{
	struct breaker b = fresh();

	breaker_answer(&b, ANSWER_SLOW, 1, 200, EVEN, 0.5);
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 1000);
	breaker_answer(&b, ANSWER_SLOW, 2, 30000, EVEN + 10, 0.5);
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 30010, "also from one that was under way");
	breaker_answer(&b, ANSWER_SLOW, 3, 5000, EVEN + 20, 0.5);
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 30010);
	cr_expect_eq(room(&b, EVEN + 30010), MOST / 2);
}

Test(forward_breaker, slow_ends_with_a_success_behind_the_pause)
{
	struct breaker b = fresh();

	answer(&b, ANSWER_SLOW, EVEN);
	cr_expect_not(answer(&b, ANSWER_DONE, EVEN + 999));
	cr_expect_eq(b.state, FORWARD_SLOW);
	cr_expect(answer(&b, ANSWER_DONE, EVEN + 1000));
	cr_expect_eq(b.state, FORWARD_UP);
	cr_expect_eq(room(&b, EVEN + 1000), MOST / 2, "as many as it was slowed to");
	answers(&b, ANSWER_DONE, 8, EVEN + 1000);
	cr_expect_eq(room(&b, EVEN + 1000), MOST);
	answer(&b, ANSWER_SLOW, EVEN + 2000);
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 3000, "the pause begins anew");
}

Test(forward_breaker, ten_successes_double_what_is_no_power_of_two_up_to_the_limit)
{
	struct breaker b;

	breaker_open(&b, FORWARD_UP, 7);
	answer(&b, ANSWER_SLOW, EVEN);
	cr_expect_eq(room(&b, EVEN + 1000), 3);
	answers(&b, ANSWER_DONE, 10, EVEN + 1000);
	cr_expect_eq(room(&b, EVEN + 1000), 6);
	answers(&b, ANSWER_DONE, 10, EVEN + 1000);
	cr_expect_eq(room(&b, EVEN + 1000), 7);
}

Test(forward_breaker, one_that_is_slow_can_go_down_too)
{
	struct breaker b = fresh();

	breaker_answer(&b, ANSWER_SLOW, 1, 3600000, EVEN, 0.5);
	answers(&b, ANSWER_AWAY, 5, EVEN + 10);
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect(probes(&b, EVEN + 1010));
}

/* ---- refused ---- */

Test(forward_breaker, ten_refusals_in_a_row_are_refused_with_a_probe_each_five_minutes)
{
	struct breaker b = fresh();

	for (int i = 0; i < 9; i++)
		cr_expect_not(answer(&b, ANSWER_REFUSED, EVEN));
	cr_expect_eq(room(&b, EVEN), MOST);
	cr_expect(answer(&b, ANSWER_REFUSED, EVEN));
	cr_expect_eq(b.state, FORWARD_REFUSED);
	for (uint64_t i = 1; i < 5; i++) {
		cr_expect_eq(room(&b, EVEN + i * 300000 - 1), 0);
		cr_expect(probes(&b, EVEN + i * 300000));
		cr_expect_not(answer(&b, ANSWER_REFUSED, EVEN + i * 300000));
	}
	cr_expect(answer(&b, ANSWER_DONE, EVEN + 1500000));
	cr_expect_eq(b.state, FORWARD_UP);
	cr_expect_eq(room(&b, EVEN + 1500000), 1);
}

Test(forward_breaker, a_success_between_begins_the_row_of_refusals_anew)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_REFUSED, 9, EVEN);
	answer(&b, ANSWER_DONE, EVEN);
	answers(&b, ANSWER_REFUSED, 9, EVEN);
	cr_expect_eq(b.state, FORWARD_UP);
}

Test(forward_breaker, who_refused_and_is_away_now_is_down)
{
	struct breaker b = fresh();

	answers(&b, ANSWER_REFUSED, 10, EVEN);
	cr_expect(answer(&b, ANSWER_AWAY, EVEN + 300000));
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect(probes(&b, EVEN + 301000));
	answers(&b, ANSWER_REFUSED, 9, EVEN + 301000);
	cr_expect_eq(b.state, FORWARD_DOWN);
	cr_expect(answer(&b, ANSWER_REFUSED, EVEN + 310000));
	cr_expect_eq(b.state, FORWARD_REFUSED);
}

/* ---- gone ---- */

Test(forward_breaker, two_events_that_are_told_410_ten_seconds_apart_are_gone)
{
	struct breaker b = fresh();

	cr_expect_not(breaker_answer(&b, ANSWER_GONE, 7, 0, EVEN, 0.5));
	cr_expect_eq(room(&b, EVEN + 9999), 0, "nothing is sent meanwhile");
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 10000);
	cr_expect(probes(&b, EVEN + 10000), "then one, and another");
	cr_expect(breaker_answer(&b, ANSWER_GONE, 8, 0, EVEN + 10000, 0.5));
	cr_expect_eq(b.state, FORWARD_GONE);
	cr_expect_eq(room(&b, UINT64_MAX), 0);
	cr_expect_not(answer(&b, ANSWER_DONE, EVEN + 10001));
	cr_expect_eq(b.state, FORWARD_GONE, "but for an operator's word");
}

Test(forward_breaker, events_that_were_under_way_together_are_no_two)
{
	struct breaker b = fresh();

	for (uint64_t pos = 1; pos <= MOST; pos++)
		cr_expect_not(breaker_answer(&b, ANSWER_GONE, pos, 0, EVEN + pos, 0.5));
	cr_expect_eq(breaker_wakes_ms(&b), EVEN + 10001);
}

Test(forward_breaker, one_event_alone_is_never_gone)
{
	struct breaker b = fresh();
	uint64_t now = EVEN;

	for (int i = 0; i < 20; i++) {
		cr_expect_not(breaker_answer(&b, ANSWER_GONE, 7, 0, now, 0.5));
		cr_expect_geq(breaker_wakes_ms(&b), now + 10000);
		cr_expect_leq(breaker_wakes_ms(&b), now + 60000);
		now = breaker_wakes_ms(&b);
	}
	cr_expect_eq(b.state, FORWARD_UP);
}

Test(forward_breaker, a_success_shows_that_it_was_that_event_alone)
{
	struct breaker b = fresh();

	breaker_answer(&b, ANSWER_GONE, 7, 0, EVEN, 0.5);
	breaker_answer(&b, ANSWER_DONE, 8, 0, EVEN + 5, 0.5);
	cr_expect_eq(room(&b, EVEN + 5), MOST, "so the others need not wait");
	breaker_answer(&b, ANSWER_GONE, 9, 0, EVEN + 20000, 0.5);
	cr_expect_eq(b.state, FORWARD_UP);
}

Test(forward_breaker, it_can_be_gone_from_any_other_state)
{
	static const enum forward_state states[] = {FORWARD_SLOW, FORWARD_DOWN, FORWARD_REFUSED};

	for (size_t i = 0; i < 3; i++) {
		struct breaker b;

		breaker_open(&b, states[i], MOST);
		breaker_answer(&b, ANSWER_GONE, 7, 0, EVEN, 0.5);
		cr_expect_eq(room(&b, EVEN + 9999), 0);
		cr_expect(probes(&b, EVEN + 10000));
		cr_expect(breaker_answer(&b, ANSWER_GONE, 8, 0, EVEN + 10000, 0.5));
		cr_expect_eq(b.state, FORWARD_GONE);
	}
}

Test(forward_breaker, enable_probes_at_once_from_every_state)
{
	static const enum forward_state states[] = {FORWARD_GONE, FORWARD_DOWN, FORWARD_REFUSED};

	for (size_t i = 0; i < 3; i++) {
		struct breaker b = fresh();

		if (states[i] == FORWARD_GONE)
			breaker_open(&b, FORWARD_GONE, MOST);
		else
			answers(&b, states[i] == FORWARD_DOWN ? ANSWER_AWAY : ANSWER_REFUSED, 10,
				EVEN);
		breaker_enable(&b, EVEN);
		cr_expect(probes(&b, EVEN));
		cr_expect(answer(&b, ANSWER_DONE, EVEN));
		cr_expect_eq(b.state, FORWARD_UP);
	}
}

Test(forward_breaker, enable_ends_a_pause)
{
	struct breaker b = fresh();

	breaker_answer(&b, ANSWER_SLOW, 1, 3600000, EVEN, 0.5);
	breaker_enable(&b, EVEN + 1);
	cr_expect_eq(room(&b, EVEN + 1), MOST / 2);
}
