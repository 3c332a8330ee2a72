/* The native format: which fields it needs, what it makes of them, and which times it takes. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/json.h"
#include "providers/provider.h"

static const uint64_t NOW = 1700000000000;

static struct json_reader *reader;
static msgpack_zone zone;
static struct provider_source *source;
static struct error why;
static struct normals out;
static struct normal ev; /* the first one */

static void
setup(void)
{
	static char secret[] = "0123456789abcdef", *secrets[] = {secret};
	const struct provider_options options = {.provider = "trotline",
		.secrets = secrets,
		.secrets_count = 1,
		.max_age_ms = 600000,
		.max_future_ms = 300000};

	reader = json_reader_new();
	msgpack_zone_init(&zone, 8192);
	source = provider_source_new(&options, &why);
	cr_assert_not_null(source, "%s", why.text);
}

static void
teardown(void)
{
	provider_source_destroy(&source);
	json_reader_destroy(&reader);
	msgpack_zone_destroy(&zone);
}

TestSuite(native, .init = setup, .fini = teardown);

static bool
normalise(const char *json, bool batch, bool lean)
{
	struct inbound in = {.body = slice_of(json),
		.now_ms = NOW,
		.zone = &zone,
		.json = reader,
		.batch = batch,
		.batch_events = 3,
		.lean = lean};
	bool ok;

	out = (struct normals){.count = 0};
	why.text[0] = '\0';
	ok = provider_of(source)->normalise(source, &in, &out, &why);
	ev = ok && out.count ? out.list[0] : (struct normal){.missing = 0};
	return ok;
}

/* An event by itself: is it taken? */
static bool
read_event(const char *json)
{
	cr_assert(normalise(json, false, true), "%s: %s", json, why.text);
	cr_assert_eq(out.count, 1);
	return ev.fault == FAULT_NONE;
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
	cr_expect(slice_is(ev.event_id, "evt_1"));
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

#define FORWARDED                                                                                  \
	"\"id\":\"evt_0123456789abcdef_7\",\"type\":\"email_opened\","                             \
	"\"timestamp\":\"2023-11-14T22:13:20.000Z\",\"sequence\":42,\"source\":\"email\","         \
	"\"event_id\":\"m-1\",\"received\":\"2023-11-14T22:13:21.000Z\""

Test(native, what_another_trotline_forwards_is_taken_under_its_id)
{
	cr_assert(read_event("{" FORWARDED ",\"data\":{\"email\":\"ann@example.com\"}}"));
	cr_expect(slice_is(ev.type, "email_opened"));
	cr_expect(slice_is(ev.event_id, "evt_0123456789abcdef_7"));
	cr_expect_eq(ev.ts_ms, 1700000000000);
	data_is("{\"email\":\"ann@example.com\",\"envelope\":{\"sequence\":42,"
		"\"source\":\"email\",\"event_id\":\"m-1\","
		"\"received\":\"2023-11-14T22:13:21.000Z\"}}");
}

Test(native, nothing_else_with_an_id_and_a_type_is_one_of_those)
{
	static const char *const ids[] = {"evt_1", "evt_0123456789abcdef_",
		"evt_0123456789abcdef-7", "evt_0123456789abcdeg_7", "EVT_0123456789abcdef_7", ""};

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
		char json[300];

		snprintf(json, sizeof json,
			"{\"id\":\"%s\",\"type\":\"x\",\"timestamp\":1700000000,\"data\":{}}",
			ids[i]);
		cr_expect_not(read_event(json), "%s", ids[i]);
		cr_expect_eq(ev.missing, 1 << NATIVE_TYPE | 1 << NATIVE_ID);
	}
	cr_assert(read_event(
		"{" FOUR ",\"data\":{},\"id\":\"evt_0123456789abcdef_7\",\"type\":\"x\"}"));
	cr_expect(slice_is(ev.event_id, "evt_1"));
	cr_assert_not(read_event(
		"{\"id\":\"evt_0123456789abcdef_7\",\"timestamp\":1700000000,\"data\":{}}"));
	cr_expect_eq(ev.missing, 1 << NATIVE_TYPE);
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

#define STAMPED "{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":%s,\"data\":{}}"

enum { T = 1 << NATIVE_TYPE, I = 1 << NATIVE_ID, S = 1 << NATIVE_TIMESTAMP, D = 1 << NATIVE_DATA };

ParameterizedTestParameters(native, what_is_missing_or_of_the_wrong_type_is_named)
{
	static struct missing rows[] = {
		{"{}", T | I | S | D},
		{"{\"event_type\":\"x\"}", I | S | D},
		{"{\"event_type\":\"\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":{}}",
			T},
		{"{\"event_type\":1,\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":{}}", T},
		{"{\"event_type\":null,\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":{}}",
			T},
		{"{\"event_type\":\"x\",\"event_id\":7,\"timestamp\":1700000000,\"data\":{}}", I},
		{"{\"event_type\":\"x\",\"event_id\":\"\",\"timestamp\":1700000000,\"data\":{}}",
			I},
		{"{\"event_type\":\"x\",\"event_id\":[\"1\"],\"timestamp\":1700000000,\"data\":{}}",
			I},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":\"\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":0,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":-1,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":true,\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":\"soon\",\"data\":{}}", S},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1}", D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":[]}",
			D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":\"{}\"}",
			D},
		{"{\"event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":null}",
			D},
		{"{\"Event_type\":\"x\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":{}}",
			T},
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
		{"{\"event_type\":\"%s\",\"event_id\":\"1\",\"timestamp\":1700000000,\"data\":{}}",
			128, T},
		{"{\"event_type\":\"x\",\"event_id\":\"%s\",\"timestamp\":1700000000,\"data\":{}}",
			512, I},
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

Test(native, an_id_keeps_every_byte)
{
	cr_assert(read_event(
		"{\"event_type\":\"x\",\"event_id\":\"a\\u0000b\",\"timestamp\":1700000000,"
		"\"data\":{}}"));
	cr_expect(slice_eq(ev.event_id, (struct slice){"a\0b", 3}));
}

/* test_timestamp.c has every form. */
Test(native, a_timestamp_is_read_as_every_senders_is)
{
	static const char *const same[] = {"1700000000", "1700000000.0", "1700000000000",
		"\"1700000000\"", "\"1700000000000\"", "\"2023-11-14T22:13:20Z\"",
		"\"2023-11-14t22:13:20z\"", "\"2023-11-14 22:13:20\"",
		"\"2023-11-14T22:13:20.000000000+00:00\"", "\"2023-11-14T22:13:20,0+0000\"",
		"\"2023-11-14T22:13:20 UTC\""};
	static const char *const none[] = {"0", "-1", "true", "null", "[]", "\"\"", "\"soon\"",
		"\"2023-11-14\"", "\"2023-11-14T22:13\"", "\"2023-11-14T22:13:20 CET\"", "1e300"};
	char json[140];

	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		snprintf(json, sizeof json, STAMPED, same[i]);
		cr_expect(read_event(json), "%s", json);
		cr_expect_eq(ev.ts_ms, 1700000000000, "%s", json);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		snprintf(json, sizeof json, STAMPED, none[i]);
		cr_expect_not(read_event(json), "%s", json);
		cr_expect_eq(ev.missing, S, "%s", json);
	}
}

struct age {
	int64_t off_ms;
	enum event_fault expected;
};

ParameterizedTestParameters(native, an_event_is_fresh_up_to_its_age_and_its_lead)
{
	static struct age rows[] = {{0, FAULT_NONE}, {-600000, FAULT_NONE}, {-600001, FAULT_OLD},
		{300000, FAULT_NONE}, {300001, FAULT_FUTURE}, {-1600000000000, FAULT_OLD},
		{4000000000000, FAULT_FUTURE}};

	return cr_make_param_array(struct age, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct age *row, native, an_event_is_fresh_up_to_its_age_and_its_lead)
{
	char json[140], stamp[32];

	snprintf(stamp, sizeof stamp, "%lld", (long long)NOW + (long long)row->off_ms);
	snprintf(json, sizeof json, STAMPED, stamp);
	read_event(json);
	cr_expect_eq(ev.fault, row->expected);
	cr_expect_eq(ev.missing, 0);
}

Test(native, an_event_with_a_fault_keeps_its_name)
{
	cr_expect_not(read_event("{\"event_type\":\"email_opened\",\"event_id\":\"e1\"}"));
	cr_expect_eq(ev.fault, FAULT_FIELDS);
	cr_expect(slice_is(ev.type, "email_opened") && slice_is(ev.event_id, "e1"));
}

Test(native, its_batch_is_an_array_and_nothing_else_is)
{
	cr_expect(normalise("[{" FOUR ",\"data\":{}},7,{},null]", true, true) == false);
	cr_expect(out.too_many);
	cr_expect_str_eq(why.text, "4 events, at most 3");
	cr_expect(normalise("[{" FOUR ",\"data\":{}},7,{}]", true, true));
	cr_assert_eq(out.count, 3);
	cr_expect_eq(out.list[0].fault, FAULT_NONE);
	cr_expect_eq(out.list[1].fault, FAULT_JSON);
	cr_expect_eq(out.list[2].fault, FAULT_FIELDS);
	cr_expect_eq(out.bad, 2);
	cr_expect_not(normalise("{" FOUR ",\"data\":{}}", true, true));
	cr_expect_str_eq(why.text, "the body is no JSON array");
	cr_expect_not(normalise("[{" FOUR ",\"data\":{}}]", false, true));
	cr_expect_str_eq(why.text, "the body is no JSON object");
}

Test(native, what_its_data_says_is_read_for_those_who_show_it)
{
	static const char json[] =
		"{" FOUR ",\"data\":{\"email\":\"ann@example.com\",\"message_id\":7,"
		"\"bounce_class\":\"hard\",\"smtp_code\":550,\"tags\":[\"a\",3],\"machine\":true}}";

	cr_assert(normalise(json, false, false));
	cr_expect(slice_is(ev.message_id, "7") && slice_is(ev.bounce_class, "hard"));
	cr_expect(ev.smtp_code == 550 && ev.machine && ev.tags.via.array.size == 1);
	cr_assert(normalise(json, false, true));
	cr_expect(slice_is(ev.email, "ann@example.com") && !ev.message_id.p && !ev.machine);
}

Test(native, each_fault_has_a_text)
{
	for (int i = FAULT_FIELDS; i <= FAULT_JSON; i++)
		cr_expect_neq(*event_fault_text((enum event_fault)i), '\0');
}
