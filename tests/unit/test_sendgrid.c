/* SendGrid: what a captured request with one key and headers of different names cannot show. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "captured.h"

#define SIGNATURE "X-Twilio-Email-Event-Webhook-Signature"
#define TIMESTAMP "X-Twilio-Email-Event-Webhook-Timestamp"
#define NOW "1790000000"
#define BODY "[{\"event\":\"processed\",\"sg_event_id\":\"e1\",\"email\":\"ada@example.com\"}]\r\n"

enum { KEYS = 2, TEXT_MAX = 256 };

static EVP_PKEY *pairs[KEYS];
static char public[KEYS][TEXT_MAX];
static struct captured c;

static void
setup(void)
{
	const char *const secrets[] = {public[0], public[1], NULL};

	for (int i = 0; i < KEYS; i++) {
		unsigned char *der = NULL;
		int n;

		pairs[i] = EVP_EC_gen("P-256");
		n = i2d_PUBKEY(pairs[i], &der);
		cr_assert(n > 0);
		EVP_EncodeBlock((unsigned char *)public[i], der, n);
		OPENSSL_free(der);
	}
	captured_open(&c, "sendgrid", NULL, secrets);
}

static void
teardown(void)
{
	captured_close(&c);
	for (int i = 0; i < KEYS; i++)
		EVP_PKEY_free(pairs[i]);
}

TestSuite(sendgrid, .init = setup, .fini = teardown);

static const char *
sign(EVP_PKEY *key, const char *timestamp, const char *body)
{
	unsigned char signature[TEXT_MAX];
	size_t n = sizeof signature;
	char text[2 * TEXT_MAX];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	snprintf(text, sizeof text, "%s%s", timestamp, body);
	cr_assert(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1);
	cr_assert(EVP_DigestSign(ctx, signature, &n, (unsigned char *)text, strlen(text)) == 1);
	EVP_MD_CTX_free(ctx);
	return captured_base64(&c, (struct slice){(char *)signature, n});
}

Test(sendgrid, each_live_key_counts)
{
	for (int i = 0; i < KEYS; i++) {
		c.headers.via.array.size = 0;
		captured_header(&c, SIGNATURE, sign(pairs[i], NOW, BODY));
		captured_header(&c, TIMESTAMP, NOW);
		cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_ACCEPTED, "%s", c.why.text);
		cr_assert_eq(c.out.count, 1);
	}
}

Test(sendgrid, a_second_signature_header_is_refused_even_when_it_is_good)
{
	captured_header(&c, SIGNATURE, sign(pairs[0], NOW, BODY));
	captured_header(&c, SIGNATURE, sign(pairs[0], NOW, BODY));
	captured_header(&c, TIMESTAMP, NOW);
	cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_SIGNATURE);
}

Test(sendgrid, a_second_timestamp_header_is_refused)
{
	captured_header(&c, SIGNATURE, sign(pairs[0], NOW, BODY));
	captured_header(&c, TIMESTAMP, NOW);
	captured_header(&c, "x-twilio-email-event-webhook-timestamp", "1");
	cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_SIGNATURE);
}

Test(sendgrid, a_good_signature_of_another_key_is_refused)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");

	captured_header(&c, SIGNATURE, sign(other, NOW, BODY));
	captured_header(&c, TIMESTAMP, NOW);
	cr_assert_eq(captured_check(&c, slice_of(BODY)), CHECK_SIGNATURE);
	EVP_PKEY_free(other);
}

Test(sendgrid, opens_by_machines_are_told_apart)
{
	captured_read(&c, "[{\"event\":\"open\",\"sg_machine_open\":true},"
			  "{\"event\":\"open\",\"useragent\":\"x GoogleImageProxy\"},"
			  "{\"event\":\"open\",\"sg_machine_open\":false},"
			  "{\"event\":\"delivered\",\"useragent\":\"x GoogleImageProxy\"}]");
	cr_assert_eq(c.out.count, 4);
	cr_assert(c.out.list[0].machine && c.out.list[1].machine);
	cr_assert(!c.out.list[2].machine && !c.out.list[3].machine);
}

Test(sendgrid, the_address_of_a_delivery_is_not_the_recipients)
{
	captured_read(&c, "[{\"event\":\"delivered\",\"ip\":\"192.0.2.1\"},"
			  "{\"event\":\"open\",\"ip\":\"192.0.2.1\"}]");
	cr_assert_null(c.out.list[0].ip.p);
	cr_assert_slice(c.out.list[1].ip, "192.0.2.1");
}

Test(sendgrid, only_the_senders_own_arguments_are_metadata)
{
	const struct normal *ev;

	captured_read(&c, "[{\"event\":\"open\",\"email\":\"a@example.com\",\"sg_new\":1,"
			  "\"order\":\"7\",\"singlesend_name\":\"spring\"}]");
	ev = &c.out.list[0];
	cr_assert_eq(ev->metadata.type, MSGPACK_OBJECT_MAP);
	cr_assert_eq(ev->metadata.via.map.size, 1);
	cr_assert_eq(ev->raw.via.map.size, 5);
	cr_assert_slice(ev->campaign, "spring");
}
