/* An open loop: what is due when, how long to wait for it, and from when a latency counts. */
#include <criterion/criterion.h>

#include "lib/base/openloop.h"

static struct openloop
loop_of(double rate, uint64_t duration_us)
{
	return (struct openloop){
		.rate = rate, .start_us = 5000000, .end_us = 5000000 + duration_us};
}

Test(openloop, requests_are_due_at_the_rate_whether_or_not_any_is_answered)
{
	struct openloop o = loop_of(1000, 1000000);
	uint64_t due_us;

	cr_assert(openloop_take(&o, 5000000, &due_us));
	cr_expect_eq(due_us, 5000000);
	cr_expect_not(openloop_take(&o, 5000999, &due_us));
	cr_assert(openloop_take(&o, 5002500, &due_us));
	cr_expect_eq(due_us, 5001000, "when it was due, not when it was sent");
	cr_assert(openloop_take(&o, 5002500, &due_us));
	cr_expect_not(openloop_take(&o, 5002500, &due_us));
	cr_expect_eq(o.sent, 3);
}

Test(openloop, so_many_are_due_as_the_rate_gives_for_the_time)
{
	struct openloop o = loop_of(1000 / 3.0, 3000000);
	uint64_t due_us;

	while (openloop_take(&o, UINT64_MAX, &due_us))
		cr_assert_lt(due_us, o.end_us);
	cr_expect(openloop_over(&o));
	cr_expect_eq(o.sent, 1000);
}

Test(openloop, the_wait_ends_with_the_next_that_is_due)
{
	struct openloop o = loop_of(1000, 2000);
	uint64_t due_us;

	cr_expect_eq(openloop_wait(&o, 4999900, 10000), 100);
	cr_expect_eq(openloop_wait(&o, 4000000, 10000), 10000);
	cr_expect_eq(openloop_wait(&o, 5000001, 10000), 0);
	while (openloop_take(&o, UINT64_MAX, &due_us))
		;
	cr_expect_eq(openloop_wait(&o, 5000001, 10000), 10000, "nothing is due any more");
}

Test(openloop, latencies_of_the_first_while_do_not_count)
{
	struct openloop o = loop_of(1000, 1000000);

	o.warm_us = 2000;
	openloop_answer(&o, 5001000, 5009000, true);
	openloop_answer(&o, 5002000, 5002500, false);
	cr_expect_eq(o.answered, 2);
	cr_expect_eq(o.good, 1);
	cr_expect_eq(o.latency.count, 1);
	cr_expect_eq(o.latency.most, 500);
}
