/* When an event is tried again: doubling, the cap, the jitter's bounds, and each type's own rule.
 */
#include <criterion/criterion.h>

#include "retrier/backoff.h"
#include "scratch.h"

static const struct config_retry plain = {
	.delay_ms = 2000, .max_delay_ms = 300000, .attempts = 5, .jitter_percent = 0};
static const struct config_retry spread = {
	.delay_ms = 2000, .max_delay_ms = 300000, .attempts = 5, .jitter_percent = 10};

Test(backoff, the_wait_doubles_up_to_the_cap)
{
	const uint64_t expected[] = {
		2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000};

	for (uint64_t n = 1; n <= 10; n++)
		for (uint64_t random = 0; random < 100; random++)
			cr_assert_eq(backoff_ms(&plain, n, random * 0x9e3779b97f4a7c15),
				expected[n - 1]);
}

Test(backoff, however_many_attempts_it_never_overflows)
{
	const struct config_retry long_one = {
		.delay_ms = 86400000, .max_delay_ms = 2592000000, .jitter_percent = 100};

	cr_expect_eq(backoff_ms(&plain, UINT64_MAX, 7), 300000);
	cr_expect_leq(backoff_ms(&long_one, 1000, UINT64_MAX), 2 * long_one.max_delay_ms);
}

Test(backoff, a_cap_below_the_delay_is_the_wait)
{
	const struct config_retry low = {.delay_ms = 2000, .max_delay_ms = 500};

	cr_expect_eq(backoff_ms(&low, 1, 0), 500);
}

Test(backoff, the_jitter_stays_within_its_bounds_and_reaches_both)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (uint64_t random = 0; random < 100000; random++) {
		const uint64_t wait = backoff_ms(&spread, 3, random);

		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	cr_expect_eq(least, 7200);
	cr_expect_eq(most, 8800);
}

Test(backoff, the_jitter_is_spread_evenly)
{
	unsigned buckets[8] = {0};
	uint64_t random = 1;

	for (int i = 0; i < 80000; i++) {
		random = random * 6364136223846793005 + 1442695040888963407;
		buckets[(backoff_ms(&spread, 3, random >> 11) - 7200) * 8 / 1601]++;
	}
	for (int i = 0; i < 8; i++)
		cr_expect(
			buckets[i] > 9000 && buckets[i] < 11000, "bucket %d has %u", i, buckets[i]);
}

Test(backoff, full_jitter_may_make_it_nothing_or_twice_as_long)
{
	const struct config_retry full = {
		.delay_ms = 100, .max_delay_ms = 1000, .jitter_percent = 100};

	cr_expect_eq(backoff_ms(&full, 1, 0), 0);
	cr_expect_eq(backoff_ms(&full, 1, 200), 200);
}

Test(backoff, each_type_has_its_own_rule_and_the_rest_the_general_one)
{
	struct scratch s;
	const struct config_retry *own, *other;

	scratch_open(&s, "retry:\n  delay: 1s\n  attempts: 4\n  types:\n"
			 "    - type: email_bounced\n      delay: 7s\n      max_delay: 20s\n");
	own = config_retry_of(s.cfg, slice_of("email_bounced"));
	other = config_retry_of(s.cfg, slice_of("email_opened"));
	cr_expect_eq(backoff_ms(own, 1, 700), 7000);
	cr_expect_eq(own->attempts, 4, "what its row leaves out is as in the general one");
	cr_expect_eq(backoff_ms(other, 1, 100), 1000);
	scratch_close(&s);
}

Test(backoff, the_longest_wait_is_that_of_any_rule)
{
	struct scratch s;

	scratch_open(&s, "retry:\n  max_delay: 100s\n  jitter_percent: 10\n  types:\n"
			 "    - type: email_bounced\n      max_delay: 200s\n"
			 "    - type: email_opened\n      max_delay: 50s\n");
	cr_expect_eq(backoff_longest_ms(s.cfg), 220000);
	scratch_close(&s);
}
