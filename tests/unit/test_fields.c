/* What providers write, read into the one form of ours: codes, addresses, tags, keys. */
#include <criterion/criterion.h>

#include "lib/base/json.h"
#include "providers/fields.h"

static msgpack_zone zone;
static struct json_reader *reader;

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

TestSuite(fields, .init = setup, .fini = teardown);

static msgpack_object
json(const char *text)
{
	msgpack_object obj;
	struct error why = {""};

	cr_assert(json_read(reader, slice_of(text), &zone, &obj, &why), "%s", why.text);
	return obj;
}

Test(fields, a_yes_is_true_or_one_in_any_form)
{
	const msgpack_object map =
		json("{\"a\":true,\"b\":1,\"c\":\"true\",\"d\":\"1\",\"e\":false,"
		     "\"f\":0,\"g\":\"\",\"h\":\"false\",\"i\":2,\"j\":null}");

	for (const char *key = "abcd"; *key; key++)
		cr_expect(fields_yes(&map, (char[]){*key, 0}), "%c", *key);
	for (const char *key = "efghijk"; *key; key++)
		cr_expect_not(fields_yes(&map, (char[]){*key, 0}), "%c", *key);
}

Test(fields, a_time_may_have_any_form_under_any_name)
{
	msgpack_object map = json("{\"i\":1521233195,\"f\":1521233195.375624,\"t\":\"1521233195\","
				  "\"iso\":\"2018-03-16T20:46:35.375Z\",\"no\":null}");

	cr_assert_eq(fields_time(&map, "i"), 1521233195000);
	cr_assert_eq(fields_time(&map, "f"), 1521233195375);
	cr_assert_eq(fields_time(&map, "t"), 1521233195000);
	cr_assert_eq(fields_time(&map, "iso"), 1521233195375);
	cr_assert_eq(fields_time(&map, "no"), 0);
	cr_assert_eq(fields_time(&map, "missing"), 0);
	cr_assert_eq(fields_time(NULL, "i"), 0);
}

Test(fields, an_id_keeps_all_its_digits)
{
	msgpack_object map = json("{\"big\":18446744073709551615,\"neg\":-9223372036854775808,"
				  "\"text\":\"a\",\"empty\":\"\",\"real\":1.5,\"null\":null}");

	cr_assert(slice_is(fields_id(&map, "big", &zone), "18446744073709551615"));
	cr_assert(slice_is(fields_id(&map, "neg", &zone), "-9223372036854775808"));
	cr_assert(slice_is(fields_id(&map, "text", &zone), "a"));
	cr_assert_null(fields_id(&map, "empty", &zone).p);
	cr_assert_null(fields_id(&map, "real", &zone).p);
	cr_assert_null(fields_id(&map, "null", &zone).p);
}

Test(fields, a_path_ends_where_something_is_missing_or_no_map)
{
	msgpack_object map = json("{\"a\":{\"b\":{\"c\":\"x\"},\"t\":\"y\"}}");

	cr_assert(slice_is(FIELDS_TEXT(&map, "a", "b", "c"), "x"));
	cr_assert_null(FIELDS_TEXT(&map, "a", "t", "c").p);
	cr_assert_null(FIELDS_TEXT(&map, "a", "b").p);
	cr_assert_null(FIELDS_TEXT(NULL, "a").p);
	cr_assert_null(FIELDS_AT(&map, "z", "b"));
}

static void
expect_smtp(const char *text, uint64_t code, const char *enhanced)
{
	struct normal ev = {.smtp_code = 0};

	fields_smtp(&ev, slice_of(text));
	cr_assert_eq(ev.smtp_code, code, "%s: %d", text, (int)ev.smtp_code);
	cr_assert(slice_eq(ev.smtp_enhanced, slice_of(enhanced)), "%s: %.*s", text,
		SLICE_ARG(ev.smtp_enhanced));
}

Test(fields, codes_are_found_where_servers_put_them)
{
	expect_smtp("550 5.1.1 no such user", 550, "5.1.1");
	expect_smtp("550-5.1.1 no such user\n550 5.1.1 at all", 550, "5.1.1");
	expect_smtp("smtp;550 5.1.1 no such user", 550, "5.1.1");
	expect_smtp("smtp; 421 4.4.1 no connection", 421, "4.4.1");
	expect_smtp("sent (250 2.0.0 OK 1498093527)", 250, "2.0.0");
	expect_smtp("host said: 452 4.2.2 over quota", 452, "4.2.2");
	expect_smtp("4.2.2 over quota", 0, "4.2.2");
	expect_smtp("500 unknown recipient", 500, NULL);
	expect_smtp("250", 250, NULL);
}

Test(fields, numbers_that_are_no_codes_are_left_alone)
{
	expect_smtp("", 0, NULL);
	expect_smtp("mailbox has 500 messages", 0, NULL);
	expect_smtp("550.example.com refused", 0, NULL);
	expect_smtp("5500 things", 0, NULL);
	expect_smtp("delivered from 192.0.2.5", 0, NULL);
	expect_smtp("version 5.1.1.4", 0, NULL);
	expect_smtp("x5.1.1", 0, NULL);
	expect_smtp("3.1.1", 0, NULL);
	expect_smtp("5.1.1234", 0, NULL);
	expect_smtp("150 200", 0, NULL);
}

Test(fields, codes_that_are_known_already_stay)
{
	struct normal ev = {.smtp_code = 421, .smtp_enhanced = {"4.7.0", 5}};

	fields_smtp(&ev, slice_of("550 5.1.1 no"));
	cr_assert_eq(ev.smtp_code, 421);
	cr_assert(slice_is(ev.smtp_enhanced, "4.7.0"));
}

Test(fields, texts_are_joined_and_chosen)
{
	const struct slice none = {NULL, 0}, a = slice_of("a"), b = slice_of("b");

	cr_assert(slice_is(fields_join(a, b, &zone), "a: b"));
	cr_assert(slice_is(fields_join(none, b, &zone), "b"));
	cr_assert(slice_is(fields_join(a, slice_of(""), &zone), "a"));
	cr_assert_null(fields_or(slice_of(""), none).p);
}

Test(fields, tags_are_a_list_of_full_texts_or_nothing)
{
	msgpack_object map = json("{\"list\":[\"a\",\"\",1,\"b\"],\"one\":\"a\",\"none\":[],"
				  "\"empty\":\"\",\"null\":null,\"json\":\"[\\\"x\\\"]\"}");
	msgpack_object tags = fields_tags(field_get(&map, "list"), &zone);

	cr_assert_eq(tags.via.array.size, 2);
	cr_assert(slice_is(object_str(&tags.via.array.ptr[1]), "b"));
	cr_assert_eq(fields_tags(field_get(&map, "one"), &zone).via.array.size, 1);
	cr_assert_eq(fields_tags(field_get(&map, "none"), &zone).type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(fields_tags(field_get(&map, "empty"), &zone).type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(fields_tags(field_get(&map, "null"), &zone).type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(fields_tags(NULL, &zone).type, MSGPACK_OBJECT_NIL);
	tags = fields_tags_json(field_get(&map, "json"), reader, &zone);
	cr_assert(slice_is(object_str(&tags.via.array.ptr[0]), "x"));
}

Test(fields, metadata_is_a_map_that_holds_something)
{
	msgpack_object map = json("{\"map\":{\"k\":1},\"empty\":{},\"list\":[],"
				  "\"json\":\"{\\\"k\\\":2}\",\"text\":\"{k\"}");

	cr_assert_eq(fields_metadata(field_get(&map, "map")).via.map.size, 1);
	cr_assert_eq(fields_metadata(field_get(&map, "empty")).type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(fields_metadata(field_get(&map, "list")).type, MSGPACK_OBJECT_NIL);
	cr_assert_eq(fields_metadata_json(field_get(&map, "json"), reader, &zone).via.map.size, 1);
	cr_assert_eq(fields_metadata_json(field_get(&map, "text"), reader, &zone).type,
		MSGPACK_OBJECT_NIL);
}

Test(fields, different_parts_never_make_the_same_key)
{
	const struct slice none = {NULL, 0};
	const struct slice keys[] = {
		FIELDS_DEDUP(&zone, slice_of("a"), slice_of("b|c")),
		FIELDS_DEDUP(&zone, slice_of("a|b"), slice_of("c")),
		FIELDS_DEDUP(&zone, slice_of("a\\|b"), slice_of("c")),
		FIELDS_DEDUP(&zone, slice_of("a"), slice_of("b"), slice_of("c")),
		FIELDS_DEDUP(&zone, slice_of("a"), none),
		FIELDS_DEDUP(&zone, slice_of("a"), slice_of("")),
		FIELDS_DEDUP(&zone, slice_of("a"), slice_of("\\-")),
		FIELDS_DEDUP(&zone, slice_of("a"), (struct slice){"\0", 1}),
		FIELDS_DEDUP(&zone, slice_of("a")),
		FIELDS_DEDUP(&zone, slice_of("a\\")),
	};
	const size_t n = sizeof keys / sizeof *keys;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			cr_assert_not(slice_eq(keys[i], keys[k]), "%zu and %zu: %.*s", i, k,
				SLICE_ARG(keys[i]));
	cr_assert(slice_is(keys[0], "a|b\\|c"));
}

Test(fields, a_long_key_is_its_digest)
{
	char text[1000];
	struct slice a, b;

	memset(text, 'x', sizeof text);
	a = FIELDS_DEDUP(&zone, (struct slice){text, sizeof text});
	text[999] = 'y';
	b = FIELDS_DEDUP(&zone, (struct slice){text, sizeof text});
	cr_assert_eq(a.n, sizeof "sha256:" - 1 + 64);
	cr_assert(slice_starts(a, "sha256:"));
	cr_assert_not(slice_eq(a, b));
}

Test(fields, an_event_is_named_by_the_table_or_unknown)
{
	static const struct event_name table[] = {
		{"bounce", "email_bounced", "hard"}, {NULL, NULL, NULL}};
	struct normal ev = {.smtp_code = 0};

	cr_assert_eq(fields_name(&ev, table, slice_of("bounce")), &table[0]);
	cr_assert(slice_is(ev.type, "email_bounced") && slice_is(ev.bounce_class, "hard"));
	cr_assert_null(fields_name(&ev, table, slice_of("bounce2")));
	cr_assert(slice_is(ev.type, "unknown") && !ev.bounce_class.p);
	cr_assert(slice_is(ev.provider_event, "bounce2"));
	cr_assert_null(fields_name(&ev, table, (struct slice){NULL, 0}));
}

Test(fields, machines_are_known_by_their_names)
{
	cr_assert(fields_machine_agent(slice_of("Mozilla/5.0")));
	cr_assert(fields_machine_agent(
		slice_of("Mozilla/5.0 (Windows NT 5.1) (via ggpht.com GoogleImageProxy)")));
	cr_assert(fields_machine_agent(slice_of("Slackbot 1.0 (+https://api.example.com)")));
	cr_assert_not(fields_machine_agent(slice_of("Mozilla/5.0 (X11; Linux) Firefox/120.0")));
	cr_assert_not(fields_machine_agent(
		slice_of("Mozilla/5.0 (Linux; Android 13; CUBOT X50) Chrome/119.0")));
	cr_assert_not(fields_machine_agent((struct slice){NULL, 0}));
}
