/* How handlers read an event's fields: bounds, types, addresses. */
#include "lib/base/address.h"
#include "test_handlers.h"

static struct bench b;

static void
open_bench(void)
{
	bench_open(&b);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(handlers_input, .init = open_bench, .fini = close_bench);

Test(handlers_input, an_address_is_lowered_and_kept_as_written)
{
	struct event ev = bench_event(&b, 5, "{\"email\":\"Ann.Lee@Example.COM\"}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_expect(slice_is(in.email, "ann.lee@example.com"));
	cr_expect(slice_is(in.address, "Ann.Lee@Example.COM"));
	cr_expect_eq(in.at, 5);
}

Test(handlers_input, only_ascii_letters_are_lowered)
{
	struct event ev = bench_event(&b, 5, "{\"email\":\"\xc3\x84RGER@example.com\"}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_expect(slice_is(in.email, "\xc3\x84rger@example.com"));
}

Test(handlers_input, an_event_without_a_usable_address_is_refused_with_the_reason)
{
	static const struct {
		const char *json, *why;
	} cases[] = {
		{"{}", "data.email is missing or is no text"},
		{"{\"email\":7}", "data.email is missing or is no text"},
		{"{\"email\":null}", "data.email is missing or is no text"},
		{"[]", "data.email is missing or is no text"},
		{"{\"email\":\"\"}", "data.email is empty"},
		{"{\"email\":\"ann\"}", "data.email is no e-mail address: it has no @"},
		{"{\"email\":\"a@example.com,b@example.com\"}",
			"data.email is no e-mail address: it holds more than one"},
		{"{\"email\":\"ann@example.com\\u0000\"}",
			"data.email is no e-mail address: it has a control character in it"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct event ev = bench_event(&b, 5, cases[i].json);
		struct input in;

		cr_expect_not(input_read(&in, &ev, &b.why), "%s", cases[i].json);
		cr_expect_str_eq(b.why.text, cases[i].why, "%s", cases[i].json);
	}
}

Test(handlers_input, an_address_is_read_out_of_its_dress)
{
	struct event ev = bench_event(&b, 5, "{\"email\":\" Ann Lee <Ann@Example.com>\\n\"}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_expect(slice_is(in.email, "ann@example.com"));
	cr_expect(slice_is(in.address, "Ann@Example.com"));
}

Test(handlers_input, the_frames_own_address_serves_when_data_has_none)
{
	struct event ev = bench_event(&b, 5, "{}");
	struct input in;

	ev.email = slice_of("ann@example.com");
	bench_input(&b, &in, &ev);
	cr_expect(slice_is(in.email, "ann@example.com"));
}

Test(handlers_input, ids_may_be_numbers_of_64_bits)
{
	struct event ev = bench_event(&b, 5,
		"{\"email\":\"a@example.com\",\"message_id\":18446744073709551615,"
		"\"campaign_id\":-9223372036854775808,\"user_id\":42}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_expect(slice_is(in.message_id, "18446744073709551615"));
	cr_expect(slice_is(in.campaign_id, "-9223372036854775808"));
	cr_expect(slice_is(in.user_id, "42"));
}

Test(handlers_input, texts_that_are_missing_empty_or_of_another_type_are_absent)
{
	struct event ev = bench_event(&b, 5,
		"{\"email\":\"a@example.com\",\"message_id\":\"\",\"campaign_id\":[1],\"url\":3,"
		"\"user_agent\":\"\"}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_expect_null(in.message_id.p);
	cr_expect_null(in.campaign_id.p);
	cr_expect_null(in.user_id.p);
	cr_expect_null(in.url.p);
	cr_expect_null(in.user_agent.p);
	cr_expect_null(in.ip.p);
	cr_expect_not(in.has_smtp_code);
}

Test(handlers_input, a_message_id_over_its_limit_is_refused_not_cut)
{
	char json[2048], id[INPUT_MESSAGE_ID_MAX + 2];
	struct event ev;
	struct input in;

	memset(id, 'x', sizeof id);
	id[INPUT_MESSAGE_ID_MAX + 1] = '\0';
	snprintf(json, sizeof json, "{\"email\":\"a@example.com\",\"message_id\":\"%s\"}", id);
	ev = bench_event(&b, 5, json);
	cr_expect_not(input_read(&in, &ev, &b.why));
	cr_expect_str_eq(b.why.text, "data.message_id is longer than 998 bytes");
}

Test(handlers_input, a_time_that_no_database_can_hold_becomes_the_end_of_the_year_9999)
{
	const struct event now = {.ts = 1700000000000}, never = {.ts = UINT64_MAX};

	cr_expect_eq(input_time(&now), 1700000000000);
	cr_expect_eq(input_time(&never), 253402300799999);
}
