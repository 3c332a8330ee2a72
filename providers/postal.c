/* postal - events of Postal, the self-hosted mail server.
 *
 * Proof: RSA PKCS#1 v1.5 over the raw body, base64; X-Postal-Signature-256 (SHA-256), and from
 * older servers only X-Postal-Signature (SHA-1). Where the stronger one stands it alone decides,
 * else a header made by weaker means could take its place. X-Postal-Signature-KID names the key:
 * SHA-256 of the PKCS#1 public key in hex; it is no proof, so a name that fits none of our keys
 * only explains a refusal. No time is signed, so there is no age to judge.
 * Body: one object {event, timestamp, payload, uuid}; `timestamp` is float seconds and says when
 * the webhook was made.
 * Traps: a bounce is two mails: `payload.bounce` is the notice, `payload.original_message` the
 * mail that bounced. `message.direction` "incoming" is about what became of a mail to us: read like
 * any other, and skipped, else our own addresses would be suppressed where their route fails.
 * Answers: 2xx within 5 s; again after 2, 3, 6, 10, 15 min, then dropped.
 * Source: postalserver/postal, lib/postal/http.rb, signer.rb; docs, webhooks. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "scheme.h"
#include "source.h"

static const struct event_name names[] = {
	{"MessageSent", "email_delivered", NULL},
	{"MessageDelayed", "email_deferred", NULL},
	{"MessageHeld", "email_deferred", NULL},            /* may still be released */
	{"MessageDeliveryFailed", "email_bounced", "hard"}, /* by output and details */
	{"MessageBounced", "email_bounced", "hard"},
	{"MessageLinkClicked", "email_clicked", NULL},
	{"MessageLoaded", "email_opened", NULL},
	{"DomainDNSError", "system_error", NULL},
	{"SendLimitApproaching", "system_rate_limit", NULL},
	{"SendLimitExceeded", "system_rate_limit", NULL},
	{NULL, NULL, NULL},
};

/* The stronger first. */
static const struct {
	const char *header;
	enum digest digest;
} signatures[] = {
	{"X-Postal-Signature-256", DIGEST_SHA256},
	{"X-Postal-Signature", DIGEST_SHA1},
};

static const char *const reasons[] = {"output", "details", "status", NULL};

static void
message(struct normal *ev, const msgpack_object *payload, msgpack_zone *zone)
{
	const msgpack_object *mail = field_get(payload, "message");

	if (!mail)
		mail = field_get(payload, "original_message");
	ev->email = field_str(mail, "to");
	ev->message_id = fields_id(mail, "id", zone);
	ev->skipped = slice_is(field_str(mail, "direction"), "incoming");
	ev->tags = fields_tags(field_get(mail, "tag"), zone);
}

static void
circumstances(struct normal *ev, const msgpack_object *payload)
{
	ev->reason = field_str_of(payload, reasons);
	fields_smtp(ev, FIELDS_TEXT(payload, "output"));
	fields_smtp(ev, FIELDS_TEXT(payload, "details"));
	ev->url = FIELDS_TEXT(payload, "url");
	ev->user_agent = FIELDS_TEXT(payload, "user_agent");
	ev->machine = fields_machine_agent(ev->user_agent);
	ev->ip = FIELDS_TEXT(payload, "ip_address");
}

/* Every HardFail is told so: the receiver's refusal, which stands in output, the end of all
 * attempts, and what Postal itself did not send. */
static enum bounce_cause
failure(const msgpack_object *payload)
{
	const enum bounce_cause word =
		bounce_word("postal", "details", field_str(payload, "details"));

	if (word == BOUNCE_GIVEN_UP)
		return word;
	if (slice_trim(field_str(payload, "output"), " \t\r\n").n)
		return BOUNCE_HARD;
	return word && word != BOUNCE_NO_WORD ? word : BOUNCE_NOT_SENT;
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice name = FIELDS_TEXT(event, "event");
	const msgpack_object *payload = field_get(event, "payload");
	struct normal *ev = name.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	fields_name(ev, names, name);
	ev->event_id = FIELDS_TEXT(event, "uuid");
	ev->ts_ms = fields_time(event, "timestamp");
	message(ev, payload, in->zone);
	circumstances(ev, payload);
	if (slice_is(name, "MessageDeliveryFailed"))
		ev->cause = failure(payload);
	ev->dedup_key = FIELDS_DEDUP(in->zone, name, batch_id(ev->event_id, event, in->zone));
	ev->raw = *event;
	return true;
}

static bool
knows_key(const struct provider_source *source, struct slice kid)
{
	for (size_t i = 0; i < source->keys_count; i++)
		if (slice_eq(key_id(source->keys[i]), kid))
			return true;
	return false;
}

static enum check_step
refuse(const struct provider_source *source, const struct inbound *in, const char *header,
	struct error *why)
{
	const struct slice kid = header_value(in->headers, "X-Postal-Signature-KID");

	error_set(why, "%s: not made over this body by a key of this source", header);
	if (kid.n && !knows_key(source, kid))
		error_set(why, "%s: made with the key %.*s, which this source does not have",
			header, SLICE_ARG(kid));
	return CHECK_SIGNATURE;
}

static enum check_step
check(struct provider_source *source, struct inbound *in, const char *header, enum digest digest,
	struct error *why)
{
	const struct slice text = header_only(in->headers, header, why);
	struct slice signature;

	if (!text.p)
		return CHECK_SIGNATURE;
	signature = decode_base64(text, BASE64_STRICT, in->zone);
	if (!signature.n) {
		error_set(why, "%s: not base64", header);
		return CHECK_SIGNATURE;
	}
	if (!scheme_verifies(source, digest, &in->body, 1, signature))
		return refuse(source, in, header, why);
	return CHECK_ACCEPTED;
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	const size_t n = sizeof signatures / sizeof *signatures;
	struct slice unused;

	for (size_t i = 0; i < n; i++)
		if (header_find(in->headers, signatures[i].header, &unused))
			return check(source, in, signatures[i].header, signatures[i].digest, why);
	error_set(why, "neither X-Postal-Signature-256 nor X-Postal-Signature is there");
	return CHECK_SIGNATURE;
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_postal = {
	.name = "postal",
	.title = "Postal",
	.scheme = "rsa",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
