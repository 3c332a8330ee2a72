/* The pace of a route: slow at first and after a refusal, fast while handlers answer. */
#include <criterion/criterion.h>

#include "retrier/pace.h"

static struct pace pace;

static void
setup(void)
{
	pace_init(&pace);
}

TestSuite(pace, .init = setup);

static void
send_all(uint64_t now_ms)
{
	while (pace_room(&pace, now_ms) > 0)
		pace_sent(&pace);
}

Test(pace, a_route_begins_with_one_event)
{
	cr_expect_eq(pace_room(&pace, 0), 1);
	pace_sent(&pace);
	cr_expect_eq(pace_room(&pace, 0), 0);
	pace_ended(&pace);
	cr_expect_eq(pace_room(&pace, 0), 1);
}

Test(pace, each_answer_doubles_what_may_be_out_up_to_the_most)
{
	for (uint64_t window = 2; window <= 2048; window *= 2) {
		pace_alive(&pace);
		cr_expect_eq(
			pace_room(&pace, 0), window < PACE_MOST ? window : (uint64_t)PACE_MOST);
	}
	send_all(0);
	cr_expect_eq(pace.out, PACE_MOST);
}

Test(pace, a_refusal_leaves_the_route_alone_for_a_while_that_doubles_to_a_second)
{
	static const uint64_t pauses[] = {50, 100, 200, 400, 800, 1000, 1000, 1000};
	uint64_t now_ms = 5000;

	pace_alive(&pace);
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		pace_refused(&pace, now_ms);
		cr_expect_eq(pace_room(&pace, now_ms + pauses[i] - 1), 0);
		now_ms += pauses[i];
		cr_expect_eq(
			pace_room(&pace, now_ms), 1, "one probe after %u", (unsigned)pauses[i]);
	}
}

Test(pace, refusals_of_one_pause_count_once)
{
	pace_refused(&pace, 1000);
	pace_refused(&pace, 1010);
	pace_refused(&pace, 1049);
	cr_expect_eq(pace_room(&pace, 1050), 1);
}

Test(pace, an_answer_ends_the_pause)
{
	for (uint64_t i = 0; i < 6; i++)
		pace_refused(&pace, 10000 * i);
	cr_expect_eq(pace_room(&pace, 50001), 0);
	pace_alive(&pace);
	cr_expect_eq(pace_room(&pace, 50001), 2);
	pace_refused(&pace, 50002);
	cr_expect_eq(pace_room(&pace, 50052), 1, "and the next pause is short again");
}

Test(pace, what_is_out_counts_after_a_refusal_too)
{
	for (int i = 0; i < 4; i++)
		pace_alive(&pace);
	send_all(0);
	pace_refused(&pace, 0);
	cr_expect_eq(pace_room(&pace, 1000), 0);
	while (pace.out > 0)
		pace_ended(&pace);
	cr_expect_eq(pace_room(&pace, 1000), 1);
}

Test(pace, an_end_too_many_does_no_harm)
{
	pace_ended(&pace);
	cr_expect_eq(pace_room(&pace, 0), 1);
	pace_sent(&pace);
	cr_expect_eq(pace_room(&pace, 0), 0);
}
