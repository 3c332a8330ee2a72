/* seal - see seal.h. */
#include "seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/codec.h"
#include "lib/base/json.h"
#include "providers/sns.h"

enum { KEY_BYTES_MAX = 1024, FORM_ROOM = 3 };

static const char TOPIC[] = "arn:aws:sns:us-east-1:123456789012:ses-events";

/* ---- texts in the zone ---- */

static struct slice
join(const struct slice *parts, size_t n, msgpack_zone *zone)
{
	size_t total = 0, at = 0;
	char *text;

	for (size_t i = 0; i < n; i++)
		total += parts[i].n;
	text = msgpack_zone_malloc_no_align(zone, total + 1);
	for (size_t i = 0; text && i < n; at += parts[i++].n)
		if (parts[i].n)
			memcpy(text + at, parts[i].p, parts[i].n);
	if (text)
		text[total] = '\0';
	return (struct slice){text, text ? total : 0};
}

#define JOIN(zone, ...)                                                                            \
	join((const struct slice[]){__VA_ARGS__},                                                  \
		sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice), (zone))

static struct slice
number(uint64_t value, msgpack_zone *zone)
{
	char *text = msgpack_zone_malloc_no_align(zone, 24);

	return text ? (struct slice){text,
			      (size_t)snprintf(text, 24, "%llu", (unsigned long long)value)}
		    : (struct slice){NULL, 0};
}

static void
add(struct sealing *s, const char *name, struct slice value)
{
	struct list pair = list_in(s->zone);

	list_add(&pair, object_of_text(slice_of(name)));
	list_add(&pair, object_of_text(value));
	list_add(&s->headers, list_object(&pair));
}

static struct slice
secret(const struct provider_source *source)
{
	return slice_of(source->options.secrets_count ? source->options.secrets[0] : "");
}

static const char *
header_or(const struct sealing *s, const char *usual)
{
	return s->source->options.header ? s->source->options.header : usual;
}

static bool
write_body(struct sealing *s, const msgpack_object *event)
{
	char *text = json_write(event, false);
	const struct slice whole = slice_of(text);

	s->body = text ? JOIN(s->zone, whole) : whole;
	free(text);
	return s->body.p;
}

/* ---- MACs and signatures ---- */

static struct slice
mac(const EVP_MD *digest, struct slice key, struct slice text, unsigned char out[EVP_MAX_MD_SIZE])
{
	unsigned n = 0;

	if (!HMAC(digest, key.p, (int)key.n, (const unsigned char *)text.p, text.n, out, &n))
		n = 0;
	return (struct slice){(const char *)out, n};
}

static struct slice
mac_hex(struct slice key, struct slice text, msgpack_zone *zone)
{
	unsigned char out[EVP_MAX_MD_SIZE] = {0};
	const struct slice made = mac(EVP_sha256(), key, text, out);

	return encode_hex(out, made.n, zone);
}

/* digest NULL: ed25519, which has its own. */
static struct slice
sign(struct sealing *s, const EVP_MD *digest, struct slice text, struct error *why)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char out[KEY_BYTES_MAX];
	size_t n = sizeof out;
	struct slice signature = {NULL, 0};

	if (context && EVP_DigestSignInit(context, NULL, digest, NULL, s->key) > 0 &&
		EVP_DigestSign(context, out, &n, (const unsigned char *)text.p, text.n) > 0)
		signature = encode_base64(out, n, s->zone);
	else
		error_set(why, "the private key cannot sign for this provider");
	EVP_MD_CTX_free(context);
	return signature;
}

/* ---- a scheme each ---- */

static bool
seal_hmac(struct sealing *s, const char *header, const char *prefix)
{
	const struct slice digits = mac_hex(secret(s->source), s->body, s->zone);

	add(s, header_or(s, header), JOIN(s->zone, slice_of(prefix), digits));
	return true;
}

static bool
seal_stripe(struct sealing *s)
{
	const struct slice t = number(s->now_s, s->zone);
	const struct slice text = JOIN(s->zone, t, slice_of("."), s->body);

	add(s, header_or(s, "Stripe-Signature"),
		JOIN(s->zone, slice_of("t="), t, slice_of(",v1="),
			mac_hex(secret(s->source), text, s->zone)));
	return true;
}

/* The signature over id, time and body with a secret (v1) or a private key (v1a). */
static struct slice
standard_signature(struct sealing *s, struct slice text, struct error *why)
{
	unsigned char key[KEY_BYTES_MAX], out[EVP_MAX_MD_SIZE];
	struct slice from = secret(s->source);
	size_t n;

	if (s->key) {
		const struct slice signature = sign(s, NULL, text, why);

		return signature.p ? JOIN(s->zone, slice_of("v1a,"), signature) : signature;
	}
	if (slice_starts(from, "whsec_"))
		from = (struct slice){from.p + 6, from.n - 6};
	if (!decode_base64_to(from, BASE64_LENIENT, key, sizeof key, &n)) {
		error_set(why, "the source's first secret is no whsec_ of base64");
		return (struct slice){NULL, 0};
	}
	return JOIN(s->zone, slice_of("v1,"),
		encode_base64(out, mac(EVP_sha256(), (struct slice){(char *)key, n}, text, out).n,
			s->zone));
}

static bool
seal_standard(struct sealing *s, const char *const names[3], struct error *why)
{
	const struct slice t = number(s->now_s, s->zone), dot = slice_of(".");
	const struct slice signature =
		standard_signature(s, JOIN(s->zone, s->id, dot, t, dot, s->body), why);

	add(s, names[0], s->id);
	add(s, names[1], t);
	add(s, names[2], signature);
	return signature.p;
}

static bool
seal_credentials(struct sealing *s, const char *secret_header)
{
	const struct slice from = secret(s->source);

	if (s->source->scheme == SCHEME_BASIC)
		add(s, header_or(s, "Authorization"),
			JOIN(s->zone, slice_of("Basic "), encode_base64(from.p, from.n, s->zone)));
	else if (s->source->scheme == SCHEME_BEARER)
		add(s, header_or(s, "Authorization"), JOIN(s->zone, slice_of("Bearer "), from));
	else
		add(s, header_or(s, secret_header), from);
	return true;
}

static bool
seal_scheme(struct sealing *s, struct error *why)
{
	static const char *const names[] = {"webhook-id", "webhook-timestamp", "webhook-signature"};

	switch (s->source->scheme) {
	case SCHEME_HMAC:
		return seal_hmac(s, "X-Signature", "sha256=");
	case SCHEME_STRIPE:
		return seal_stripe(s);
	case SCHEME_STANDARD:
		return seal_standard(s, names, why);
	default:
		return seal_credentials(s, "X-Webhook-Token");
	}
}

/* ---- a provider each; the body is written already ---- */

static bool
seal_sendgrid(struct sealing *s, struct error *why)
{
	const struct slice t = number(s->now_s, s->zone);
	struct slice signature;

	s->body = JOIN(s->zone, s->body, slice_of("\r\n"));
	signature = sign(s, EVP_sha256(), JOIN(s->zone, t, s->body), why);
	add(s, "X-Twilio-Email-Event-Webhook-Signature", signature);
	add(s, "X-Twilio-Email-Event-Webhook-Timestamp", t);
	return signature.p;
}

/* Its proof stands in the body. */
static bool
seal_nothing(struct sealing *s, struct error *why)
{
	(void)s;
	(void)why;
	return true;
}

static bool
seal_sparkpost(struct sealing *s, struct error *why)
{
	(void)why;
	add(s, "X-MessageSystems-Batch-ID", s->id);
	return seal_credentials(s, "X-MessageSystems-Webhook-Token");
}

static struct slice
percent(struct slice text, msgpack_zone *zone)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *out = msgpack_zone_malloc_no_align(zone, FORM_ROOM * text.n + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < text.n; i++) {
		if (text.p[i] && strchr(plain, text.p[i]))
			out[n++] = text.p[i];
		else
			n += (size_t)snprintf(
				out + n, 4, "%%%02X", (unsigned)(unsigned char)text.p[i]);
	}
	return (struct slice){out, out ? n : 0};
}

static bool
seal_mandrill(struct sealing *s, struct error *why)
{
	const struct slice field = slice_of("mandrill_events");
	unsigned char out[EVP_MAX_MD_SIZE];
	struct slice made;

	(void)why;
	made = mac(EVP_sha1(), secret(s->source), JOIN(s->zone, s->url, field, s->body), out);
	add(s, "X-Mandrill-Signature", encode_base64(out, made.n, s->zone));
	s->body = JOIN(s->zone, field, slice_of("="), percent(s->body, s->zone));
	return true;
}

static bool
seal_resend(struct sealing *s, struct error *why)
{
	static const char *const names[] = {"svix-id", "svix-timestamp", "svix-signature"};

	return seal_standard(s, names, why);
}

static bool
seal_mailersend(struct sealing *s, struct error *why)
{
	(void)why;
	return seal_hmac(s, "Signature", "");
}

static bool
seal_postal(struct sealing *s, struct error *why)
{
	const struct slice signature = sign(s, EVP_sha256(), s->body, why);
	const struct slice old = signature.p ? sign(s, EVP_sha1(), s->body, why) : signature;
	struct key *public = old.p ? key_of_public(s->key, why) : NULL;

	if (!public)
		return false;
	add(s, "X-Postal-Signature-256", signature);
	add(s, "X-Postal-Signature", old);
	add(s, "X-Postal-Signature-KID", JOIN(s->zone, key_id(public)));
	key_destroy(&public);
	return true;
}

static bool
sns_signature(struct sealing *s, struct sns_envelope *envelope, struct error *why)
{
	msgpack_sbuffer text;

	msgpack_sbuffer_init(&text);
	if (sns_canonical(envelope, &text))
		envelope->signature =
			sign(s, EVP_sha256(), (struct slice){text.data, text.size}, why);
	msgpack_sbuffer_destroy(&text);
	return envelope->signature.p;
}

static bool
write_envelope(struct sealing *s, const struct sns_envelope *envelope)
{
	struct map m = map_in(s->zone);
	msgpack_object object;

	map_text(&m, "Type", envelope->type_name);
	map_text(&m, "MessageId", envelope->message_id);
	map_text(&m, "TopicArn", envelope->topic);
	map_text(&m, "Message", envelope->message);
	map_text(&m, "Timestamp", envelope->timestamp);
	map_text(&m, "SignatureVersion", envelope->signature_version);
	map_text(&m, "Signature", envelope->signature);
	map_text(&m, "SigningCertURL", envelope->cert_url);
	object = map_object(&m);
	return !m.short_of_memory && write_body(s, &object);
}

/* Where SNS has the certificates of the topic's region: the fourth part of its name. */
static struct slice
cert_url(struct slice topic, msgpack_zone *zone)
{
	struct slice region = topic;

	for (int colons = 0; colons < 3 && region.n > 0; region.p++, region.n--)
		colons += *region.p == ':';
	for (size_t i = 0; i < region.n; i++)
		if (region.p[i] == ':')
			region.n = i;
	return JOIN(zone, slice_of("https://sns."), region,
		slice_of(".amazonaws.com/SimpleNotificationService-try-out.pem"));
}

/* With a key the envelope; without one raw delivery, which is not signed. */
static bool
seal_ses(struct sealing *s, struct error *why)
{
	const struct provider_options *options = &s->source->options;
	struct sns_envelope envelope = {
		.type = SNS_NOTIFICATION,
		.type_name = slice_of("Notification"),
		.message = s->body,
		.message_id = s->id,
		.topic = slice_of(options->topics_count ? options->topics[0] : TOPIC),
		.timestamp = s->iso,
		.signature_version = slice_of("2"),
	};

	envelope.cert_url = cert_url(envelope.topic, s->zone);
	add(s, "x-amz-sns-message-type", envelope.type_name);
	add(s, "x-amz-sns-message-id", s->id);
	add(s, "x-amz-sns-topic-arn", envelope.topic);
	if (s->source->scheme != SCHEME_SNS)
		seal_credentials(s, "X-Webhook-Token");
	if (s->key)
		return sns_signature(s, &envelope, why) && write_envelope(s, &envelope);
	add(s, "x-amz-sns-rawdelivery", slice_of("true"));
	return options->allow_raw ||
	       error_set(why, "the source has no allow_raw, so --key is needed");
}

/* ---- */

static const struct wire {
	const char *provider, *content_type;
	bool (*seal)(struct sealing *s, struct error *why);
} wires[] = {
	{"sendgrid", "application/json", seal_sendgrid},
	{"mailgun", "application/json", seal_nothing},
	{"ses", "text/plain; charset=UTF-8", seal_ses},
	{"sparkpost", "application/json", seal_sparkpost},
	{"mandrill", "application/x-www-form-urlencoded", seal_mandrill},
	{"resend", "application/json", seal_resend},
	{"mailersend", "application/json", seal_mailersend},
	{"postal", "application/json", seal_postal},
	{NULL, "application/json", seal_scheme}, /* all others */
};

static const struct wire *
wire_of(const struct provider_source *source)
{
	const struct wire *w = wires;

	while (w->provider && strcmp(w->provider, source->provider->name) != 0)
		w++;
	return w;
}

bool
seal_needs_key(const struct provider_source *source)
{
	const enum scheme scheme = source->scheme;

	if (scheme == SCHEME_STANDARD)
		return slice_starts(secret(source), "whpk_");
	return scheme == SCHEME_ECDSA || scheme == SCHEME_RSA;
}

bool
seal(struct sealing *s, const msgpack_object *event, struct error *why)
{
	const struct wire *wire = wire_of(s->source);

	if (seal_needs_key(s->source) && !s->key)
		return error_set(
			why, "it signs with a private key: --key FILE; --new-key makes one");
	s->headers = list_in(s->zone);
	add(s, "Content-Type", slice_of(wire->content_type));
	if (!write_body(s, event))
		return error_set(why, "out of memory");
	if (!wire->seal(s, why))
		return false;
	return (s->body.p && !s->headers.short_of_memory) || error_set(why, "out of memory");
}

struct slice
seal_mailgun(const struct provider_source *source, struct slice seconds, struct slice token,
	msgpack_zone *zone)
{
	return mac_hex(secret(source), JOIN(zone, seconds, token), zone);
}
