/* events - writes unique signed native events as HTTP requests, so that a load tester has nothing
 * to do but send them.
 *
 * usage: bench-events COUNT [BATCH [KIND]]
 *
 * In: the source's secret in $TROTLINE_SECRET. Out: COUNT requests on stdout, all of the same size,
 * of one event each or of BATCH in a signed array; the size of one on stderr. KIND: `mix`, what a
 * sender of mail sees (60 % delivered, 25 % opened, 5 % each clicked, bounced, deferred), or the
 * name of the one event type; or `sendgrid`: SendGrid's form of a delivery, one a request, signed
 * with the P-256 key whose PEM file stands in $SENDGRID_KEY. Event ids hold a random number, so
 * they are unique from run to run. */
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BODY = 480,          /* bytes of one event */
	RECIPIENTS = 200000, /* addresses that the events are about */
	LATER = 20000,       /* an engagement is about the message of so many events before */
	OUT_BUFFER = 1 << 20,
	SIGNATURE_TEXT = 96, /* base64 of most P-256 signatures in DER; the others are made again */
};

struct kind {
	const char *type, *data;
};

static const struct kind delivered = {
	"email_delivered", "\"smtp_code\":250,\"response\":\"250 2.0.0 OK queued as 4f2Xk1\""};
static const struct kind opened = {"email_opened",
	"\"ip\":\"203.0.113.7\",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64) Gecko/115.0\""};
static const struct kind clicked = {"email_clicked",
	"\"ip\":\"203.0.113.7\",\"url\":\"https://shop.example.com/spring?item=17\""};
static const struct kind bounced = {
	"email_bounced", "\"bounce_type\":\"soft\",\"smtp_code\":452,\"reason\":\"mailbox full\""};
static const struct kind deferred = {
	"email_deferred", "\"smtp_code\":421,\"reason\":\"try again later\""};

/* Of any 20 events that follow each other. */
static const struct kind *const mix[20] = {&delivered, &opened, &delivered, &delivered, &clicked,
	&delivered, &opened, &delivered, &delivered, &bounced, &delivered, &opened, &delivered,
	&delivered, &opened, &delivered, &delivered, &deferred, &delivered, &opened};

struct signer {
	EVP_MAC *hmac;
	EVP_MAC_CTX *keyed;
	EVP_PKEY *sendgrid; /* NULL: native events */
};

struct events {
	uint64_t run, next;
	unsigned batch;
	long long now_s;
	const char *only; /* the one type, or NULL: the mix */
	struct signer signer;
};

static int
signer_open(struct signer *s, const char *secret)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};

	s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	s->keyed = EVP_MAC_CTX_new(s->hmac);
	return EVP_MAC_init(s->keyed, (const unsigned char *)secret, strlen(secret), params);
}

static int
signer_read_key(struct signer *s, const char *path)
{
	FILE *f = path ? fopen(path, "re") : NULL;

	s->sendgrid = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL;
	if (f)
		fclose(f);
	return s->sendgrid != NULL;
}

/* Over the time's text and the body. */
static int
sign_sendgrid(struct signer *s, const char *time, const char *body, size_t n,
	char text[SIGNATURE_TEXT + 1])
{
	unsigned char der[80];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = 0;
	int good = 1;

	while (good && (size + 2) / 3 * 4 != SIGNATURE_TEXT) {
		size = sizeof der;
		good = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->sendgrid) == 1 &&
		       EVP_DigestSignUpdate(ctx, time, strlen(time)) == 1 &&
		       EVP_DigestSignUpdate(ctx, body, n) == 1 &&
		       EVP_DigestSignFinal(ctx, der, &size) == 1;
	}
	EVP_MD_CTX_free(ctx);
	return good && EVP_EncodeBlock((unsigned char *)text, der, (int)size) == SIGNATURE_TEXT;
}

static void
sign(struct signer *s, const char *body, size_t n, char hex[65])
{
	unsigned char mac[32];
	size_t size;

	EVP_MAC_init(s->keyed, NULL, 0, NULL);
	EVP_MAC_update(s->keyed, (const unsigned char *)body, n);
	EVP_MAC_final(s->keyed, mac, &size, sizeof mac);
	for (size_t i = 0; i < sizeof mac; i++) {
		hex[2 * i] = "0123456789abcdef"[mac[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[mac[i] & 15];
	}
	hex[64] = 0;
}

/* The message that event n is about: an engagement is about one that was delivered before. */
static uint64_t
message_of(uint64_t n, const struct kind *kind)
{
	return (kind == &opened || kind == &clicked) && n > LATER ? n - LATER - 1 : n;
}

/* Writes event n, BODY bytes: what is left goes into its metadata. */
static void
write_event(const struct events *e, uint64_t n, char *out)
{
	const struct kind *kind = e->only ? &delivered : mix[n % 20];
	const uint64_t message = message_of(n, kind);
	const unsigned long long recipient = message * 2654435761U % RECIPIENTS;
	int used = snprintf(out, BODY,
		"{\"event_type\":\"%s\",\"event_id\":\"evt-%016llx-%09llu\",\"timestamp\":%lld,"
		"\"data\":{\"email\":\"user-%06llu@example.com\","
		"\"message_id\":\"%016llx.%09llu@mail.example.com\",\"user_id\":\"u-%06llu\","
		"\"campaign_id\":\"spring-%llu\",%s,\"metadata\":{\"trace\":\"",
		e->only ? e->only : kind->type, (unsigned long long)e->run, (unsigned long long)n,
		e->now_s, recipient, (unsigned long long)e->run, (unsigned long long)message,
		recipient, recipient % 7, kind->data);

	memset(out + used, '0', (size_t)(BODY - 4 - used));
	memcpy(out + BODY - 4, "\"}}}", 4);
}

/* The same of SendGrid: a delivery, alone in its array. */
static void
write_sendgrid(const struct events *e, uint64_t n, char *out)
{
	const unsigned long long recipient = n * 2654435761U % RECIPIENTS;
	int used = snprintf(out, BODY,
		"[{\"event\":\"delivered\",\"sg_event_id\":\"evt-%016llx-%09llu\","
		"\"timestamp\":%lld,\"email\":\"user-%06llu@example.com\","
		"\"sg_message_id\":\"%016llx.%09llu@mail.example.com\","
		"\"response\":\"250 2.0.0 OK queued as 4f2Xk1\",\"category\":\"spring\","
		"\"trace\":\"",
		(unsigned long long)e->run, (unsigned long long)n, e->now_s, recipient,
		(unsigned long long)e->run, (unsigned long long)n);

	memset(out + used, '0', (size_t)(BODY - 3 - used));
	memcpy(out + BODY - 3, "\"}]", 3);
}

/* Writes the next request's body. Returns its size. */
static size_t
write_body(struct events *e, char *out)
{
	char *at = out;

	if (e->signer.sendgrid) {
		write_sendgrid(e, e->next++, out);
		return BODY;
	}
	if (e->batch <= 1) {
		write_event(e, e->next++, out);
		return BODY;
	}
	for (unsigned i = 0; i < e->batch; i++, at += BODY) {
		*at++ = i == 0 ? '[' : ',';
		write_event(e, e->next++, at);
	}
	*at++ = ']';
	return (size_t)(at - out);
}

/* Writes the request's head. Returns its size; 0 when it could not be signed. */
static int
write_head(struct events *e, const char *body, size_t n)
{
	char hex[65], time[24], text[SIGNATURE_TEXT + 1];

	snprintf(time, sizeof time, "%lld", e->now_s);
	if (e->signer.sendgrid && !sign_sendgrid(&e->signer, time, body, n, text))
		return 0;
	if (e->signer.sendgrid)
		return printf("POST /webhooks/sendgrid HTTP/1.1\r\nHost: hooks.example.com\r\n"
			      "Content-Type: application/json\r\n"
			      "X-Twilio-Email-Event-Webhook-Signature: %s\r\n"
			      "X-Twilio-Email-Event-Webhook-Timestamp: %s\r\n"
			      "Content-Length: %zu\r\n\r\n",
			text, time, n);
	sign(&e->signer, body, n, hex);
	return printf("POST /webhooks/email%s HTTP/1.1\r\nHost: hooks.example.com\r\n"
		      "Content-Type: application/json\r\nX-Signature: sha256=%s\r\n"
		      "Content-Length: %zu\r\n\r\n",
		e->batch > 1 ? "/batch" : "", hex, n);
}

/* Writes one whole request. Returns its size. */
static size_t
write_request(struct events *e, char *body)
{
	const size_t n = write_body(e, body);
	const int head = write_head(e, body, n);

	return head > 0 && fwrite(body, 1, n, stdout) == n ? (size_t)head + n : 0;
}

static int
open_signer(struct events *e, const char *kind)
{
	const char *secret = getenv("TROTLINE_SECRET");

	if (strcmp(kind, "sendgrid") == 0)
		return signer_read_key(&e->signer, getenv("SENDGRID_KEY"));
	return secret && signer_open(&e->signer, secret);
}

int
main(int argc, char **argv)
{
	const char *kind = argc > 3 ? argv[3] : "mix";
	struct events e = {.batch = argc > 2 ? (unsigned)atoi(argv[2]) : 1,
		.now_s = (long long)time(NULL),
		.only = strcmp(kind, "mix") == 0 ? NULL : kind};
	long long left = argc > 1 ? atoll(argv[1]) : 0;
	char *body = malloc(((size_t)e.batch + 1) * (BODY + 1));
	size_t size = 0;

	if (left <= 0 || !body || !open_signer(&e, kind) ||
		RAND_bytes((unsigned char *)&e.run, sizeof e.run) != 1) {
		fprintf(stderr, "usage: TROTLINE_SECRET=... bench-events COUNT [BATCH [KIND]]\n"
				"       SENDGRID_KEY=FILE bench-events COUNT 1 sendgrid\n");
		return 1;
	}
	setvbuf(stdout, NULL, _IOFBF, OUT_BUFFER);
	for (; left > 0; left--)
		if ((size = write_request(&e, body)) == 0)
			return 1;
	fprintf(stderr, "%zu\n", size);
	return fflush(stdout) == 0 ? 0 : 1;
}
