/* JSON in and out: what is good survives unchanged, what could be read in two ways is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/json.h"
#include "proto/frame.h"

static struct json_reader *reader;
static msgpack_zone zone;
static struct error why;

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

TestSuite(json, .init = setup, .fini = teardown);

/* From a buffer of exactly its size, so that ASan sees a read behind it. */
static bool
read_exact(const char *text, size_t n, msgpack_object *out)
{
	char *copy = malloc(n ? n : 1);
	bool ok;

	memcpy(copy, text, n);
	why.text[0] = '\0';
	ok = json_read(reader, (struct slice){copy, n}, &zone, out, &why);
	free(copy);
	return ok;
}

static void
reads_as(const char *text, const char *expected)
{
	msgpack_object out;
	char *again;

	cr_assert(read_exact(text, strlen(text), &out), "%s: %s", text, why.text);
	again = json_write(&out, false);
	cr_expect_str_eq(again, expected);
	free(again);
}

static void
refused_as(const char *text, const char *cause)
{
	msgpack_object out;

	cr_expect_not(read_exact(text, strlen(text), &out), "accepted: %.60s", text);
	cr_expect_str_eq(why.text, cause, "%.60s: %s", text, why.text);
}

Test(json, good_values_come_back_unchanged)
{
	static const char *const same[] = {"null", "true", "false", "0", "-1", "\"\"", "{}", "[]",
		"9223372036854775807", "9223372036854775808", "18446744073709551615",
		"-9223372036854775808", "9007199254740993", "0.1", "-0.0", "1.5", "100000.0",
		"1.7976931348623157e+308", "2.2250738585072014e-308", "0.30000000000000004",
		"{\"b\":1,\"a\":2,\"\":3}", "[[[]],{\"a\":{}}]", "\"a\\u0000b\"",
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u001f\"",
		"\"gr\xC3\xBC\xC3\x9F\x65 \xF0\x9F\x98\x80\""};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		reads_as(same[i], same[i]);
}

Test(json, escapes_and_spaces_mean_what_they_say)
{
	reads_as(" \t\r\n[ 1 , 2 ]\n", "[1,2]");
	reads_as("\"\\u0041\\/\\ud83d\\ude00\\u00fc\"", "\"A/\xF0\x9F\x98\x80\xC3\xBC\"");
	reads_as("{\"\\u0061\\/\":1}", "{\"a/\":1}");
	reads_as("-0", "0");
	reads_as("1E2", "100.0");
	reads_as("1e-400", "0.0");
}

Test(json, bad_texts_are_refused_with_one_clear_line)
{
	static const char cut[] =
		"not JSON: a comma, colon, key, quote or bracket is missing or too "
		"many, or the text is cut";
	static const char number[] = "not JSON: a number is malformed";
	static const char escape[] = "not JSON: a string holds a bad escape";
	static const char utf8[] = "not JSON: it is not valid UTF-8";
	static const char word[] = "not JSON: a word other than true, false and null";
	static const struct {
		const char *text, *cause;
	} bad[] = {{"", "not JSON: it is empty"}, {" \n", "not JSON: it is empty"}, {"{", cut},
		{"[1,]", cut}, {"{\"a\":1,}", cut}, {"{\"a\" 1}", cut}, {"{\"a\"}", cut},
		{"{1:2}", cut}, {"{'a':1}", cut}, {"{} {}", cut}, {"{}x", cut}, {"1 2", cut},
		{"[1 2]", cut}, {"[NaN]", cut}, {"[Infinity]", cut}, {"[1]]", cut},
		{"// x\n1", cut}, {"[tru]", word}, {"nul", word}, {"[falsey]", word},
		{"01", number}, {"1.", number}, {"-", number}, {"1e", number}, {"0x10", number},
		{"[1e400,01]", number}, {"[99999999999999999999.]", number},
		{"\xEF\xBB\xBF\xEF\xBB\xBF{}", cut}, {"\xEF\xBB\xBF", "not JSON: it is empty"},
		{"[\"\\ud800\", \"\\x\"]", escape}, {"[\"\\ud800\",]", cut},

		{"\"\\x41\"", escape}, {"\"\\u12g4\"", escape}, {"\"\xC0\x80\"", utf8},
		{"\"\xED\xA0\x80\"", utf8}, {"\"\xF4\x90\x80\x80\"", utf8}, {"\"\xFF\"", utf8},
		{"\"\xC3\"", utf8},
		{"\"a\nb\"", "not JSON: a string holds an unescaped control character"},
		{"\"abc", "not JSON: a string is not closed"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused_as(bad[i].text, bad[i].cause);
}

Test(json, half_a_surrogate_pair_reads_as_the_replacement_character)
{
	reads_as("\"\\ud83d\"", "\"\xEF\xBF\xBD\"");
	reads_as("\"\\udc00\"", "\"\xEF\xBF\xBD\"");
	reads_as("\"\\uD800\\u0041\"", "\"\xEF\xBF\xBD"
				       "A\"");
	reads_as("\"\\ud800\\ud800\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
	reads_as("\"\\ud800\\ud83d\\ude00\"", "\"\xEF\xBF\xBD\xF0\x9F\x98\x80\"");
	reads_as("\"\\udc00\\ud800x\\\\ud800\"", "\"\xEF\xBF\xBD\xEF\xBF\xBDx\\\\ud800\"");
	reads_as("{\"a\":\"Hi \\ud83d\",\"b\\udfff\":[1,\"\\\"\\ud83d\"]}",
		"{\"a\":\"Hi \xEF\xBF\xBD\",\"b\xEF\xBF\xBD\":[1,\"\\\"\xEF\xBF\xBD\"]}");
}

Test(json, a_number_beyond_64_bits_is_the_text_of_its_digits)
{
	static const char *const numbers[] = {"18446744073709551616", "-9223372036854775809",
		"100000000000000000000000", "123456789012345678901234567890", "1e400", "-1e400",
		"1e99999999999999999999", "1.5E+309"};
	char text[160], expected[160];

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		snprintf(text, sizeof text, "[%s,{\"a\":%s},\"%s\",7]", numbers[i], numbers[i],
			numbers[i]);
		snprintf(expected, sizeof expected, "[\"%s\",{\"a\":\"%s\"},\"%s\",7]", numbers[i],
			numbers[i], numbers[i]);
		reads_as(text, expected);
	}
	reads_as("18446744073709551616", "\"18446744073709551616\"");
}

Test(json, one_byte_order_mark_is_passed_over)
{
	reads_as("\xEF\xBB\xBF{\"a\":1}", "{\"a\":1}");
	reads_as("\xEF\xBB\xBF [\"\xEF\xBB\xBF\\ud800\"]", "[\"\xEF\xBB\xBF\xEF\xBF\xBD\"]");
}

Test(json, a_nul_in_the_text_is_refused_wherever_it_stands)
{
	static const char *const texts[] = {"{\"a\":1}@", "@{}", "[1,@2]", "\"a@b\"", "{\"a@\":1}"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		msgpack_object out;
		char text[16];
		size_t n = strlen(texts[i]);

		memcpy(text, texts[i], n);
		*(char *)memchr(text, '@', n) = '\0';
		cr_expect_not(read_exact(text, n, &out), "%s", texts[i]);
		cr_expect_eq(strncmp(why.text, "not JSON: ", 10), 0);
	}
}

static void
batch_reads_as(const char *text, const char *expected)
{
	msgpack_object out;
	char *again, *copy = strndup(text, strlen(text));

	cr_assert(json_read_batch(reader, slice_of(copy), &zone, &out, &why), "%s: %s", text,
		why.text);
	free(copy);
	again = json_write(&out, false);
	cr_expect_str_eq(again, expected);
	free(again);
}

Test(json, an_object_that_cannot_be_read_costs_none_of_its_batch)
{
	batch_reads_as("[{\"a\":1},{\"b\":99999999999999999999}]",
		"[{\"a\":1},{\"b\":\"99999999999999999999\"}]");
	batch_reads_as("[{\"a\":1e999},{\"b\":1,\"b\":2}]", "[{\"a\":\"1e999\"},null]");
	batch_reads_as("[{\"a\":1,\"a\":2},{\"b\":[1]}]\r\n", "[null,{\"b\":[1]}]");
	batch_reads_as(" [ {\"a\":\"\\ud83d\"} , 7 , null , {\"b\":{\"c\":\"]},{\"}} ] ",
		"[{\"a\":\"\xEF\xBF\xBD\"},7,null,{\"b\":{\"c\":\"]},{\"}}]");
	batch_reads_as("\xEF\xBB\xBF[{\"a\":\"\\ud83d\"},{\"b\":\"\xFF\"}]",
		"[{\"a\":\"\xEF\xBF\xBD\"},null]");
	batch_reads_as("[{\"a\":\"\xC3\xA9\"},{\"b\":\"\xFF\"},{\"c\":\"\xC3\"},{\"d\":1}]",
		"[{\"a\":\"\xC3\xA9\"},null,null,{\"d\":1}]");
	batch_reads_as("[{\"a\":1},2,[]]", "[{\"a\":1},2,[]]");
	batch_reads_as("{\"a\":1}", "{\"a\":1}");
}

Test(json, a_batch_is_refused_where_its_own_text_is_no_array_or_nothing_is_left)
{
	static const char *const bad[] = {"", "[", "[{\"a\":1}", "[{\"a\":1} {\"a\":1}]",
		"[{\"a\":1},{\"a\":1]", "[{\"a\":1},{\"b\":1,\"b\":1}] [2]", "[{\"a\":1,\"a\":2}]",
		"{\"a\":1,\"a\":2}", "{\"a\":[{\"b\":1},{\"b\":1,\"b\":1}]}",
		"[{\"a\":1}\xFF,{\"b\":1}]", "[{\"b\":\"\xFF\"}]",
		"[{\"a\":1},{\"b\":1,\"b\":1},]"};
	msgpack_object out;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		why.text[0] = '\0';
		cr_expect_not(
			json_read_batch(reader, slice_of(bad[i]), &zone, &out, &why), "%s", bad[i]);
		cr_expect_eq(strncmp(why.text, "not JSON: ", 10), 0, "%s", bad[i]);
	}
}

Test(json, an_absent_text_is_refused)
{
	msgpack_object out;

	cr_assert_not(json_read(reader, (struct slice){NULL, 0}, &zone, &out, &why));
	cr_assert_str_eq(why.text, "not JSON: it is empty");
}

Test(json, a_key_with_a_nul_is_refused)
{
	refused_as("{\"a\\u0000b\":1}", "not JSON: a key holds a NUL");
}

Test(json, a_repeated_key_is_refused_at_any_level)
{
	refused_as("{\"a\":1,\"a\":1}", "not JSON: the key \"a\" is repeated");
	refused_as("{\"a\":1,\"\\u0061\":2}", "not JSON: the key \"a\" is repeated");
	refused_as("[{\"x\":{\"\":1,\"b\":2,\"\":3}}]", "not JSON: the key \"\" is repeated");
	refused_as("{\"data\":{\"id\":1,\"id\":2}}", "not JSON: the key \"id\" is repeated");
	reads_as("{\"a\":{\"a\":1},\"b\":{\"a\":2}}", "{\"a\":{\"a\":1},\"b\":{\"a\":2}}");
}

Test(json, a_long_repeated_key_is_cut_in_the_cause)
{
	char text[4096];

	snprintf(text, sizeof text, "{\"%01000d\":1,\"%01000d\":2}", 7, 7);
	cr_assert_not(read_exact(text, strlen(text), &(msgpack_object){0}));
	cr_assert_lt(strlen(why.text), 120);
}

/* {"k0":0,...}, with the key `last` at the end if not NULL. The caller frees it. */
static char *
many_keys(size_t n, const char *last)
{
	char *text = malloc(n * 32 + 64), *to = text;

	*to++ = '{';
	for (size_t i = 0; i < n; i++)
		to += sprintf(to, "\"k%zu\":%zu,", i, i);
	if (last)
		to += sprintf(to, "\"%s\":0,", last);
	to[-1] = '}';
	*to = '\0';
	return text;
}

Test(json, repeated_keys_are_found_among_any_number, .timeout = 20)
{
	static const size_t counts[] = {1, 2, 11, 12, 13, 14, 100, 200000};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		char *good = many_keys(counts[i], "other"), *bad = many_keys(counts[i], "k0");
		msgpack_object out;

		cr_expect(read_exact(good, strlen(good), &out), "%s", why.text);
		cr_expect_eq(out.via.map.size, counts[i] + 1);
		cr_expect_not(read_exact(bad, strlen(bad), &out), "%zu keys", counts[i]);
		cr_expect_str_eq(why.text, "not JSON: the key \"k0\" is repeated");
		free(good);
		free(bad);
	}
}

static void
nest(char *text, const char *open, const char *inner, const char *close, size_t levels)
{
	*text = '\0';
	for (size_t i = 0; i < levels; i++)
		strcat(text, open);
	strcat(text, inner);
	for (size_t i = 0; i < levels; i++)
		strcat(text, close);
}

Test(json, nesting_is_limited_for_arrays_and_objects_full_or_empty)
{
	static const struct {
		const char *open, *inner, *close;
	} forms[] = {
		{"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"[", "", "]"}, {"[{\"a\":", "1", "}]"}};
	char text[4096];

	for (size_t i = 0; i < 4; i++) {
		const size_t limit = i == 3 ? JSON_DEPTH_MAX / 2 : JSON_DEPTH_MAX;
		msgpack_object out;

		nest(text, forms[i].open, forms[i].inner, forms[i].close, limit);
		cr_expect(read_exact(text, strlen(text), &out), "%s: %s", text, why.text);
		for (size_t more = 1; more < 100; more++) {
			nest(text, forms[i].open, forms[i].inner, forms[i].close, limit + more);
			refused_as(text, "not JSON: nested over 24 levels");
		}
	}
}

Test(json, a_million_brackets_do_not_harm)
{
	char *text = malloc(2000000);
	msgpack_object out;

	memset(text, '[', 1000000);
	memset(text + 1000000, ']', 1000000);
	cr_assert_not(read_exact(text, 2000000, &out));
	cr_assert_str_eq(why.text, "not JSON: nested over 24 levels");
	cr_assert_not(read_exact(text, 1000000, &out));
	free(text);
}

Test(json, the_tree_shares_nothing_with_text_or_reader)
{
	msgpack_object first, second;
	char *again;

	cr_assert(read_exact("{\"key\":\"value\"}", 15, &first));
	cr_assert(read_exact("{\"xyz\":\"VALUE\"}", 15, &second));
	json_reader_destroy(&reader);
	again = json_write(&first, false);
	cr_assert_str_eq(again, "{\"key\":\"value\"}");
	free(again);
}

Test(json, a_reader_is_as_good_as_new_after_a_huge_text_and_after_a_bad_one)
{
	const size_t n = 3 << 20;
	char *text = malloc(n);
	msgpack_object out;

	memset(text, 'x', n);
	text[0] = text[n - 1] = '"';
	for (int i = 0; i < 3; i++) {
		cr_assert(read_exact(text, n, &out), "%s", why.text);
		cr_assert_eq(out.via.str.size, n - 2);
		cr_assert_not(read_exact(text, n - 1, &out));
		reads_as("[1]", "[1]");
		refused_as("[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]",
			"not JSON: nested over 24 levels");
	}
	free(text);
}

static const char sample[] =
	"{\"event_type\":\"email_clicked\",\"event_id\":\"evt_0123456789abcdef\","
	"\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"data\":{\"email\":\"user.name@example.com\","
	"\"message_id\":\"msg-9f3c2a7b11\",\"user_id\":9007199254740993,\"most\":"
	"18446744073709551615,\"least\":-9223372036854775808,\"url\":"
	"\"https:\\/\\/example.com\\/offer?id=42\",\"metadata\":{\"tags\":[\"welcome\","
	"\"gr\\u00fc\xC3\x9F\x65\",\"\\ud83d\\ude00\"],\"score\":0.75,\"nested\":{\"a\":{\"b\":[{},"
	"[],"
	"null,true,1e-7]},\"nul\":\"x\\u0000y\"}}}}";

static const char sample_back[] =
	"{\"event_type\":\"email_clicked\",\"event_id\":\"evt_0123456789abcdef\","
	"\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"data\":{\"email\":\"user.name@example.com\","
	"\"message_id\":\"msg-9f3c2a7b11\",\"user_id\":9007199254740993,\"most\":"
	"18446744073709551615,\"least\":-9223372036854775808,\"url\":"
	"\"https://example.com/offer?id=42\",\"metadata\":{\"tags\":[\"welcome\","
	"\"gr\xC3\xBC\xC3\x9F\x65\",\"\xF0\x9F\x98\x80\"],\"score\":0.75,\"nested\":{\"a\":{\"b\":["
	"{},["
	"],null,true,1e-07]},\"nul\":\"x\\u0000y\"}}}}";

Test(json, the_sample_event_survives_the_way_to_a_handler_unchanged)
{
	struct event in = {0}, out;
	msgpack_sbuffer bytes;
	char *json;

	msgpack_sbuffer_init(&bytes);
	cr_assert(read_exact(sample, sizeof sample - 1, &in.data), "%s", why.text);
	cr_assert(frame_pack(&event_schema, &in, &bytes));
	cr_assert(frame_unpack(&event_schema, bytes.data, bytes.size, &zone, &out, &why), "%s",
		why.text);
	cr_assert(msgpack_object_equal(in.data, out.data));
	json = json_write(&out.data, false);
	cr_assert_str_eq(json, sample_back);
	free(json);
	msgpack_sbuffer_destroy(&bytes);
}

static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t
mutate(char *text, size_t n, uint64_t *state)
{
	static const char marks[] = "{}[]\",:\\u0123456789eE+-. \n\xC3\xED\xF0";
	size_t at;

	for (uint64_t times = 1 + next_random(state) % 3; times; times--) {
		at = next_random(state) % n;
		if (next_random(state) % 3)
			text[at] = marks[next_random(state) % (sizeof marks - 1)];
		else
			memmove(text + at, text + at + 1, --n - at);
	}
	return n;
}

/* What was accepted must come back the same when it is written and read again. */
static void
is_stable(const msgpack_object *obj)
{
	char *once = json_write(obj, false), *twice;
	msgpack_object again;

	cr_assert_not_null(once);
	cr_assert(read_exact(once, strlen(once), &again), "%s: %s", once, why.text);
	twice = json_write(&again, true);
	cr_assert(read_exact(twice, strlen(twice), &again), "%s: %s", twice, why.text);
	free(twice);
	twice = json_write(&again, false);
	cr_assert_str_eq(once, twice);
	free(once);
	free(twice);
}

Test(json, no_mutation_of_the_sample_does_harm)
{
	uint64_t state = 0x5DEECE66D;
	size_t accepted = 0;

	for (size_t round = 0; round < 20000; round++) {
		char text[sizeof sample];
		msgpack_object out;
		size_t n;

		memcpy(text, sample, sizeof sample);
		n = mutate(text, sizeof sample - 1, &state);
		msgpack_zone_clear(&zone);
		if (read_exact(text, n, &out)) {
			accepted++;
			is_stable(&out);
		} else {
			cr_assert_eq(strncmp(why.text, "not JSON: ", 10), 0, "%s", why.text);
		}
	}
	cr_assert_gt(accepted, 100);
}

static void
writes_as(const msgpack_object *obj, const char *expected)
{
	char *text = json_write(obj, false);

	cr_expect_str_eq(text, expected);
	free(text);
}

Test(json, what_json_has_no_word_for_becomes_null_or_base64)
{
	const msgpack_object nan = {.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = 0.0 / 0.0};
	const msgpack_object inf = {.type = MSGPACK_OBJECT_FLOAT32, .via.f64 = -1e300 * 1e300};
	const msgpack_object bin = {.type = MSGPACK_OBJECT_BIN, .via.bin = {5, "\0\1\2\xFE\xFF"}};
	const msgpack_object none = {.type = MSGPACK_OBJECT_BIN, .via.bin = {0, NULL}};
	const msgpack_object ext = {.type = MSGPACK_OBJECT_EXT, .via.ext = {1, 1, "A"}};

	writes_as(&nan, "null");
	writes_as(&inf, "null");
	writes_as(&bin, "\"AAEC/v8=\"");
	writes_as(&none, "\"\"");
	writes_as(&ext, "\"QQ==\"");
}

Test(json, a_text_that_is_no_utf8_is_written_with_replacements)
{
	static const struct {
		const char *bytes, *expected;
	} texts[] = {{"a\xFFz", "\"a\xEF\xBF\xBDz\""}, {"\xC3", "\"\xEF\xBF\xBD\""},
		{"\xC0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
		{"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""}, {"\xE2\x82\xAC", "\"\xE2\x82\xAC\""},
		{"\xF4\x8F\xBF\xBF", "\"\xF4\x8F\xBF\xBF\""}};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		const msgpack_object obj = {.type = MSGPACK_OBJECT_STR,
			.via.str = {(uint32_t)strlen(texts[i].bytes), texts[i].bytes}};

		writes_as(&obj, texts[i].expected);
	}
}

Test(json, odd_keys_are_written_as_texts)
{
	msgpack_object_kv pairs[] = {
		{{.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = 7}, {.via.u64 = 0}},
		{{.type = MSGPACK_OBJECT_STR, .via.str = {3, "a\0b"}}, {.via.u64 = 0}},
		{{.type = MSGPACK_OBJECT_STR, .via.str = {1, "\xFF"}}, {.via.u64 = 0}}};
	const msgpack_object map = {.type = MSGPACK_OBJECT_MAP, .via.map = {3, pairs}};

	writes_as(&map, "{\"7\":null,\"a\xEF\xBF\xBD"
			"b\":null,\"\xEF\xBF\xBD\":null}");
}

Test(json, a_pretty_text_has_a_line_for_each_value)
{
	msgpack_object obj;
	char *text;

	cr_assert(read_exact("{\"a\":[1,2]}", 11, &obj));
	text = json_write(&obj, true);
	cr_assert_str_eq(text, "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
	free(text);
}

Test(json, a_quoted_text_is_appended_with_its_escapes)
{
	static const struct {
		struct slice text;
		const char *expected;
	} rows[] = {{{"plain", 5}, "\"plain\""}, {{NULL, 0}, "\"\""}, {{"", 0}, "\"\""},
		{{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""}, {{"\n\0\x1f", 3}, "\"\\n\\u0000\\u001f\""},
		{{"\xC3\xBC\xFF", 3}, "\"\xC3\xBC\xEF\xBF\xBD\""}};
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		msgpack_sbuffer_clear(&out);
		msgpack_sbuffer_write(&out, ">", 1);
		cr_assert(json_quote(rows[i].text, &out));
		cr_expect_eq(out.size, strlen(rows[i].expected) + 1);
		cr_expect_arr_eq(out.data + 1, rows[i].expected, out.size - 1);
	}
	msgpack_sbuffer_destroy(&out);
}

Test(json, the_items_of_an_array_are_found_as_they_were_written)
{
	static const char text[] =
		" [ {\"a\": [1, 2]} , 7 ,\n\"x, ]\",[ {} ],null, {\"b\":\"\xff\"},{\"c\":1,\"c\":2} , 1.50 ]\n";
	static const char *const expected[] = {"{\"a\": [1, 2]}", "7", "\"x, ]\"", "[ {} ]", "null",
		"{\"b\":\"\xff\"}", "{\"c\":1,\"c\":2}", "1.50"};
	const size_t n = sizeof expected / sizeof *expected;
	struct slice *items;
	size_t found;

	cr_assert(json_items(slice_of(text), &zone, &items, &found));
	cr_assert_eq(found, n);
	for (size_t i = 0; i < n; i++) {
		cr_expect(slice_is(items[i], expected[i]), "%.*s", SLICE_ARG(items[i]));
		cr_expect(items[i].p > text && items[i].p < text + sizeof text);
	}
}

Test(json, what_is_no_array_has_no_items)
{
	static const char *const texts[] = {"", "{}", "[", "7", "[1,2", "\xff"};
	struct slice *items;
	size_t n = 9;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		cr_assert(json_items(slice_of(texts[i]), &zone, &items, &n));
		cr_expect_eq(n, 0, "%s: %zu", texts[i], n);
	}
	cr_assert(json_items(slice_of("[]"), &zone, &items, &n));
	cr_expect_eq(n, 0);
}
