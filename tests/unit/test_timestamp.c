/* Times as senders and people write them, and tallies of texts. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/json.h"
#include "lib/base/timestamp.h"
#include "lib/ops/tally.h"

static const uint64_t NOW = 1700000000000;

static const struct {
	const char *text;
	uint64_t ms;
} good[] = {
	{"2023-11-14T22:13:20Z", 1700000000000},
	{"2023-11-14T22:13:20", 1700000000000},
	{"2023-11-14 22:13:20.5Z", 1700000000500},
	{"2023-11-14t23:13:20.25+01:00", 1700000000250},
	{"2023-11-14T22:13:20.123456789z", 1700000000123},
	{"2023-11-14T16:43:20-05:30", 1700000000000},
	{"2023-11-14", 1699920000000},
	{"1970-01-01T00:00:00Z", 0},
	{"0", 0},
	{"1700000000", 1700000000000},
	{"1700000000123", 1700000000123},
	{"90s", 1699999910000},
	{"2h", 1699992800000},
	{"2023-11-14 22:13:20 +0000", 1700000000000},
	{"1700000000.5", 1700000000500},
	{"7d", 1699395200000},
	{"250ms", 1699999999750},
	{"36500d", 0},
};

Test(timestamp, what_is_a_time_is_read)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct error why = {""};
		uint64_t ms = 1;

		cr_expect(timestamp_read(good[i].text, NOW, &ms, &why), "%s", why.text);
		cr_expect_eq(ms, good[i].ms, "%s: %lu", good[i].text, (unsigned long)ms);
	}
}

static const char *const bad[] = {"", "now", "-1", "2h ago", "1.5h", "2023-13-01", "2023-11-14T",
	"2023-11-14T22:13", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20 CET", "2023-11-14X",
	"99999999999999999999", "1960-01-01"};

Test(timestamp, what_is_none_is_refused_with_what_would_be)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct error why = {""};
		uint64_t ms;

		cr_expect_not(timestamp_read(bad[i], NOW, &ms, &why), "\"%s\"", bad[i]);
		cr_expect_not_null(strstr(why.text, "2026-01-02T03:04:05Z"), "%s", why.text);
	}
}

Test(timestamp, what_is_written_is_read_again)
{
	char text[TIMESTAMP_BYTES];
	uint64_t ms;

	cr_expect_str_eq(timestamp_text(1700000000007, text), "2023-11-14T22:13:20.007Z");
	cr_assert(timestamp_read(text, NOW, &ms, NULL));
	cr_expect_eq(ms, 1700000000007);
}

/* ---- what senders write: the table in docs/events.md, form by form ---- */

struct form {
	char json[48];
	int64_t ms; /* 0: refused */
};

static struct form forms[] = {
	/* numbers */
	{"1700000000", 1700000000000},
	{"1700000000.5", 1700000000500},
	{"1521233195.375624", 1521233195375},
	{"1700000000.0004", 1700000000000},
	{"1700000000.9996", 1700000000999},
	{"1700000000123", 1700000000123},
	{"1662129069123.9", 1662129069123},
	{"1", 1000},
	{"0.001", 1},
	{"99999999999", 99999999999000},
	{"100000000000", 100000000000},
	{"253402300799999", 253402300799999},
	{"253402300800000", 0},
	{"18446744073709551615", 0},
	{"1e300", 0},
	{"1.7e9", 1700000000000},
	{"0", 0},
	{"-1700000000", 0},
	{"-0.5", 0},
	{"true", 0},
	{"null", 0},
	{"[1700000000]", 0},
	{"{\"s\":1700000000}", 0},
	/* the same as text */
	{"\"1700000000\"", 1700000000000},
	{"\"1521233195.3756\"", 1521233195375},
	{"\"1700000000123\"", 1700000000123},
	{"\"1700000000123.5\"", 0},
	{"\"1700000000.\"", 0},
	{"\"1700000000,5\"", 0},
	{"\"1.7e9\"", 0},
	{"\"+1700000000\"", 0},
	{"\"-1700000000\"", 0},
	{"\" 1700000000\"", 0},
	{"\"1700000000s\"", 0},
	{"\"0\"", 0},
	{"\"253402300800000\"", 0},
	{"\"99999999999999999999999\"", 0},
	{"\"1662129069\\u0000\"", 0},
	/* date and time */
	{"\"2026-01-02T03:04:05Z\"", 1767323045000},
	{"\"2026-01-02t03:04:05z\"", 1767323045000},
	{"\"2026-01-02 03:04:05Z\"", 1767323045000},
	{"\"2026-01-02  03:04:05Z\"", 0},
	{"\"2026-01-02_03:04:05Z\"", 0},
	{"\"2026-01-02T03:04Z\"", 0},
	{"\"2026-01-02T3:04:05Z\"", 0},
	{"\"2026-1-2T03:04:05Z\"", 0},
	{"\"26-01-02T03:04:05Z\"", 0},
	{"\"20260102T030405Z\"", 0},
	{"\"2026-01-02\"", 0},
	{"\"2026-01-02T\"", 0},
	{"\"2026-01-02Z\"", 0},
	/* fractions */
	{"\"2026-01-02T03:04:05.6Z\"", 1767323045600},
	{"\"2026-01-02T03:04:05.678Z\"", 1767323045678},
	{"\"2026-01-02T03:04:05,678Z\"", 1767323045678},
	{"\"2026-01-02T03:04:05.678999999Z\"", 1767323045678},
	{"\"2026-01-02T03:04:05.Z\"", 0},
	{"\"2026-01-02T03:04:05.6 7Z\"", 0},
	/* zones */
	{"\"2026-01-02T03:04:05\"", 1767323045000},
	{"\"2026-01-02T03:04:05.678\"", 1767323045678},
	{"\"2026-01-02T03:04:05+01:00\"", 1767319445000},
	{"\"2026-01-02T03:04:05-05:30\"", 1767342845000},
	{"\"2026-01-02T03:04:05.25+00:00\"", 1767323045250},
	{"\"2026-01-02T03:04:05-00:00\"", 1767323045000},
	{"\"2026-01-02T03:04:05+0000\"", 1767323045000},
	{"\"2026-01-02T08:34:05+0530\"", 1767323045000},
	{"\"2026-01-02T05:04:05+02\"", 1767323045000},
	{"\"2026-01-02T03:04:05 UTC\"", 1767323045000},
	{"\"2026-01-02 03:04:05 GMT\"", 1767323045000},
	{"\"2026-01-02T03:04:05UTC\"", 1767323045000},
	{"\"2026-01-02T03:04:05 +0000\"", 1767323045000},
	{"\"2026-01-02T03:04:05 Z\"", 1767323045000},
	{"\"2026-01-02T03:04:05 \"", 0},
	{"\"2026-01-02T03:04:05+1\"", 0},
	{"\"2026-01-02T03:04:05+24:00\"", 0},
	{"\"2026-01-02T03:04:05+01:60\"", 0},
	{"\"2026-01-02T03:04:05+01:0\"", 0},
	{"\"2026-01-02T03:04:05 CET\"", 0},
	{"\"2026-01-02T03:04:05 utc\"", 0},
	{"\"2026-01-02T03:04:05Zx\"", 0},
	{"\"2026-01-02T03:04:05Z\\u0000\"", 0},
	/* the calendar */
	{"\"2024-02-29T00:00:00Z\"", 1709164800000},
	{"\"2023-02-29T00:00:00Z\"", 0},
	{"\"2000-03-01T00:00:00Z\"", 951868800000},
	{"\"2023-12-31T23:59:59Z\"", 1704067199000},
	{"\"2016-12-31T23:59:60Z\"", 1483228800000},
	{"\"2016-12-31T23:59:61Z\"", 0},
	{"\"2026-00-02T03:04:05Z\"", 0},
	{"\"2026-13-02T03:04:05Z\"", 0},
	{"\"2026-01-00T03:04:05Z\"", 0},
	{"\"2026-01-32T03:04:05Z\"", 0},
	{"\"2026-01-02T24:00:00Z\"", 0},
	{"\"2026-01-02T03:60:05Z\"", 0},
	{"\"9999-12-31T23:59:59Z\"", 253402300799000},
	{"\"9999-12-31T23:59:59-01:00\"", 0},
	{"\"1970-01-01T00:00:01Z\"", 1000},
	{"\"1970-01-01T00:00:00Z\"", 0},
	{"\"1969-12-31T23:59:59Z\"", 0},
	{"\"1970-01-01T00:00:00+01:00\"", 0},
	/* others */
	{"\"\"", 0},
	{"\"soon\"", 0},
	{"\"2h\"", 0},
	{"\"Fri, 02 Jan 2026 03:04:05 GMT\"", 0},
	{"\"02/01/2026 03:04:05\"", 0},
};

ParameterizedTestParameters(timestamp, each_form_is_read_or_refused)
{
	return cr_make_param_array(struct form, forms, sizeof forms / sizeof *forms);
}

ParameterizedTest(struct form *row, timestamp, each_form_is_read_or_refused)
{
	struct json_reader *reader = json_reader_new();
	struct error why = {""};
	msgpack_object value;
	msgpack_zone zone;
	char list[64];

	msgpack_zone_init(&zone, 1024);
	snprintf(list, sizeof list, "[%s]", row->json);
	cr_assert(json_read(reader, slice_of(list), &zone, &value, &why), "%s", why.text);
	cr_expect_eq(timestamp_of(value.via.array.ptr), row->ms, "%s gives %lld", row->json,
		(long long)timestamp_of(value.via.array.ptr));
	msgpack_zone_destroy(&zone);
	json_reader_destroy(&reader);
}

Test(timestamp, what_is_not_there_is_no_time)
{
	int64_t ms;

	cr_expect_eq(timestamp_of(NULL), 0);
	cr_expect_not(timestamp_of_text((struct slice){NULL, 0}, &ms));
}

Test(timestamp, texts_of_one_digit_over_and_over_are_read_without_a_fault)
{
	char text[200];
	int64_t ms;

	memset(text, '1', sizeof text);
	for (size_t n = 0; n < sizeof text; n++)
		cr_expect_eq(timestamp_of_text((struct slice){text, n}, &ms), n > 0 && n <= 15);
}

Test(timestamp, every_millisecond_survives_a_float_of_seconds)
{
	for (int ms = 0; ms < 1000; ms++) {
		const msgpack_object value = {
			.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 1777890030 + ms / 1000.0};

		cr_expect_eq(timestamp_of(&value), 1777890030000 + ms, "%d", ms);
	}
}

Test(timestamp, what_is_written_is_read_again_to_the_ends_of_its_range)
{
	static const uint64_t times[] = {1, 999, 1700000000007, 4102444799999, 253402300799999};

	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		char text[TIMESTAMP_BYTES];
		int64_t ms = 0;

		cr_expect(timestamp_of_text(slice_of(timestamp_text(times[i], text)), &ms));
		cr_expect_eq((uint64_t)ms, times[i], "%s", text);
	}
}

Test(tally, texts_are_counted_and_the_rest_is_one_row)
{
	struct tally t = {0};
	msgpack_object object;
	msgpack_zone zone;
	char name[16], *text;

	msgpack_zone_init(&zone, 4096);
	tally_add(&t, (struct slice){NULL, 0}, 1);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "t%02d", i);
		tally_add(&t, slice_of(name), 10);
	}
	tally_add(&t, slice_of("t05"), 1);
	cr_expect_eq(t.n, TALLY_ROWS);
	object = tally_object(&t, "name", 2, &zone);
	text = json_write(&object, false);
	cr_expect_str_eq(text, "[{\"name\":\"t05\",\"count\":11},{\"name\":\"t00\",\"count\":10},"
			       "{\"name\":null,\"count\":981}]");
	free(text);
	msgpack_zone_destroy(&zone);
}

Test(tally, a_long_text_is_cut_at_a_whole_character)
{
	struct tally t = {0};
	char text[400] = "";

	for (int i = 0; i < 130; i++)
		strcat(text, "\xc3\xa9");
	tally_add(&t, slice_of(text), 1);
	cr_expect_eq(strlen(t.rows[0].text), 158);
	tally_add(&t, (struct slice){"a\0b", 3}, 1);
	cr_expect_eq(t.others, 1);
}
