/* The native format: which fields it needs, what it makes of them, and which times it takes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/field.h"
#include "lib/base/json.h"
#include "validator/native.h"

static struct json_reader *reader;
static msgpack_zone zone;
static struct native_event ev;

static void
setup(void)
{
	reader = json_reader_new();
	msgpack_zone_init(&zone, 8192);
}

static void
teardown(void)
{
	json_reader_destroy(&reader);
	msgpack_zone_destroy(&zone);
}

TestSuite(native, .init = setup, .fini = teardown);

static bool
read_event(const char *json)
{
	struct error why = {""};
	msgpack_object object;

	cr_assert(
		json_read(reader, slice_of(json), &zone, &object, &why), "%s: %s", json, why.text);
	return native_read(&object, &zone, &ev);
}

static void
data_is(const char *expected)
{
	char *text = json_write(&ev.data, false);

	cr_expect_str_eq(text, expected);
	free(text);
}

#define FOUR "\"event_type\":\"email_opened\",\"event_id\":\"evt_1\",\"timestamp\":1700000000"

Test(native, the_four_fields_make_an_event)
{
	cr_assert(read_event("{" FOUR ",\"data\":{\"email\":\"ann@example.com\",\"n\":[1,{}]}}"));
	cr_expect(slice_is(ev.type, "email_opened"));
	cr_expect(slice_is(ev.id, "evt_1"));
	cr_expect(slice_is(ev.email, "ann@example.com"));
	cr_expect_eq(ev.ts_ms, 1700000000000);
	data_is("{\"email\":\"ann@example.com\",\"n\":[1,{}]}");
}

Test(native, what_stands_beside_them_is_kept_as_the_envelope)
{
	cr_assert(read_event(
		"{\"a\":1," FOUR ",\"data\":{\"x\":true},\"b\":{\"c\":[null]},\"event_ids\":2}"));
	data_is("{\"x\":true,\"envelope\":{\"a\":1,\"b\":{\"c\":[null]},\"event_ids\":2}}");
	cr_assert(read_event("{" FOUR ",\"data\":{},\"b\":2}"));
	data_is("{\"envelope\":{\"b\":2}}");
}

Test(native, an_envelope_of_the_datas_own_stays)
{
	cr_assert(read_event("{" FOUR ",\"data\":{\"envelope\":7},\"b\":2}"));
	data_is("{\"envelope\":7}");
}

struct missing {
	char json[120];
	unsigned missing;
};

enum { T = 1 << NATIVE_TYPE, I = 1 << NATIVE_ID, S = 1 << NATIVE_TIMESTAMP, D = 1 << NATIVE_DATA };

ParameterizedTestParameters(native, what_is_missing_or_of_the_wrong_type_is_named)
{
	static struct missing rows[] = {
		{"{}", T | I | S | D},
		{"{\"event_type\":\"x\"}", I | S | D},
		{"{\"event_type\":\"\",\"event_id\":\"1\",\"timestamp\":1,\"data\":{}}", T},
		{"{\"event_type\":1,\"event_id\":\"1\",\"timestamp\":1,\"data\":{}}", T},
		{"{\"event_type\":null,\"event_id\":\"1\",\"timestamp\":1,\"data\":{}}", T},
		{"{\"event_type\":\"x\",\"event_id\":7,\"timestamp\":1,\"data\":{}}", I},
		{"{\"event_type\":\"x\",\"event_id\":\"\",\"timestamp\":1,\"data\":{}}", I},
		{"{\"event_type\":\"x\",\"event_id\":[\"1\"],\"timestamp\":1,\"data\":{}}", I},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":\"\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":0,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":-1,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":true,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":\"soon\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1}", D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1,\"data\":[]}", D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1,\"data\":\"{}\"}", D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1,\"data\":null}", D},
		{"{\"Event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1,\"data\":{}}", T},
	};

	return cr_make_param_array(struct missing, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct missing *row, native, what_is_missing_or_of_the_wrong_type_is_named)
{
	cr_expect_not(read_event(row->json), "%s", row->json);
	cr_expect_eq(ev.missing, row->missing, "%s: %x", row->json, ev.missing);
}

Test(native, texts_have_their_limits)
{
	static const struct {
		const char *format;
		size_t most;
		unsigned missing;
	} rows[] = {
		{"{\"event_type\":\"%s\",\"event_id\":\"1\",\"timestamp\":1,\"data\":{}}", 128, T},
		{"{\"event_type\":\"x\",\"event_id\":\"%s\",\"timestamp\":1,\"data\":{}}", 512, I},
	};
	char text[600], json[700];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t more = 0; more < 2; more++) {
			memset(text, 'x', rows[i].most + more);
			text[rows[i].most + more] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(json, sizeof json, rows[i].format, text);
#pragma GCC diagnostic pop
			cr_expect_eq(read_event(json), more == 0);
			cr_expect_eq(ev.missing, more ? rows[i].missing : 0);
		}
}

Test(native, an_address_that_is_none_or_too_long_is_absent)
{
	char json[600], text[400];

	cr_assert(read_event("{" FOUR ",\"data\":{\"email\":\"\"}}"));
	cr_expect_null(ev.email.p);
	cr_assert(read_event("{" FOUR ",\"data\":{\"email\":{}}}"));
	cr_expect_null(ev.email.p);
	memset(text, 'x', 321);
	text[321] = '\0';
	snprintf(json, sizeof json, "{" FOUR ",\"data\":{\"email\":\"%s\"}}", text);
	cr_assert(read_event(json));
	cr_expect_null(ev.email.p);
	text[320] = '\0';
	snprintf(json, sizeof json, "{" FOUR ",\"data\":{\"email\":\"%s\"}}", text);
	cr_assert(read_event(json));
	cr_expect_eq(ev.email.n, 320);
}

Test(native, an_id_keeps_every_byte)
{
	cr_assert(read_event("{\"event_type\":\"x\",\"event_id\":\"a\\u0000b\",\"timestamp\":1,"
			     "\"data\":{}}"));
	cr_expect(slice_eq(ev.id, (struct slice){"a\0b", 3}));
}

struct stamp {
	char json[40];
	int64_t ms; /* 0: refused */
};

ParameterizedTestParameters(native, a_timestamp_is_seconds_or_milliseconds_or_a_date)
{
	static struct stamp rows[] = {
		{"1700000000", 1700000000000},
		{"1700000000.5", 1700000000500},
		{"1700000000.0004", 1700000000000},
		{"1700000000.9996", 1700000001000},
		{"1700000000123", 1700000000123},
		{"1", 1000},
		{"0.001", 1},
		{"99999999999", 99999999999000},
		{"100000000000", 100000000000},
		{"4000000000000000", 4000000000000000},
		{"4000000000000001", 0},
		{"18446744073709551615", 0},
		{"1e300", 0},
		{"1.7e9", 1700000000000},
		{"0", 0},
		{"-1700000000", 0},
		{"\"1700000000\"", 0},
		{"\"2026-01-02T03:04:05Z\"", 1767323045000},
		{"\"2026-01-02T03:04:05\"", 1767323045000},
		{"\"2026-01-02 03:04:05z\"", 1767323045000},
		{"\"2026-01-02T03:04:05.678Z\"", 1767323045678},
		{"\"2026-01-02T03:04:05.6Z\"", 1767323045600},
		{"\"2026-01-02T03:04:05.678999999Z\"", 1767323045678},
		{"\"2026-01-02T03:04:05+01:00\"", 1767319445000},
		{"\"2026-01-02T03:04:05-05:30\"", 1767342845000},
		{"\"2026-01-02T03:04:05.25+00:00\"", 1767323045250},
		{"\"2024-02-29T00:00:00Z\"", 1709164800000},
		{"\"2026-01-02\"", 0},
		{"\"2026-01-02T03:04\"", 0},
		{"\"2026-01-02T03:04:05 UTC\"", 0},
		{"\"2026-01-02T03:04:05+1\"", 0},
		{"\"2026-01-02T03:04:05+24:00\"", 0},
		{"\"2026-01-02T03:04:05+01:60\"", 0},
		{"\"2026-01-02T03:04:05Zx\"", 0},
		{"\"2026-13-02T03:04:05Z\"", 0},
		{"\"2026-01-02T25:04:05Z\"", 0},
		{"\"2026-01-02T03:04:05Z\\u0000\"", 0},
		{"\"Fri, 02 Jan 2026 03:04:05 GMT\"", 0},
	};

	return cr_make_param_array(struct stamp, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct stamp *row, native, a_timestamp_is_seconds_or_milliseconds_or_a_date)
{
	char json[140];

	snprintf(json, sizeof json,
		"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":%s,\"data\":{}}",
		row->json);
	cr_expect_eq(read_event(json), row->ms != 0, "%s", row->json);
	if (row->ms)
		cr_expect_eq(ev.ts_ms, row->ms, "%s gives %lld", row->json, (long long)ev.ts_ms);
}

Test(native, texts_of_any_length_are_no_dates)
{
	char text[200];
	int64_t ms;

	for (size_t n = 0; n < sizeof text; n++) {
		memset(text, '1', n);
		cr_expect_not(native_parse_time((struct slice){text, n}, &ms));
	}
}

struct age {
	int64_t off_ms;
	enum freshness expected;
};

ParameterizedTestParameters(native, an_event_is_fresh_up_to_its_age_and_its_lead)
{
	static struct age rows[] = {{0, FRESH}, {-600000, FRESH}, {-600001, TOO_OLD},
		{300000, FRESH}, {300001, FROM_THE_FUTURE}, {-1700000000000, TOO_OLD},
		{4000000000000, FROM_THE_FUTURE}};

	return cr_make_param_array(struct age, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct age *row, native, an_event_is_fresh_up_to_its_age_and_its_lead)
{
	const uint64_t now_ms = 1700000000000;

	cr_expect_eq(native_freshness((int64_t)now_ms + row->off_ms, now_ms, 600000, 300000),
		row->expected);
}
