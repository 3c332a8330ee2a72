/* Mandrill: whose URL and key counts, and what a refusal may say. */
#include "captured.h"
#include "providers/request.h"

#define URL "https://user:hidden@hooks.example.com/m?token=secret"
#define EVENT "[{\"event\":\"send\",\"_id\":\"m1\",\"ts\":1}]"
#define FORM "mandrill_events=" EVENT

static struct captured c;
static const char *const secrets[] = {"old-key", "new-key", NULL};

static void
open_source(const char *url)
{
	captured_open(&c, "mandrill", url, secrets);
}

static void
teardown(void)
{
	captured_close(&c);
}

TestSuite(mandrill, .fini = teardown);

/* A check of a body signed over the URL and one field mandrill_events. */
static enum check_step
check(const char *key, const char *url, const char *events, const char *body)
{
	const struct slice parts[] = {slice_of(url), slice_of("mandrill_events"), slice_of(events)};

	c.headers.via.array.size = 0;
	captured_header(
		&c, "X-Mandrill-Signature", captured_hmac(&c, "SHA1", slice_of(key), parts, 3));
	return captured_check(&c, slice_of(body));
}

Test(mandrill, each_live_key_counts)
{
	open_source(URL);
	cr_assert_eq(check("old-key", URL, EVENT, FORM), CHECK_ACCEPTED, "%s", c.why.text);
	cr_assert_eq(check("new-key", URL, EVENT, FORM), CHECK_ACCEPTED, "%s", c.why.text);
	cr_assert_eq(c.out.count, 1);
	cr_assert_eq(check("no-key", URL, EVENT, FORM), CHECK_SIGNATURE);
}

Test(mandrill, the_url_as_entered_beats_that_of_the_request)
{
	open_source(URL);
	c.in.url = slice_of("http://10.0.0.7:8080/m");
	cr_assert_eq(check("new-key", URL, EVENT, FORM), CHECK_ACCEPTED, "%s", c.why.text);
}

Test(mandrill, without_a_url_of_its_own_that_of_the_request_counts)
{
	open_source(NULL);
	c.in.url = slice_of(URL);
	cr_assert_eq(check("new-key", URL, EVENT, FORM), CHECK_ACCEPTED, "%s", c.why.text);
}

Test(mandrill, a_request_handed_on_has_the_url_that_its_sender_used)
{
	open_source(NULL);
	c.in.headers = &c.headers;
	c.in.zone = &c.zone;
	c.in.target = slice_of("/webhooks/m?a=b");
	captured_header(&c, "Host", "hooks.example.com");
	cr_assert_slice(request_url(&c.in), "https://hooks.example.com/webhooks/m?a=b");
	captured_header(&c, "X-Forwarded-Proto", "http");
	cr_assert_slice(request_url(&c.in), "http://hooks.example.com/webhooks/m?a=b");
	c.in.url = slice_of(URL);
	cr_assert_slice(request_url(&c.in), URL);
}

Test(mandrill, no_url_at_all_is_trouble_of_ours)
{
	open_source(NULL);
	cr_assert_eq(check("new-key", URL, EVENT, FORM), CHECK_UNAVAILABLE);
}

Test(mandrill, a_refusal_names_the_url_without_what_may_be_secret)
{
	open_source(URL);
	cr_assert_eq(check("no-key", URL, EVENT, FORM), CHECK_SIGNATURE);
	cr_assert_not_null(strstr(c.why.text, "https://hooks.example.com/m "), "%s", c.why.text);
	cr_assert_null(strstr(c.why.text, "hidden"), "%s", c.why.text);
	cr_assert_null(strstr(c.why.text, "token"), "%s", c.why.text);
}

Test(mandrill, a_trial_may_come_again_and_again_but_empty_only)
{
	open_source(URL);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(check("test-webhook", URL, "[]", "mandrill_events=%5b%5d"),
			CHECK_ACCEPTED, "%s", c.why.text);
		cr_assert_eq(c.out.count + c.out.bad, 0);
	}
	cr_assert_eq(check("test-webhook", URL, EVENT, FORM), CHECK_SIGNATURE);
}

Test(mandrill, a_second_signature_header_is_refused)
{
	const struct slice parts[] = {slice_of(URL), slice_of("mandrill_events"), slice_of(EVENT)};
	const char *mac;

	open_source(URL);
	mac = captured_hmac(&c, "SHA1", slice_of("new-key"), parts, 3);
	captured_header(&c, "X-Mandrill-Signature", mac);
	captured_header(&c, "X-Mandrill-Signature", mac);
	cr_assert_eq(captured_check(&c, slice_of(FORM)), CHECK_SIGNATURE);
}

Test(mandrill, text_in_an_event_cannot_pose_as_the_events)
{
	static const char honest[] = "[{\"event\":\"inbound\",\"msg\":\"mandrill_events[]\"}]";
	static const char forged[] =
		"mandrill_event=s[{\"event\":\"inbound\",\"msg\":\"&mandrill_events=[]\"}]";

	open_source(URL);
	cr_assert_eq(check("new-key", URL, honest, forged), CHECK_MALFORMED);
	cr_assert_eq(c.out.count, 0);
}

Test(mandrill, the_object_is_kept_in_full)
{
	open_source(URL);
	captured_read(&c, "[{\"event\":\"open\",\"_id\":\"m1\",\"msg\":{\"x\":1},\"new\":[1]}]");
	cr_assert_eq(c.out.list[0].raw.via.map.size, 4);
}
