/* An event as a destination gets it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "forward/body.h"
#include "lib/base/json.h"
#include "lib/base/map.h"

static msgpack_zone zone;
static struct json_reader *reader;
static struct error why;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	reader = json_reader_new();
}

static void
teardown(void)
{
	json_reader_destroy(&reader);
	msgpack_zone_destroy(&zone);
}

TestSuite(forward_body, .init = setup, .fini = teardown);

static struct event
event_of(const char *data)
{
	struct event ev = {
		.seq = 184467,
		.journal = slice_of("0123456789abcdef"),
		.source = slice_of("email"),
		.type = slice_of("email_bounced"),
		.id = slice_of("m-1:bounce"),
		.email = slice_of("Jo@Example.com"),
		.ts = 1795867200000,
		.received = 1795867201250,
	};

	cr_assert(json_read(reader, slice_of(data), &zone, &ev.data, &why), "%s", why.text);
	return ev;
}

static const char *
body_of(const struct event *ev, uint64_t form)
{
	struct slice text;
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	cr_assert(body_write(ev, 42, form, &out, &why), "%s", why.text);
	text = slice_in(&zone, (struct slice){out.data, out.size});
	msgpack_sbuffer_destroy(&out);
	return text.p;
}

#define HEAD                                                                                       \
	"{\"id\":\"evt_0123456789abcdef_184467\",\"type\":\"email_bounced\","                      \
	"\"timestamp\":\"2026-11-28T12:00:00.000Z\",\"sequence\":42,\"source\":\"email\","         \
	"\"event_id\":\"m-1:bounce\",\"received\":\"2026-11-28T12:00:01.250Z\",\"data\":"

#define DATA                                                                                       \
	"{\"email\":\"Jo@Example.com\",\"message_id\":\"m-1\",\"raw\":{\"a\":[1]},\"n\":18446744073709551615}"

Test(forward_body, the_keys_stand_in_their_order)
{
	const struct event ev = event_of(DATA);

	cr_expect_str_eq(body_of(&ev, FORWARD_FULL), HEAD DATA "}");
	cr_expect_str_eq(body_of(&ev, FORWARD_WITHOUT_RAW), HEAD
		"{\"email\":\"Jo@Example.com\",\"message_id\":\"m-1\",\"n\":18446744073709551615}}");
	cr_expect_str_eq(body_of(&ev, FORWARD_THIN),
		HEAD "{\"id\":\"evt_0123456789abcdef_184467\",\"type\":\"email_bounced\","
		     "\"email\":\"Jo@Example.com\",\"message_id\":\"m-1\"}}");
}

Test(forward_body, thin_says_null_where_there_is_nothing_and_knows_the_address_of_the_data)
{
	struct event ev = event_of("{\"email\":\"other@example.com\",\"message_id\":7}");

	ev.email = (struct slice){NULL, 0};
	cr_expect(strstr(
		body_of(&ev, FORWARD_THIN), "\"email\":\"other@example.com\",\"message_id\":7}}"));
	ev = event_of("{}");
	ev.email = (struct slice){NULL, 0};
	cr_expect(strstr(body_of(&ev, FORWARD_THIN), "\"email\":null,\"message_id\":null}}"));
}

Test(forward_body, it_is_appended_and_always_the_same)
{
	const struct event ev = event_of(DATA);
	msgpack_sbuffer out;

	msgpack_sbuffer_init(&out);
	cr_assert(body_write(&ev, 42, FORWARD_FULL, &out, &why));
	cr_assert(body_write(&ev, 42, FORWARD_FULL, &out, &why));
	cr_expect_eq(out.size % 2, 0);
	cr_expect_eq(memcmp(out.data, out.data + out.size / 2, out.size / 2), 0);
	msgpack_sbuffer_destroy(&out);
}

/* An event with a text of so many bytes under key. */
static struct event
large(const char *key, size_t n)
{
	char *text = malloc(n + 64);
	struct event ev;
	int head = sprintf(text, "{\"%s\":\"", key);

	memset(text + head, 'x', n);
	strcpy(text + head + n, "\",\"kept\":true}");
	ev = event_of(text);
	free(text);
	return ev;
}

Test(forward_body, what_is_too_large_goes_without_raw_and_says_so)
{
	const size_t rest = strlen(HEAD "{\"raw\":\"\",\"kept\":true}}");
	struct event ev = large("raw", BODY_MOST - rest);

	cr_expect_eq(strlen(body_of(&ev, FORWARD_FULL)), BODY_MOST);
	ev = large("raw", BODY_MOST - rest + 1);
	cr_expect_str_eq(body_of(&ev, FORWARD_FULL), HEAD "{\"kept\":true},\"raw_left_out\":true}");
	cr_expect_str_eq(body_of(&ev, FORWARD_WITHOUT_RAW), HEAD "{\"kept\":true}}",
		"who wants none is told nothing");
}

Test(forward_body, what_is_too_large_without_raw_goes_whole)
{
	const struct event ev = large("text", 2 * BODY_MOST);
	const char *body = body_of(&ev, FORWARD_FULL);

	cr_expect_gt(strlen(body), 2 * BODY_MOST);
	cr_expect_null(strstr(body, "raw_left_out"));
}

Test(forward_body, bytes_that_are_no_text_are_json_all_the_same)
{
	struct event ev = event_of("{\"a\":\"\\u0000\\u001b[2J\\u2028\"}");
	msgpack_object read;

	ev.id = (struct slice){"\xff\0\"", 3};
	ev.type = slice_of("a\"b");
	cr_expect(json_read(reader, slice_of(body_of(&ev, FORWARD_FULL)), &zone, &read, &why), "%s",
		why.text);
}

Test(forward_body, the_id_is_that_of_the_node_that_accepted_it_first)
{
	struct event ev = event_of("{}");
	char id[BODY_ID];
	static const struct {
		const char *origin, *id;
	} rows[] = {
		{NULL, "evt_0123456789abcdef_184467"},
		{"fedcba9876543210-1", "evt_fedcba9876543210_1"},
		{"fedcba9876543210-4611686018427387903",
			"evt_fedcba9876543210_4611686018427387903"},
		{"fedcba9876543210-18446744073709551615", "evt_0123456789abcdef_184467"},
		{"fedcba9876543210", "evt_0123456789abcdef_184467"},
		{"fedcba9876543210-", "evt_0123456789abcdef_184467"},
		{"fedcba9876543210-1.5", "evt_0123456789abcdef_184467"},
		{"fedcba987654321.-1", "evt_0123456789abcdef_184467"},
		{"", "evt_0123456789abcdef_184467"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ev.origin = slice_of(rows[i].origin);
		cr_expect_str_eq(body_id(&ev, id), rows[i].id);
	}
}

Test(forward_body, hops_are_a_number_of_its_data_and_not_told_twice)
{
	struct event ev = event_of("{\"trotline_hops\":2,\"a\":1}");

	cr_expect_eq(body_hops(&ev), 2);
	cr_expect_str_eq(body_of(&ev, FORWARD_FULL), HEAD "{\"a\":1}}");
	ev = event_of("{}");
	cr_expect_eq(body_hops(&ev), 0);
	ev = event_of("{\"trotline_hops\":\"2\"}");
	cr_expect_eq(body_hops(&ev), 0);
	ev = event_of("{\"trotline_hops\":-1}");
	cr_expect_eq(body_hops(&ev), 0);
	ev.data = object_of_uint(7);
	cr_expect_eq(body_hops(&ev), 0);
	cr_expect_str_eq(body_of(&ev, FORWARD_WITHOUT_RAW), HEAD "7}");
}

Test(forward_body, a_destination_wants_what_its_globs_and_machine_say)
{
	char *types[] = {(char[]){"email_bounced"}, (char[]){"email_c*"}};
	char *sources[] = {(char[]){"e*"}};
	char *all[] = {(char[]){"*"}};
	struct config_forward to = {.machine = true};
	struct event ev = event_of("{\"machine\":true}");

	cr_expect(body_wanted(&to, &ev));
	to.machine = false;
	cr_expect_not(body_wanted(&to, &ev));
	ev = event_of("{\"machine\":false}");
	cr_expect(body_wanted(&to, &ev));
	to.types = types;
	to.types_count = 2;
	cr_expect(body_wanted(&to, &ev));
	ev.type = slice_of("email_clicked");
	cr_expect(body_wanted(&to, &ev));
	ev.type = slice_of("email_opened");
	cr_expect_not(body_wanted(&to, &ev));
	ev.type = (struct slice){"email_bounced\0", 14};
	cr_expect_not(body_wanted(&to, &ev));
	to.types = all;
	to.types_count = 1;
	cr_expect(body_wanted(&to, &ev));
	to.sources = sources;
	to.sources_count = 1;
	cr_expect(body_wanted(&to, &ev));
	ev.source = slice_of("sms");
	cr_expect_not(body_wanted(&to, &ev));
}

Test(forward_body, a_lane_is_a_recipient_in_any_case_of_letters)
{
	struct event ev = event_of("{\"email\":\"jo@example.com\"}");
	const uint64_t lane = body_lane(&ev);

	cr_expect_neq(lane, 0);
	ev.email = slice_of("Jo Doe <JO@example.COM>");
	cr_expect_eq(body_lane(&ev), lane);
	ev.email = (struct slice){NULL, 0};
	cr_expect_eq(body_lane(&ev), lane);
	ev.email = slice_of("jo2@example.com");
	cr_expect_neq(body_lane(&ev), lane);
	ev.email = slice_of("no address");
	cr_expect_neq(body_lane(&ev), 0);
	ev = event_of("{}");
	ev.email = (struct slice){NULL, 0};
	cr_expect_eq(body_lane(&ev), 0);
}
