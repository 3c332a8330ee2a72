/* Rows of comma-separated values. */
#include <criterion/criterion.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/ops/csv.h"

static msgpack_sbuffer line;

static const char *
csv_of(msgpack_object value)
{
	msgpack_sbuffer_clear(&line);
	csv_add(&line, true, &value);
	msgpack_sbuffer_write(&line, "", 1);
	return line.data;
}

static const char *
csv_of_text(const char *text)
{
	return csv_of(object_of_text(slice_of(text)));
}

Test(csv, a_text_without_a_sign_stands_as_it_is)
{
	cr_expect_str_eq(csv_of_text("jo@example.com"), "jo@example.com");
	cr_expect_str_eq(csv_of_text(""), "");
}

Test(csv, commas_quotes_and_line_ends_stand_in_quotes)
{
	cr_expect_str_eq(csv_of_text("a,b"), "\"a,b\"");
	cr_expect_str_eq(csv_of_text("say \"no\""), "\"say \"\"no\"\"\"");
	cr_expect_str_eq(csv_of_text("a\r\nb"), "\"a\r\nb\"");
}

Test(csv, what_a_spreadsheet_would_run_begins_with_an_apostrophe)
{
	static const char *const run[] = {"=1+1", "+1", "-1", "@a"};
	char wanted[16];

	for (size_t i = 0; i < sizeof run / sizeof *run; i++) {
		snprintf(wanted, sizeof wanted, "'%s", run[i]);
		cr_expect_str_eq(csv_of_text(run[i]), wanted);
	}
	cr_expect_str_eq(csv_of_text("\n=1"), "\"'\n=1\"");
	cr_expect_str_eq(csv_of_text("a=1"), "a=1");
}

Test(csv, what_steers_is_replaced)
{
	cr_expect_str_eq(csv_of_text("a\033[2Jb\u202ec"), "a\ufffd[2Jb\ufffdc");
	cr_expect_str_eq(csv_of_text("a\tb"), "a\tb");
}

Test(csv, numbers_and_booleans_are_written_and_nothing_for_the_rest)
{
	cr_expect_str_eq(csv_of(object_of_uint(UINT64_MAX)), "18446744073709551615");
	cr_expect_str_eq(
		csv_of((msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = -7}),
		"-7");
	cr_expect_str_eq(
		csv_of((msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1.5}), "1.5");
	cr_expect_str_eq(csv_of(object_of_bool(true)), "true");
	cr_expect_str_eq(csv_of((msgpack_object){.type = MSGPACK_OBJECT_NIL}), "");
	cr_expect_str_eq(csv_of((msgpack_object){.type = MSGPACK_OBJECT_MAP}), "");
}

Test(csv, a_comma_stands_between_also_where_a_value_lacks)
{
	const msgpack_object a = object_of_uint(1);

	msgpack_sbuffer_clear(&line);
	csv_add(&line, true, NULL);
	csv_add(&line, false, &a);
	csv_add(&line, false, NULL);
	cr_expect_eq(line.size, 3u);
	cr_expect_eq(memcmp(line.data, ",1,", 3), 0);
}
