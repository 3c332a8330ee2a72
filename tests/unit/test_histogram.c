/* Latencies: what percentiles say is never less than the truth, and at most 1.6 % more. */
#include <criterion/criterion.h>

#include "lib/base/histogram.h"

static struct histogram h;

Test(histogram, an_empty_one_is_all_0)
{
	cr_expect_eq(histogram_percentile(&h, 50), 0);
	cr_expect_eq(histogram_percentile(&h, 100), 0);
	cr_expect_eq(histogram_average(&h), 0);
}

Test(histogram, one_value_is_every_percentile)
{
	histogram_add(&h, 1234567);
	for (int p = 1; p <= 100; p++)
		cr_expect_eq(histogram_percentile(&h, p), 1234567);
	cr_expect_eq(histogram_average(&h), 1234567);
	cr_expect_eq(h.most, 1234567);
}

Test(histogram, small_values_are_exact)
{
	for (uint64_t us = 0; us < 128; us++)
		histogram_add(&h, us);
	cr_expect_eq(histogram_percentile(&h, 50), 63);
	cr_expect_eq(histogram_percentile(&h, 100), 127);
}

Test(histogram, a_percentile_is_at_most_a_64th_more_than_the_truth)
{
	for (uint64_t us = 1; us < (uint64_t)1 << 50; us += 1 + us / 7) {
		struct histogram one = {.count = 0};
		uint64_t told;

		histogram_add(&one, us);
		one.most = UINT64_MAX; /* so that the bucket's own end is told */
		told = histogram_percentile(&one, 50);
		cr_expect(told >= us && told - us <= us / 64, "%llu told as %llu",
			(unsigned long long)us, (unsigned long long)told);
	}
}

Test(histogram, the_largest_value_there_is_is_counted)
{
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, 1);
	cr_expect_eq(h.count, 2);
	cr_expect_eq(h.most, UINT64_MAX);
	cr_expect_eq(histogram_percentile(&h, 50), 1);
}

Test(histogram, percentiles_split_what_was_counted)
{
	for (uint64_t i = 1; i <= 1000; i++)
		histogram_add(&h, i * 1000);
	cr_expect(histogram_percentile(&h, 50) >= 500000 && histogram_percentile(&h, 50) < 508000);
	cr_expect(histogram_percentile(&h, 99) >= 990000 && histogram_percentile(&h, 99) < 1000000);
	cr_expect_eq(histogram_percentile(&h, 100), 1000000);
	cr_expect_float_eq(histogram_average(&h), 500500, 1e-6);
}
