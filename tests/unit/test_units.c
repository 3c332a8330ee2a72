/* Durations, sizes and whole numbers as texts. */
#include <criterion/criterion.h>

#include "lib/base/units.h"

Test(units, durations_need_a_unit_and_fit_64_bits)
{
	uint64_t ms;

	cr_expect(units_read_duration("250ms", &ms) && ms == 250);
	cr_expect(units_read_duration("0s", &ms) && ms == 0);
	cr_expect(units_read_duration("10m", &ms) && ms == 600000);
	cr_expect(units_read_duration("24h", &ms) && ms == 86400000);
	cr_expect(units_read_duration("30d", &ms) && ms == 2592000000);
	cr_expect_not(units_read_duration("10", &ms));
	cr_expect_not(units_read_duration("s", &ms));
	cr_expect_not(units_read_duration("", &ms));
	cr_expect_not(units_read_duration("-1s", &ms));
	cr_expect_not(units_read_duration("1.5s", &ms));
	cr_expect_not(units_read_duration("1 s", &ms));
	cr_expect_not(units_read_duration("1sec", &ms));
	cr_expect_not(units_read_duration("18446744073709551616ms", &ms));
	cr_expect_not(units_read_duration("18446744073709551615s", &ms));
}

Test(units, sizes_are_bytes_or_powers_of_two_or_of_ten)
{
	uint64_t bytes;

	cr_expect(units_read_size("17", &bytes) && bytes == 17);
	cr_expect(units_read_size("64KiB", &bytes) && bytes == 65536);
	cr_expect(units_read_size("1MiB", &bytes) && bytes == 1048576);
	cr_expect(units_read_size("2GiB", &bytes) && bytes == 2147483648);
	cr_expect(units_read_size("1MB", &bytes) && bytes == 1000000);
	cr_expect(units_read_size("2GB", &bytes) && bytes == 2000000000);
	cr_expect(units_read_size("2g", &bytes) && bytes == 2147483648);
	cr_expect(units_read_size("3tb", &bytes) && bytes == 3000000000000);
	cr_expect_not(units_read_size("2 GB", &bytes));
	cr_expect_not(units_read_size("2GBs", &bytes));
	cr_expect_not(units_read_size("KiB", &bytes));
	cr_expect_not(units_read_size("17179869184GiB", &bytes));
}

Test(units, a_count_is_digits_alone)
{
	uint64_t n;

	cr_expect(units_read_count("0", &n) && n == 0);
	cr_expect(units_read_count("18446744073709551615", &n) && n == UINT64_MAX);
	cr_expect_not(units_read_count("18446744073709551616", &n));
	cr_expect_not(units_read_count("", &n));
	cr_expect_not(units_read_count("+1", &n));
	cr_expect_not(units_read_count(" 1", &n));
	cr_expect_not(units_read_count("1s", &n));
}

Test(units, sizes_print_in_the_largest_unit_that_is_reached)
{
	char text[UNITS_TEXT];

	cr_expect_str_eq(units_size_text(0, text), "0 B");
	cr_expect_str_eq(units_size_text(1023, text), "1023 B");
	cr_expect_str_eq(units_size_text(1536, text), "1.5 KiB");
	cr_expect_str_eq(units_size_text(2147483648.0, text), "2.0 GiB");
	cr_expect_str_eq(units_size_text(1e18, text), "909494.7 TiB");
}

#define NOW 1795867200000ULL

Test(units, a_time_ago_is_told_in_the_unit_that_says_most)
{
	static const struct {
		uint64_t apart;
		const char *text;
	} rows[] = {{0, "now"}, {999, "now"}, {1000, "1 s ago"}, {59999, "59 s ago"},
		{60000, "1 min ago"}, {119 * 60000ULL, "119 min ago"}, {120 * 60000ULL, "2 h ago"},
		{47 * 3600000ULL, "47 h ago"}, {48 * 3600000ULL, "2 d ago"},
		{729 * 86400000ULL, "729 d ago"}, {730 * 86400000ULL, "2 y ago"}};
	char out[32];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_str_eq(units_ago_text(NOW - rows[i].apart, NOW, out), rows[i].text);
	cr_expect_str_eq(units_ago_text(NOW + 180000, NOW, out), "in 3 min");
}
