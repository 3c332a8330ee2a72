/* What no provider could read is told for every one of them: which item, why, and its very bytes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "providers/provider.h"

static struct json_reader *reader;
static msgpack_zone zone;
static struct normals out;
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

TestSuite(unread_parts, .init = setup, .fini = teardown);

static enum check_step
read_body(const char *provider, const char *body, bool batch)
{
	static const msgpack_object headers = {.type = MSGPACK_OBJECT_ARRAY};
	const struct provider_options options = {.provider = provider};
	struct provider_source *source = provider_reader_new(&options, &why);
	struct inbound in = {.headers = &headers,
		.body = slice_of(body),
		.now_ms = 1700000000000,
		.zone = &zone,
		.json = reader,
		.batch = batch};
	enum check_step step;

	cr_assert_not_null(source, "%s", why.text);
	out = (struct normals){.count = 0};
	step = provider_read(source, &in, &out, &why);
	provider_source_destroy(&source);
	cr_assert(normals_unread_bytes(&out, reader, &zone));
	return step;
}

static void
expect_part(size_t i, enum unread_reason reason, const char *bytes, bool listed)
{
	cr_assert_gt(out.unread_count, i);
	cr_expect_eq(out.unread[i].reason, reason, "%s", unread_reasons[out.unread[i].reason].word);
	cr_expect(slice_is(out.unread[i].bytes, bytes), "%.*s", SLICE_ARG(out.unread[i].bytes));
	cr_expect_eq(out.unread[i].listed, listed);
}

/* Those whose bodies are events or arrays of them. */
static const char *const listers[] = {"sendgrid", "postmark", "sparkpost", "mandrill", "mailjet",
	"brevo", "resend", "mailersend", "postal"};

Test(unread_parts, an_object_that_names_no_event_is_told_by_each_provider)
{
	static const char nameless[] = "{ \"kept\": 7731 }";

	for (size_t i = 0; i < sizeof listers / sizeof *listers; i++) {
		cr_expect_eq(read_body(listers[i], nameless, false), CHECK_ACCEPTED);
		cr_expect_eq(out.bad, 1, "%s", listers[i]);
		cr_expect_eq(out.unread_count, 1, "%s", listers[i]);
		expect_part(0, UNREAD_NO_EVENT, nameless, false);
	}
}

Test(unread_parts, items_are_told_apart_for_each_provider)
{
	static const char text[] =
		"[ {\"kept\":1}, 7, \"text\", null,[ {} ] ,{\"a\":1,\"a\":2},{\"b\":\"\xff\"}]";

	for (size_t i = 0; i < sizeof listers / sizeof *listers; i++) {
		cr_expect_eq(read_body(listers[i], text, false), CHECK_ACCEPTED);
		cr_expect_eq(out.bad, 7, "%s", listers[i]);
		cr_expect_eq(out.unread_count, 7, "%s", listers[i]);
		expect_part(0, UNREAD_NO_EVENT, "{\"kept\":1}", true);
		expect_part(1, UNREAD_NO_OBJECT, "7", true);
		expect_part(2, UNREAD_NO_OBJECT, "\"text\"", true);
		expect_part(3, UNREAD_NO_OBJECT, "null", true);
		expect_part(4, UNREAD_NO_OBJECT, "[ {} ]", true);
		expect_part(5, UNREAD_JSON, "{\"a\":1,\"a\":2}", true);
		expect_part(6, UNREAD_JSON, "{\"b\":\"\xff\"}", true);
		cr_expect_gt(out.unread[5].detail.n, 10);
	}
}

Test(unread_parts, faults_of_a_native_batch_are_told)
{
	cr_expect_eq(read_body("trotline",
			     "[{\"event_type\":\"email_opened\",\"event_id\":\"e\",\"timestamp\":1,"
			     "\"data\":{}}, {\"event_type\":\"x\"}, 7]",
			     true),
		CHECK_ACCEPTED);
	cr_expect_eq(out.unread_count, 2);
	expect_part(0, UNREAD_FIELDS, "{\"event_type\":\"x\"}", true);
	cr_expect(slice_is(out.unread[0].detail, "event_id, timestamp, data"));
	expect_part(1, UNREAD_NO_OBJECT, "7", true);
}

Test(unread_parts, a_single_native_event_with_a_fault_is_its_senders_to_mend)
{
	cr_expect_eq(read_body("trotline", "{\"event_type\":\"x\"}", false), CHECK_EVENT);
	cr_expect_eq(out.unread_count, 0);
}

Test(unread_parts, what_is_none_of_generics_events_is_told_whole)
{
	static const char *const bodies[] = {"no JSON", "{\"zen\":\"x\"}", "[7,{}]", "\"text\""};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		cr_expect_eq(read_body("generic", bodies[i], false), CHECK_ACCEPTED);
		cr_expect_eq(out.bad, 0);
		cr_expect_eq(out.unread_count, 1);
		expect_part(0, UNREAD_FOREIGN, bodies[i], false);
	}
	cr_expect_eq(read_body("generic", "", false), CHECK_ACCEPTED);
	cr_expect_eq(out.unread_count, 0);
}

Test(unread_parts, an_event_for_some_of_its_addresses_is_kept_beside_them)
{
	static const char body[] =
		"{\"event\":\"delivered\",\"message-id\":\"m\",\"email\":[\"ann@example.com\",7]}";

	cr_expect_eq(read_body("brevo", body, false), CHECK_ACCEPTED);
	cr_expect_eq(out.count, 1);
	expect_part(0, UNREAD_PART, body, false);
}

/* Made in the zone: {"event": ..., "email": [n addresses]} of Brevo. */
static char *
of_many(size_t n)
{
	char *text = msgpack_zone_malloc_no_align(&zone, 64 + n * 32), *to = text;

	to += sprintf(to,
		"{\"event\":\"delivered\",\"message-id\":\"m\",\"email\":[\"first@example.com\"");
	for (size_t i = 1; i < n; i++)
		to += sprintf(to, ",\"%07zu@example.com\"", i);
	strcpy(to, "]}");
	return text;
}

Test(unread_parts, an_object_that_would_stand_in_too_many_events_is_kept_once)
{
	char *few = of_many(1000), *many = of_many(20000), *list;

	cr_expect_eq(read_body("brevo", few, false), CHECK_ACCEPTED);
	cr_expect_eq(out.count, 1000);
	cr_expect_eq(out.unread_count, 0);
	cr_expect_eq(read_body("brevo", many, false), CHECK_ACCEPTED);
	cr_expect_eq(out.count, 0);
	cr_expect_eq(out.bad, 1);
	expect_part(0, UNREAD_LARGE, many, false);
	list = msgpack_zone_malloc_no_align(&zone, 5 * strlen(few) + 8);
	sprintf(list, "[%s,%s,%s,%s,%s]", few, few, few, few, few);
	cr_expect_eq(read_body("brevo", list, false), CHECK_ACCEPTED);
	cr_expect_eq(out.count, 3000, "%zu", out.count);
	cr_expect_eq(out.unread_count, 2);
	expect_part(0, UNREAD_LARGE, few, true);
}

Test(unread_parts, what_is_left_out_is_told)
{
	static const char body[] =
		"{\"event\":\"MessageSent\",\"uuid\":\"u\",\"payload\":{\"message\":{\"id\":1,\"to\":"
		"\"ann@example.com\",\"direction\":\"incoming\"}}}";

	cr_expect_eq(read_body("postal", body, false), CHECK_ACCEPTED);
	cr_expect_eq(out.bad, 0);
	expect_part(0, UNREAD_LEFT_OUT, body, false);
}

Test(unread_parts, each_reason_has_a_row_of_its_own)
{
	for (size_t i = 0; i < UNREAD_REASON_COUNT; i++)
		cr_expect_eq(
			unread_reason_find(slice_of(unread_reasons[i].word)), &unread_reasons[i]);
	cr_expect_null(unread_reason_find(slice_of("other")));
}

/* A list of n numbers. */
static char *
numbers(size_t n)
{
	char *text = malloc(2 * n + 2), *to = text;

	for (size_t i = 0; i < n; i++)
		to = stpcpy(to, i ? ",7" : "[7");
	strcpy(to, "]");
	return text;
}

Test(unread_parts, a_body_of_more_than_so_many_is_told_as_a_whole_by_each_provider)
{
	for (size_t i = 0; i < sizeof listers / sizeof *listers; i++)
		for (size_t more = 0; more < 3; more++) {
			char *text = numbers(UNREAD_PARTS_MAX + more);

			cr_expect_eq(read_body(listers[i], text, false), CHECK_ACCEPTED);
			cr_expect_eq(out.bad, UNREAD_PARTS_MAX + more, "%s", listers[i]);
			cr_expect_eq(out.unread_count, more ? 1 : UNREAD_PARTS_MAX);
			expect_part(
				0, more ? UNREAD_PART : UNREAD_NO_OBJECT, more ? text : "7", !more);
			free(text);
		}
}

Test(unread_parts, a_whole_is_as_stale_as_any_of_what_it_stands_for)
{
	for (size_t at = 0; at < UNREAD_PARTS_MAX + 3; at += 501) {
		out = (struct normals){.text = slice_of("[...]"), .listed = true};
		for (size_t i = 0; i < UNREAD_PARTS_MAX + 3; i++)
			normals_unread(
				&out, &zone, i == at ? UNREAD_OLD : UNREAD_FIELDS, i, slice_of(""));
		cr_assert(normals_unread_bytes(&out, reader, &zone));
		cr_expect_eq(out.unread_count, 1);
		expect_part(0, UNREAD_OLD, "[...]", false);
	}
}
