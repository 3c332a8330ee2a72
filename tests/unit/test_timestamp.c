/* Times as people write them, and tallies of texts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

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
