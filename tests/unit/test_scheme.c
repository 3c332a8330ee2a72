/* Headers, decoding, and the checks over whole requests; and which provider may have which scheme.
 */
#include <criterion/criterion.h>

#include "lib/base/json.h"
#include "proto/providers.h"
#include "providers/scheme.h"
#include "providers/source.h"

static msgpack_zone zone;
static struct json_reader *reader;
static struct error why;
static struct inbound in;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	reader = json_reader_new();
	why.text[0] = 0;
	in = (struct inbound){.zone = &zone, .json = reader, .now_ms = 1777890033000};
}

static void
teardown(void)
{
	json_reader_destroy(&reader);
	msgpack_zone_destroy(&zone);
}

TestSuite(scheme, .init = setup, .fini = teardown);

/* headers: a JSON array of [name, value]. */
static void
request(const char *headers, struct slice body)
{
	msgpack_object *list = msgpack_zone_malloc(&zone, sizeof *list);

	cr_assert(json_read(reader, slice_of(headers), &zone, list, &why), "%s", why.text);
	in.headers = list;
	in.body = body;
}

static struct provider_source *
source(const char *provider, const char *scheme, const char *a, const char *b)
{
	char *const secrets[] = {(char *)a, (char *)b};
	const struct provider_options options = {
		.provider = provider,
		.scheme = scheme,
		.secrets = secrets,
		.secrets_count = (a != NULL) + (b != NULL),
	};

	return provider_source_new(&options, &why);
}

static enum check_step
check(const char *provider, const char *scheme, const char *a, const char *b)
{
	struct provider_source *made = source(provider, scheme, a, b);
	struct normals out = {.count = 0};
	enum check_step step;

	cr_assert(made, "%s", why.text);
	step = provider_check(made, &in, &out, &why);
	provider_source_destroy(&made);
	cr_assert_null(made);
	return step;
}

Test(scheme, headers_are_found_in_any_case_and_trimmed)
{
	struct slice value;

	request("[[\"X-One\",\" \\t a b\\t "
		"\"],[\"x-two\",\"1\"],[\"X-TWO\",\"2\"],[\"X-Empty\",\"\"],"
		"[\"odd\"],7,[\"n\",5]]",
		slice_of(""));
	cr_assert(slice_is(header_only(in.headers, "x-oNE", &why), "a b"));
	cr_assert(slice_is(header_only(in.headers, "X-Empty", &why), ""));
	cr_assert(header_only(in.headers, "X-Empty", &why).p);
	cr_assert_eq(header_find(in.headers, "X-Two", &value), 2);
	cr_assert(slice_is(value, "1"));
	cr_assert_null(header_value(in.headers, "X-Two").p);
	cr_assert_null(header_only(in.headers, "X-Two", &why).p);
	cr_assert(strstr(why.text, "2 times"), "%s", why.text);
	cr_assert_null(header_only(in.headers, "X-On", &why).p);
	cr_assert(strstr(why.text, "missing"), "%s", why.text);
	cr_assert_eq(header_find(NULL, "X-One", &value), 0);
}

Test(scheme, seconds_are_digits_and_nothing_else)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1.0", "0x10", "1e3", "1234567890123456", "--1"};
	int64_t seconds;

	cr_assert(header_seconds(slice_of("1777890030"), &seconds) && seconds == 1777890030);
	cr_assert(header_seconds(slice_of("-1"), &seconds) && seconds == -1);
	cr_assert(header_seconds(slice_of("007"), &seconds) && seconds == 7);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_not(header_seconds(slice_of(bad[i]), &seconds), "%s", bad[i]);
	cr_assert_not(header_seconds((struct slice){"1\0", 2}, &seconds));
}

/* The example of GitHub's documentation (validating webhook deliveries). */
static const char GITHUB[] = "[[\"X-Signature\",\"sha256="
			     "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\"]]";
static const char GITHUB_SECRET[] = "It's a Secret to Everybody";

Test(scheme, any_live_secret_will_do)
{
	request(GITHUB, slice_of("Hello, World!"));
	cr_assert_eq(check("generic", "hmac", GITHUB_SECRET, NULL), CHECK_ACCEPTED);
	cr_assert_eq(check("generic", NULL, GITHUB_SECRET, "other"), CHECK_ACCEPTED);
	cr_assert_eq(check("generic", "hmac", "other", GITHUB_SECRET), CHECK_ACCEPTED);
	cr_assert_eq(check("generic", "hmac", "other", "another"), CHECK_SIGNATURE);
	request(GITHUB, slice_of("Hello, World"));
	cr_assert_eq(check("generic", "hmac", GITHUB_SECRET, NULL), CHECK_SIGNATURE);
	request(GITHUB, (struct slice){"Hello, World!\0", 14});
	cr_assert_eq(check("generic", "hmac", GITHUB_SECRET, NULL), CHECK_SIGNATURE);
}

Test(scheme, a_reason_never_quotes_a_secret)
{
	request("[[\"Authorization\",\"Bearer guess\"]]", slice_of(""));
	cr_assert_eq(check("generic", "bearer", "zebra-secret", NULL), CHECK_SIGNATURE);
	cr_assert_null(strstr(why.text, "zebra"));
	cr_assert_null(source("generic", "standard-webhooks", "whsec_zebra secret", NULL));
	cr_assert_null(strstr(why.text, "zebra"));
}

Test(scheme, a_provider_has_its_scheme_and_no_other)
{
	cr_assert_null(source("mailgun", "basic", "a:b", NULL));
	cr_assert(strstr(why.text, "hmac"), "%s", why.text);
	cr_assert_null(source("generic", "sns", "x", NULL));
	cr_assert_null(source("generic", "rot13", "x", NULL));
	cr_assert_null(source("generic", "hmac", NULL, NULL));
	cr_assert(strstr(why.text, "at least one"), "%s", why.text);
	cr_assert_null(source("nobody", NULL, "x", NULL));
	cr_assert_null(source(NULL, NULL, "x", NULL));
	cr_assert_null(source("generic", "hmac", "good", ""));
	cr_assert(strstr(why.text, "secret 2"), "%s", why.text);
}

Test(scheme, who_signs_nothing_may_be_shown_a_token_or_a_header)
{
	request("[[\"Authorization\",\"Bearer token\"]]", slice_of("{}"));
	cr_assert_eq(check("postmark", "bearer", "token", NULL), CHECK_ACCEPTED);
	cr_assert_eq(check("postmark", NULL, "token", NULL), CHECK_ACCEPTED);
	cr_assert_null(source("postmark", "basic", "token", NULL));
	cr_assert_null(source("postmark", NULL, "user:password", "token"));
	request("[[\"X-Webhook-Token\",\"token\"]]", slice_of("{}"));
	cr_assert_eq(check("postmark", "header", "token", NULL), CHECK_ACCEPTED);
	cr_assert_eq(check("postmark", "header", "toke", NULL), CHECK_SIGNATURE);
}

static enum check_step
fresh(uint64_t max_age_ms, uint64_t max_future_ms, uint64_t now_ms, int64_t signed_ms)
{
	const struct provider_source made = {
		.options = {.max_age_ms = max_age_ms, .max_future_ms = max_future_ms}};

	in.now_ms = now_ms;
	return scheme_fresh(&made, &in, signed_ms, &why);
}

Test(scheme, a_signed_time_must_be_inside_the_window)
{
	cr_assert_eq(fresh(300000, 300000, 1000000, 700000), CHECK_ACCEPTED);
	cr_assert_eq(fresh(300000, 300000, 1000000, 699999), CHECK_STALE);
	cr_assert_eq(fresh(300000, 300000, 1000000, 1300000), CHECK_ACCEPTED);
	cr_assert_eq(fresh(300000, 300000, 1000000, 1300001), CHECK_STALE);
	cr_assert_eq(fresh(0, 0, 1000000, INT64_MIN), CHECK_ACCEPTED);
	cr_assert_eq(fresh(1, 1, 1000000, INT64_MIN), CHECK_STALE);
	cr_assert_eq(fresh(1, 1, 0, INT64_MAX), CHECK_STALE);
	cr_assert_eq(fresh(UINT64_MAX, UINT64_MAX, UINT64_MAX, INT64_MIN), CHECK_STALE);
}

Test(scheme, windows_come_from_the_source_then_the_provider_then_the_scheme)
{
	struct provider_source *stripe = source("generic", "stripe", "x", NULL);
	struct provider_source *mailgun = source("mailgun", NULL, "x", NULL);
	char *const secrets[] = {(char[]){"x"}};
	const struct provider_options options = {
		.provider = "mailgun", .secrets = secrets, .secrets_count = 1, .max_age_ms = 5};
	struct provider_source *own = provider_source_new(&options, &why);

	cr_assert_eq(stripe->options.max_age_ms, 300000);
	cr_assert_eq(stripe->options.max_future_ms, 300000);
	cr_assert_geq(mailgun->options.max_age_ms, 8 * 3600 * 1000);
	cr_assert_eq(own->options.max_age_ms, 5);
	cr_assert_eq(own->options.max_future_ms, 600000);
	provider_source_destroy(&stripe);
	provider_source_destroy(&mailgun);
	provider_source_destroy(&own);
}

Test(scheme, every_window_has_two_sides)
{
	const struct provider_window hour = {3600000, 0};
	struct provider_window window;

	for (size_t i = 0; i < provider_names_count; i++)
		for (int k = 0; k < SCHEMES_COUNT; k++) {
			window = provider_usual_window(provider_names[i], scheme_rows[k].name);
			cr_expect_eq(!window.max_age_ms, !window.max_future_ms, "%s %s",
				provider_names[i], scheme_rows[k].name);
			window = provider_window(provider_names[i], scheme_rows[k].name, hour);
			cr_expect_eq(window.max_age_ms, hour.max_age_ms);
			cr_expect(window.max_future_ms > 0 && window.max_future_ms <= 900000);
		}
	window = provider_window("postal", NULL, (struct provider_window){0, 0});
	cr_expect(!window.max_age_ms && !window.max_future_ms);
}

static unsigned
status(const char *provider, enum check_step step)
{
	char *const secrets[] = {(char[]){"user:x"}};
	const struct provider_source made = {
		.provider = provider_find(provider), .options = {.secrets = secrets}};

	return provider_status(&made, step);
}

Test(scheme, each_step_has_the_status_that_the_provider_understands)
{
	cr_assert_eq(status("postmark", CHECK_ACCEPTED), 200);
	cr_assert_eq(status("postmark", CHECK_SIGNATURE), 401);
	cr_assert_eq(status("postmark", CHECK_MALFORMED), 400);
	cr_assert_eq(status("postmark", CHECK_UNAVAILABLE), 503);
	cr_assert_eq(status("generic", CHECK_POLICY), 403);
	cr_assert_eq(status("mailgun", CHECK_SIGNATURE), 406);
	cr_assert_eq(status("mailgun", CHECK_STALE), 406);
	cr_assert_eq(status("mailgun", CHECK_MALFORMED), 400);
	cr_assert_eq(status("mailgun", CHECK_UNAVAILABLE), 503);
	cr_assert_eq(status("brevo", CHECK_UNAVAILABLE), 429);
	cr_assert_eq(status("ses", CHECK_UNAVAILABLE), 503);
}

Test(scheme, every_row_of_the_table_is_whole)
{
	for (size_t i = 0; i < providers_count; i++) {
		const struct provider *row = providers[i];
		enum scheme scheme;

		cr_assert_eq(provider_find(row->name), row);
		cr_assert(row->title && row->verify && row->normalise, "%s", row->name);
		cr_assert(row->bad_signature >= 400 && row->bad_signature < 500, "%s", row->name);
		cr_assert(provider_busy(row->name) == 503 || provider_busy(row->name) == 429, "%s",
			row->name);
		cr_assert(!row->scheme || scheme_find(row->scheme, &scheme), "%s", row->name);
	}
}

Test(scheme, the_list_of_events_grows_and_keeps_them)
{
	struct normals out = {.count = 0};

	for (int64_t i = 0; i < 100; i++)
		normals_add(&out, &zone)->ts_ms = i;
	cr_assert_eq(out.count, 100);
	for (int64_t i = 0; i < 100; i++)
		cr_assert_eq(out.list[i].ts_ms, i);
	cr_assert(slice_is(out.list[0].type, "unknown"));
}
