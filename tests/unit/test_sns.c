/* SNS: certificate URLs that only look like Amazon's, one signed text with one reading, topics, raw
 * delivery, and trouble of our own that is never the sender's fault. */
#include "test_sns.h"

#include <time.h>

#include "providers/fields.h"
#include "providers/scheme.h"
#include "providers/sns.h"

#define TOPIC "arn:aws:sns:eu-central-1:111122223333:mail-events"

enum { NOW = 1777890030 };

static msgpack_zone zone;
static struct json_reader *json;
static struct error why;
static struct slice pem;
static size_t asked;

static void
setup(void)
{
	msgpack_zone_init(&zone, 8192);
	json = json_reader_new();
}

static void
teardown(void)
{
	json_reader_destroy(&json);
	msgpack_zone_destroy(&zone);
}

TestSuite(sns, .init = setup, .fini = teardown, .timeout = 60);

static const char *const good_urls[] = {
	"https://SNS.us-east-1.AmazonAWS.com/x.pem",
	"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
	"https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
	"https://sns.eu-central-1.amazonaws.com/a/b_c-d.1.pem",
};

static const char *const bad_urls[] = {
	"",
	"https://",
	"https://sns.us-east-1.amazonaws.com",
	"https://sns.us-east-1.amazonaws.com/",
	"http://sns.us-east-1.amazonaws.com/x.pem",
	"HTTPS://sns.us-east-1.amazonaws.com/x.pem",
	" https://sns.us-east-1.amazonaws.com/x.pem",
	"https:/sns.us-east-1.amazonaws.com/x.pem",
	"https:///sns.us-east-1.amazonaws.com/x.pem",
	"file:///sns.us-east-1.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.com:443/x.pem",
	"https://user@sns.us-east-1.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.com@example.net/x.pem",
	"https://example.net\\.sns.us-east-1.amazonaws.com/x.pem",
	"https://example.net#.sns.us-east-1.amazonaws.com/x.pem",
	"https://example.net?.sns.us-east-1.amazonaws.com/x.pem",
	"https://example.net/sns.us-east-1.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.com.example.net/x.pem",
	"https://sns.us-east-1.amazonaws.com.cn.example.net/x.pem",
	"https://example-sns.us-east-1.amazonaws.com/x.pem",
	"https://sns.example.net.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.co/x.pem",
	"https://sns.us-east-1.amazonaws-com/x.pem",
	"https://sns.us-east-1amazonaws.com/x.pem",
	"https://sns..amazonaws.com/x.pem",
	"https://sns.us.amazonaws.com/x.pem",
	"https://sns.amazonaws.com/x.pem",
	"https://sns-us-east-1.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.com./x.pem",
	"https://sns.us_east_1.amazonaws.com/x.pem",
	"https://s3.us-east-1.amazonaws.com/bucket/x.pem",
	"https://bucket.s3.amazonaws.com/x.pem",
	"https://sns.us-east-1.amazonaws.com/x.key",
	"https://sns.us-east-1.amazonaws.com/x.PEM",
	"https://sns.us-east-1.amazonaws.com/x.pem?a=1",
	"https://sns.us-east-1.amazonaws.com/x.key?a=.pem",
	"https://sns.us-east-1.amazonaws.com/x.key#.pem",
	"https://sns.us-east-1.amazonaws.com/../x.pem",
	"https://sns.us-east-1.amazonaws.com/a/./x.pem",
	"https://sns.us-east-1.amazonaws.com//x.pem",
	"https://sns.us-east-1.amazonaws.com/%2e%2e/x.pem",
	"https://sns.us-east-1.amazonaws.com/a\\..\\x.pem",
	"https://sns.us-east-1.amazonaws.com/x.pem\n",
	"https://sns.us-east-1.amazonaws.com/x\r\nHost:example.net/y.pem",
	"https://sns.us-east-1.amazonaws.com/\xc3\xbc.pem",
};

Test(sns, certificate_urls_of_amazon_are_allowed)
{
	for (size_t i = 0; i < sizeof good_urls / sizeof *good_urls; i++)
		cr_expect(sns_cert_url_allowed(slice_of(good_urls[i]), &why), "%s: %s",
			good_urls[i], why.text);
}

Test(sns, certificate_urls_that_only_look_like_amazons_are_refused)
{
	for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++)
		cr_expect_not(sns_cert_url_allowed(slice_of(bad_urls[i]), &why), "%s", bad_urls[i]);
}

Test(sns, a_nul_ends_no_url)
{
	static const char url[] = "https://sns.us-east-1.amazonaws.com/x.pem\0.key";
	static const char host[] = "https://sns.us-east-1.amazonaws.com\0.example.net/x.pem";

	cr_expect_not(sns_cert_url_allowed((struct slice){url, sizeof url - 1}, &why));
	cr_expect_not(sns_cert_url_allowed((struct slice){host, sizeof host - 1}, &why));
	cr_expect_not(sns_cert_url_allowed((struct slice){NULL, 0}, &why));
}

Test(sns, an_endless_url_is_refused)
{
	char url[4096] = CERT_HOST "/";
	const size_t n = strlen(url);

	memset(url + n, 'a', sizeof url - n);
	memcpy(url + sizeof url - 4, ".pem", 4);
	cr_expect_not(sns_cert_url_allowed((struct slice){url, sizeof url}, &why));
}

Test(sns, only_a_confirmation_at_sns_is_ever_fetched)
{
	static const char *const bad[] = {
		"https://sns.us-east-1.amazonaws.com.example.net/?Action=ConfirmSubscription",
		"http://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
		"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscriptions",
		"https://sns.us-east-1.amazonaws.com/x?Action=ConfirmSubscription",
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription#x",
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&a= b",
		"https://sns.us-east-1.amazonaws.com/",
	};
	static const char good[] =
		CERT_HOST "/?Action=ConfirmSubscription&TopicArn=" TOPIC "&Token=2336412f37fb";

	cr_expect(sns_subscribe_url_allowed(slice_of(good), &why), "%s", why.text);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_expect_not(sns_subscribe_url_allowed(slice_of(bad[i]), &why), "%s", bad[i]);
}

struct shape {
	const char *message, *id, *topic, *timestamp, *version, *more;
};

#define SHAPE                                                                                      \
	.message = "hello", .id = "id-1", .topic = TOPIC, .timestamp = "2026-05-04T10:20:30.456Z", \
	.version = "2", .more = ""

/* The body as SNS would write it; signature goes in as it is. */
static struct slice
body_of(const struct shape *shape, const char *signature)
{
	char *out = msgpack_zone_malloc(&zone, 8192);
	const int n = snprintf(out, 8192,
		"{\"Type\":\"Notification\",\"MessageId\":\"%s\",\"TopicArn\":\"%s\","
		"\"Message\":\"%s\",\"Timestamp\":\"%s\",\"SignatureVersion\":\"%s\","
		"\"Signature\":\"%s\",\"SigningCertURL\":\"" CERT_URL "\"%s}",
		shape->id, shape->topic, shape->message, shape->timestamp, shape->version,
		signature, shape->more);

	return (struct slice){out, (size_t)n};
}

static struct slice
canonical_of(struct slice body)
{
	struct sns_envelope envelope;
	msgpack_object root;
	msgpack_sbuffer text;
	char *copy;

	cr_assert(json_read(json, body, &zone, &root, &why), "%s", why.text);
	cr_assert_eq(sns_read(&root, &envelope, &why), CHECK_ACCEPTED, "%s", why.text);
	msgpack_sbuffer_init(&text);
	cr_assert(sns_canonical(&envelope, &text));
	copy = msgpack_zone_malloc(&zone, text.size);
	memcpy(copy, text.data, text.size);
	const struct slice out = {copy, text.size};
	msgpack_sbuffer_destroy(&text);
	return out;
}

static enum check_step
read_body(const char *text)
{
	struct sns_envelope envelope;
	msgpack_object root;

	cr_assert(json_read(json, slice_of(text), &zone, &root, &why), "%s", why.text);
	return sns_read(&root, &envelope, &why);
}

Test(sns, the_signed_text_is_rebuilt_from_decoded_fields)
{
	struct shape shape = {SHAPE}, escaped = {SHAPE};

	shape.more = ",\"Subject\":\"\",\"Extra\":\"x\"";
	cr_expect(slice_is(canonical_of(body_of(&shape, "c2ln")),
		"Message\nhello\nMessageId\nid-1\nSubject\n\nTimestamp\n2026-05-04T10:20:30.456Z\n"
		"TopicArn\n" TOPIC "\nType\nNotification\n"));
	escaped.message = "a\\n\\u00fc\\\"";
	cr_expect(slice_is(canonical_of(body_of(&escaped, "c2ln")),
		"Message\na\n\xc3\xbc\"\nMessageId\nid-1\nTimestamp\n2026-05-04T10:20:30.456Z\n"
		"TopicArn\n" TOPIC "\nType\nNotification\n"));
}

Test(sns, both_confirmations_sign_token_and_subscribe_url)
{
	static const char *const kinds[] = {"SubscriptionConfirmation", "UnsubscribeConfirmation"};
	char body[1024], expected[1024];

	for (size_t i = 0; i < 2; i++) {
		snprintf(body, sizeof body,
			"{\"Type\":\"%s\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Message\":\"m\","
			"\"Subject\":\"not signed here\",\"SubscribeURL\":\"u\",\"Token\":\"k\","
			"\"Timestamp\":\"2026-05-04T10:20:30Z\",\"SignatureVersion\":\"1\","
			"\"Signature\":\"c2ln\",\"SigningCertURL\":\"" CERT_URL "\"}",
			kinds[i]);
		snprintf(expected, sizeof expected,
			"Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\n2026-05-04T10:20:30Z"
			"\nToken\nk\nTopicArn\nt\nType\n%s\n",
			kinds[i]);
		cr_expect(slice_is(canonical_of(slice_of(body)), expected), "%s", kinds[i]);
	}
}

Test(sns, envelopes_that_lack_something_are_refused)
{
	static const char *const bodies[] = {
		"[]",
		"{}",
		"{\"Type\":\"Notification\"}",
		"{\"Type\":\"Other\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Message\":\"m\","
		"\"Timestamp\":\"2026-05-04T10:20:30Z\"}",
		"{\"Type\":\"Notification\",\"MessageId\":7,\"TopicArn\":\"t\",\"Message\":\"m\","
		"\"Timestamp\":\"2026-05-04T10:20:30Z\"}",
		"{\"Type\":\"Notification\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Message\":"
		"\"m\","
		"\"Timestamp\":\"yesterday\"}",
		"{\"Type\":\"Notification\",\"MessageId\":\"i\",\"TopicArn\":\"t\",\"Message\":"
		"\"m\","
		"\"Subject\":5,\"Timestamp\":\"2026-05-04T10:20:30Z\"}",
		"{\"Type\":\"SubscriptionConfirmation\",\"MessageId\":\"i\",\"TopicArn\":\"t\","
		"\"Message\":\"m\",\"Timestamp\":\"2026-05-04T10:20:30Z\"}",
	};

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		cr_expect_eq(read_body(bodies[i]), CHECK_MALFORMED, "%s", bodies[i]);
	cr_expect_eq(read_body("{\"Type\":\"Notification\",\"MessageId\":\"i\",\"TopicArn\":\"t\","
			       "\"Message\":\"m\",\"Timestamp\":\"2026-05-04T10:20:30Z\"}"),
		CHECK_SIGNATURE);
}

Test(sns, one_signed_text_has_one_reading)
{
	static const char *const moved[] = {"MessageId", "TopicArn", "Timestamp", "Subject"};
	char body[1024];

	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
		const char *key = moved[i];

		snprintf(body, sizeof body,
			"{\"Type\":\"Notification\",\"Message\":\"m\",\"MessageId\":\"%s\","
			"\"TopicArn\":\"%s\",\"Timestamp\":\"%s\",\"Subject\":\"%s\","
			"\"SignatureVersion\":\"2\",\"Signature\":\"c2ln\",\"SigningCertURL\":"
			"\"x\"}",
			strcmp(key, "MessageId") == 0 ? "a\\nb" : "i",
			strcmp(key, "TopicArn") == 0 ? "a\\nb" : "t",
			strcmp(key, "Timestamp") == 0 ? "2026-05-04T10:20:30Z\\nb"
						      : "2026-05-04T10:20:30Z",
			strcmp(key, "Subject") == 0 ? "a\\nb" : "s");
		cr_expect_eq(read_body(body), CHECK_MALFORMED, "%s", key);
	}
}

static struct slice
hand_out(void *arg, struct slice url)
{
	(void)arg;
	asked++;
	return slice_is(url, CERT_URL) ? pem : (struct slice){NULL, 0};
}

static struct slice known_pem;
static bool untold;

static struct slice
known(void *arg, struct slice url)
{
	(void)arg;
	return slice_is(url, CERT_URL) ? known_pem : (struct slice){NULL, 0};
}

static struct provider_source *
source_with(struct provider_options options)
{
	static char topic[] = TOPIC, *topics[] = {topic};
	struct provider_source *source;

	options.provider = "ses";
	options.topics = topics;
	options.topics_count = 1;
	source = provider_source_new(&options, &why);
	cr_assert_not_null(source, "%s", why.text);
	return source;
}

static msgpack_object
headers_of(const char *text)
{
	msgpack_object headers;

	cr_assert(json_read(json, slice_of(text), &zone, &headers, &why), "%s", why.text);
	return headers;
}

static enum check_step
check(struct provider_source *source, const char *headers, struct slice body, struct normals *out)
{
	const msgpack_object list = headers_of(headers);
	struct inbound in = {
		.headers = &list,
		.body = body,
		.now_ms = (uint64_t)NOW * 1000,
		.zone = &zone,
		.json = json,
		.certificate = hand_out,
		.known_certificate = known,
	};

	enum check_step step;

	*out = (struct normals){.count = 0};
	step = provider_check(source, &in, out, &why);
	untold = in.untold;
	return step;
}

static struct slice
signed_body(EVP_PKEY *key, const struct shape *shape)
{
	const struct slice text = canonical_of(body_of(shape, "c2ln"));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char raw[512];
	char base64[1024];
	size_t n = sizeof raw;

	cr_assert(EVP_DigestSignInit(ctx, NULL,
		strcmp(shape->version, "1") == 0 ? EVP_sha1() : EVP_sha256(), NULL, key));
	cr_assert(EVP_DigestSign(ctx, raw, &n, (const unsigned char *)text.p, text.n));
	EVP_MD_CTX_free(ctx);
	EVP_EncodeBlock((unsigned char *)base64, raw, (int)n);
	return body_of(shape, base64);
}

static char pem_text[4096];

static EVP_PKEY *
open_certificate(void)
{
	EVP_PKEY *key = test_key();

	test_certificate(
		key, "sns.amazonaws.com", NOW - 1000, NOW + 1000, pem_text, sizeof pem_text);
	pem = slice_of(pem_text);
	return key;
}

Test(sns, both_versions_verify_and_a_changed_byte_does_not)
{
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	struct shape shape = {SHAPE};
	struct normals out;
	struct slice body;

	for (shape.version = "1"; *shape.version == '1'; shape.version = "2")
		cr_expect_eq(check(source, "[]", signed_body(key, &shape), &out), CHECK_ACCEPTED,
			"%s", why.text);
	body = signed_body(key, &shape);
	cr_expect_eq(check(source, "[]", body, &out), CHECK_ACCEPTED, "%s", why.text);
	memcpy(memmem(body.p, body.n, "hello", 5), "hullo", 5);
	cr_expect_eq(check(source, "[]", body, &out), CHECK_SIGNATURE);
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

Test(sns, trouble_of_our_own_is_503)
{
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	const struct shape shape = {SHAPE};
	const struct slice body = signed_body(key, &shape);
	struct normals out;

	pem = (struct slice){NULL, 0};
	cr_expect_eq(check(source, "[]", body, &out), CHECK_UNAVAILABLE);
	cr_expect_eq(provider_status(source, CHECK_UNAVAILABLE), 503);
	pem = slice_of("no certificate");
	cr_expect_eq(check(source, "[]", body, &out), CHECK_UNAVAILABLE);
	pem = slice_of(pem_text);
	cr_expect_eq(check(source, "[]", body, &out), CHECK_ACCEPTED, "%s", why.text);
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

Test(sns, a_foreign_topic_makes_nobody_fetch_a_certificate)
{
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	struct shape shape = {SHAPE};
	struct normals out;

	shape.topic = TOPIC "x";
	cr_expect_eq(check(source, "[]", signed_body(key, &shape), &out), CHECK_UNAVAILABLE);
	known_pem = pem;
	cr_expect_eq(check(source, "[]", signed_body(key, &shape), &out), CHECK_POLICY);
	cr_expect_eq(asked, 0);
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

/* With and without the certificate: the same step, and where it is not known no words. */
Test(sns, nobody_is_told_without_a_proof_whether_a_topic_is_on_the_list)
{
	static const char *const topics[] = {TOPIC, TOPIC "x"};
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	struct shape shape = {SHAPE};
	struct normals out;

	for (size_t i = 0; i < 2; i++) {
		shape.topic = topics[i];
		known_pem = pem = (struct slice){NULL, 0};
		cr_expect_eq(check(source, "[]", body_of(&shape, "c2ln"), &out), CHECK_UNAVAILABLE);
		cr_expect(untold);
		known_pem = pem = slice_of(pem_text);
		cr_expect_eq(check(source, "[]", body_of(&shape, "c2ln"), &out), CHECK_SIGNATURE);
	}
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

Test(sns, a_certificate_stands_in_the_region_of_its_topic)
{
	static const struct {
		const char *url, *topic;
		bool good;
	} rows[] = {
		{CERT_URL, TOPIC, true},
		{"https://sns.us-east-1.amazonaws.com/x.pem", TOPIC, false},
		{"https://sns.eu-central-1.amazonaws.com.cn/x.pem", TOPIC, false},
		{"https://sns.cn-north-1.amazonaws.com.cn/x.pem", "arn:aws-cn:sns:cn-north-1:1:t",
			true},
		{"https://sns.cn-north-1.amazonaws.com/x.pem", "arn:aws-cn:sns:cn-north-1:1:t",
			false},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "arn:aws:sns:us-east-1", false},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "us-east-1", false},
		{"https://sns.us-east-1.amazonaws.com/x.pem", "", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(
			sns_cert_url_of_topic(slice_of(rows[i].url), slice_of(rows[i].topic), &why),
			rows[i].good, "%s of %s", rows[i].url, rows[i].topic);
}

Test(sns, a_key_stays_known_while_certificates_come_and_go)
{
	static char others[6][4096];
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	const struct shape shape = {SHAPE};
	const struct slice body = signed_body(key, &shape);
	struct normals out;

	for (size_t i = 0; i < 6; i++) {
		EVP_PKEY *other = test_key();

		test_certificate(other, "sns.amazonaws.com", 0, NOW, others[i], sizeof others[i]);
		pem = slice_of(others[i]);
		cr_expect_eq(check(source, "[]", body, &out), CHECK_SIGNATURE);
		EVP_PKEY_free(other);
	}
	pem = slice_of(pem_text);
	cr_expect_eq(check(source, "[]", body, &out), CHECK_ACCEPTED, "%s", why.text);
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

Test(sns, two_headers_of_the_type_are_no_work_of_sns)
{
	EVP_PKEY *key = open_certificate();
	struct provider_source *source = source_with((struct provider_options){.provider = NULL});
	const struct shape shape = {SHAPE};
	const struct slice body = signed_body(key, &shape);
	struct normals out;

	cr_expect_eq(check(source, "[[\"X-Amz-Sns-Message-Type\",\"Notification\"]]", body, &out),
		CHECK_ACCEPTED, "%s", why.text);
	cr_expect_eq(check(source,
			     "[[\"x-amz-sns-message-type\",\"Notification\"],"
			     "[\"x-amz-sns-message-type\",\"SubscriptionConfirmation\"]]",
			     body, &out),
		CHECK_POLICY);
	provider_source_destroy(&source);
	EVP_PKEY_free(key);
}

static const char raw_headers[] =
	"[[\"x-amz-sns-rawdelivery\",\"true\"],[\"x-amz-sns-message-id\",\"id-7\"],"
	"[\"x-amz-sns-topic-arn\",\"" TOPIC "\"]]";
static const char raw_body[] =
	"{\"eventType\":\"Delivery\",\"mail\":{\"messageId\":\"m\"},"
	"\"delivery\":{\"recipients\":[\"a@example.com\",\"b@example.com\"]}}";

Test(sns, raw_delivery_is_refused_unless_allowed)
{
	struct provider_source *no = source_with((struct provider_options){.provider = NULL});
	struct provider_source *yes = source_with((struct provider_options){.allow_raw = true});
	struct normals out;

	cr_expect_eq(check(no, raw_headers, slice_of(raw_body), &out), CHECK_SIGNATURE);
	cr_expect_eq(
		check(yes, raw_headers, slice_of(raw_body), &out), CHECK_ACCEPTED, "%s", why.text);
	cr_assert_eq(out.count, 2);
	cr_expect(slice_is(out.list[0].event_id, "id-7"));
	cr_expect_not(slice_eq(out.list[0].dedup_key, out.list[1].dedup_key));
	cr_expect_eq(check(yes, "[[\"x-amz-sns-rawdelivery\",\"true\"]]", slice_of(raw_body), &out),
		CHECK_POLICY);
	provider_source_destroy(&no);
	provider_source_destroy(&yes);
}

Test(sns, raw_delivery_may_have_to_show_credentials)
{
	static char secret[] = "hooks:fixture-password", *secrets[] = {secret};
	struct provider_source *source = source_with((struct provider_options){
		.allow_raw = true, .scheme = "basic", .secrets = secrets, .secrets_count = 1});
	static const char shown[] =
		"[[\"x-amz-sns-rawdelivery\",\"true\"],[\"x-amz-sns-topic-arn\",\"" TOPIC "\"],"
		"[\"Authorization\",\"Basic aG9va3M6Zml4dHVyZS1wYXNzd29yZA==\"]]";
	struct normals out;

	cr_expect_eq(check(source, raw_headers, slice_of(raw_body), &out), CHECK_SIGNATURE);
	cr_expect_eq(
		check(source, shown, slice_of(raw_body), &out), CHECK_ACCEPTED, "%s", why.text);
	provider_source_destroy(&source);
}

static struct slice
key_of_raw(struct provider_source *source, const char *body)
{
	struct normals out;

	cr_assert_eq(
		check(source, raw_headers, slice_of(body), &out), CHECK_ACCEPTED, "%s", why.text);
	cr_assert_eq(out.count, 1);
	return out.list[0].dedup_key;
}

static char *
many(char *to, const char *part, size_t n)
{
	while (n--)
		to = stpcpy(to, part);
	return to;
}

/* Each of them would carry all of them. */
Test(sns, a_message_to_too_many_is_kept_once)
{
	struct provider_source *source = source_with((struct provider_options){.allow_raw = true});
	enum { RECIPIENTS = 20000 };
	static char body[RECIPIENTS * 16 + 256];
	struct normals out;
	char *to = stpcpy(
		body, "{\"eventType\":\"Delivery\",\"mail\":{},\"delivery\":{\"recipients\":[");

	to = many(to, "\"a@example.com\",", RECIPIENTS);
	strcpy(to - 1, "]}}");
	cr_assert_eq(
		check(source, raw_headers, slice_of(body), &out), CHECK_ACCEPTED, "%s", why.text);
	cr_expect_eq(out.count, 0);
	cr_expect_eq(out.bad, 1);
	cr_assert_eq(out.unread_count, 1);
	cr_expect_eq(out.unread->reason, UNREAD_LARGE);
	provider_source_destroy(&source);
}

/* Of each topic its status before is looked for: minutes, if among all of them. */
Test(sns, a_change_of_countless_topics_is_an_opt_out_of_all_and_costs_no_more)
{
	struct provider_source *source = source_with((struct provider_options){.allow_raw = true});
	static const char topic[] = "{\"topicName\":\"t\",\"subscriptionStatus\":\"OptOut\"},";
	static const char other[] = "{\"topicName\":\"u\",\"subscriptionStatus\":\"OptIn\"},";
	enum { TOPICS = 20000 };
	static char body[2 * TOPICS * sizeof topic + 512];
	const clock_t start = clock();
	struct normals out;
	char *to = stpcpy(body,
		"{\"eventType\":\"Subscription\",\"mail\":{\"destination\":[\"a@example.com\"]},"
		"\"subscription\":{\"newTopicPreferences\":{\"topicSubscriptionStatus\":[");

	to = many(to, topic, TOPICS);
	to = stpcpy(to - 1, "]},\"oldTopicPreferences\":{\"topicSubscriptionStatus\":[");
	to = many(to, other, TOPICS);
	strcpy(to - 1, "]}}}");
	cr_assert_eq(
		check(source, raw_headers, slice_of(body), &out), CHECK_ACCEPTED, "%s", why.text);
	cr_assert_eq(out.count, 1);
	cr_expect(slice_is(out.list->type, "email_unsubscribed"));
	cr_expect_null(out.list->list.p);
	cr_expect_lt((double)(clock() - start) / CLOCKS_PER_SEC, 5);
	provider_source_destroy(&source);
}

#define BOUNCE(name)                                                                               \
	"{\"" name "\":\"Bounce\",\"bounce\":{\"feedbackId\":\"f\",\"bouncedRecipients\":"         \
	"[{\"emailAddress\":\"a@example.com\"}]},\"mail\":{}}"

Test(sns, one_feedback_id_is_one_event_but_not_of_two_kinds)
{
	struct provider_source *source = source_with((struct provider_options){.allow_raw = true});
	const struct slice published = key_of_raw(source, BOUNCE("eventType"));
	const struct slice notified = key_of_raw(source, BOUNCE("notificationType"));
	const struct slice complaint = key_of_raw(source,
		"{\"eventType\":\"Complaint\",\"complaint\":{\"feedbackId\":\"f\","
		"\"complainedRecipients\":[{\"emailAddress\":\"a@example.com\"}]},\"mail\":{}}");

	cr_expect(slice_eq(published, notified));
	cr_expect_not(slice_eq(published, complaint));
	provider_source_destroy(&source);
}

Test(sns, the_host_of_a_certificate_is_folded_and_its_path_is_not)
{
	msgpack_zone here;

	msgpack_zone_init(&here, 1024);
	cr_expect(
		slice_is(sns_cert_url(slice_of("https://SNS.us-east-1.AMAZONAWS.com/A.pem"), &here),
			"https://sns.us-east-1.amazonaws.com/A.pem"));
	cr_expect(slice_is(sns_cert_url(slice_of("HTTPS://SNS.x/A"), &here), "HTTPS://SNS.x/A"));
	msgpack_zone_destroy(&here);
}
