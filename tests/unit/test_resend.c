/* Resend: which headers say who the event is, and what stands in for what is missing. */
#include "captured.h"

#define BODY "{\"type\":\"email.delivered\"}"
#define NOW "1790000000"

static struct captured c;
static const char *const secrets[] = {
	"whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQ=", "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc=", NULL};

static void
setup(void)
{
	captured_open(&c, "resend", NULL, secrets);
}

static void
teardown(void)
{
	captured_close(&c);
}

TestSuite(resend, .init = setup, .fini = teardown);

static void
sign(const char *prefix, const char *id, const char *key)
{
	const struct slice parts[] = {slice_of(id), slice_of("." NOW "."), slice_of(BODY)};
	char name[64], value[64];

	snprintf(
		value, sizeof value, "v1,%s", captured_hmac(&c, "SHA256", slice_of(key), parts, 3));
	snprintf(name, sizeof name, "%s-signature", prefix);
	captured_header(&c, name, value);
	snprintf(name, sizeof name, "%s-timestamp", prefix);
	captured_header(&c, name, NOW);
	snprintf(name, sizeof name, "%s-id", prefix);
	captured_header(&c, name, id);
}

Test(resend, each_live_secret_counts)
{
	static const char *const keys[] = {"old-old-old-old-old-old", "new-new-new-new-new-new"};

	for (int i = 0; i < 2; i++) {
		c.headers.via.array.size = 0;
		sign("svix", "msg_1", keys[i]);
		cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_ACCEPTED, "%s", c.why.text);
		cr_assert_slice(c.out.list[0].event_id, "msg_1");
	}
}

Test(resend, the_id_is_the_signed_one)
{
	sign("webhook", "msg_signed", "new-new-new-new-new-new");
	captured_header(&c, "svix-id", "msg_forged");
	cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_ACCEPTED, "%s", c.why.text);
	cr_assert_slice(c.out.list[0].event_id, "msg_signed");
	cr_assert_slice(c.out.list[0].dedup_key, "msg_signed");
}

Test(resend, a_second_id_is_refused)
{
	sign("svix", "msg_1", "new-new-new-new-new-new");
	captured_header(&c, "Svix-Id", "msg_2");
	cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_SIGNATURE);
}

Test(resend, the_recipient_is_the_first_address_without_its_name)
{
	captured_read(&c, "{\"type\":\"email.sent\",\"data\":{\"to\":[\"\\\"<x>, Ada\\\" "
			  "<ada@example.com>\",\"bob@example.com\"]}}");
	cr_assert_slice(c.out.list[0].email, "ada@example.com");
	captured_read(&c, "{\"type\":\"email.sent\",\"data\":{\"to\":\"bob@example.com\"}}");
	cr_assert_slice(c.out.list[0].email, "bob@example.com");
	captured_read(&c, "{\"type\":\"email.sent\",\"data\":{\"to\":[]}}");
	cr_assert_null(c.out.list[0].email.p);
}

Test(resend, odd_shapes_cost_no_more_than_the_field)
{
	captured_read(&c, "{\"type\":\"email.bounced\",\"data\":{\"to\":[7],\"tags\":[],"
			  "\"bounce\":{\"diagnosticCode\":[null,\"550 5.1.1 x\"]},\"click\":[]}}");
	cr_assert_slice(c.out.list[0].type, "email_bounced");
	cr_assert_eq(c.out.list[0].smtp_code, 550);
	cr_assert_eq(c.out.list[0].metadata.type, MSGPACK_OBJECT_NIL);
	captured_read(&c, "{\"type\":\"email.opened\",\"data\":7}");
	cr_assert_slice(c.out.list[0].type, "email_opened");
}
