/* sendgrid - events of Twilio SendGrid (Event Webhook).
 *
 * Proof: ECDSA P-256 with SHA-256 over the timestamp header's text and the raw body, nothing
 * between them; DER in base64. The key is the base64 of a DER SubjectPublicKeyInfo. OAuth 2,
 * a separate option there, is not read here.
 * Body: an array of events with CRLF between them and at the end, which is signed too.
 * Traps: two different events may share a sg_event_id, and some have none; a block is a `bounce`
 * of type `blocked`; `ip` of a delivery is the sending one; `category` is a text or an array; the
 * sender's own arguments stand among SendGrid's fields.
 * Answers: any 2xx; all else is sent again, with growing gaps, for 24 h.
 * Source: sendgrid/docs, event.md and getting-started-event-webhook-security-features.md. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "lib/base/address.h"
#include "scheme.h"

static const char SIGNATURE[] = "X-Twilio-Email-Event-Webhook-Signature";
static const char TIMESTAMP[] = "X-Twilio-Email-Event-Webhook-Timestamp";

static const struct event_name names[] = {
	{"processed", "email_accepted", NULL},
	{"deferred", "email_deferred", NULL},
	{"delivered", "email_delivered", NULL},
	{"bounce", "email_bounced", "hard"}, /* by type and bounce_classification */
	{"dropped", "email_rejected", NULL},
	{"open", "email_opened", NULL},
	{"click", "email_clicked", NULL},
	{"spamreport", "email_complained", NULL},
	{"unsubscribe", "email_unsubscribed", NULL},
	{"group_unsubscribe", "email_unsubscribed", NULL},
	{"group_resubscribe", "email_subscribed", NULL},
	{"account_status_change", "system_account_status", NULL},
	{NULL, NULL, NULL},
};

/* In these ip and useragent are the recipient's. */
static const char *const engagements[] = {"open", "click", "spamreport", "unsubscribe",
	"group_unsubscribe", "group_resubscribe", NULL};

static const char *const reasons[] = {"reason", "response", NULL};
static const char *const messages[] = {"sg_message_id", "smtp-id", NULL};
static const char *const campaigns[] = {"marketing_campaign_name", "singlesend_name", NULL};

/* SendGrid's own fields, and all that begins with sg_ or marketing_campaign_ or singlesend_. What
 * else stands in an event is an argument of the sender's. */
static const char *const own_fields[] = {"asm_group_id", "attempt", "bounce_classification",
	"category", "cert_err", "email", "event", "ip", "mc_auto_id", "mc_auto_name", "mc_pod_id",
	"mc_stats", "newsletter", "phase_id", "pool", "post_type", "reason", "response", "send_at",
	"smtp-id", "status", "template", "template_id", "timestamp", "tls", "type", "url",
	"url_offset", "useragent", NULL};
static const char *const own_prefixes[] = {"sg_", "marketing_campaign_", "singlesend_", NULL};

static bool
is_one_of(struct slice name, const char *const list[])
{
	for (; *list; list++)
		if (slice_is(name, *list))
			return true;
	return false;
}

static bool
is_own(struct slice key)
{
	for (const char *const *prefix = own_prefixes; *prefix; prefix++)
		if (slice_starts(key, *prefix))
			return true;
	return is_one_of(key, own_fields);
}

/* The sender's arguments, as a map that shares the event's keys and values. */
static msgpack_object
arguments(const msgpack_object *event, msgpack_zone *zone)
{
	const msgpack_object_map *from = &event->via.map;
	msgpack_object out = {.type = MSGPACK_OBJECT_MAP};

	out.via.map.ptr = msgpack_zone_malloc(zone, from->size * sizeof *from->ptr);
	for (uint32_t i = 0; out.via.map.ptr && i < from->size; i++)
		if (!is_own(object_str(&from->ptr[i].key)))
			out.via.map.ptr[out.via.map.size++] = from->ptr[i];
	return fields_metadata(&out);
}

/* type: bounce, blocked or expired; older events have none, and then status and reason tell. Why a
 * bounce is one stands in its classification. */
static enum bounce_cause
bounce(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	const enum bounce_cause type =
		bounce_word_of(ev, "sendgrid", "type", field_str(event, "type"), zone);
	const enum bounce_cause why = bounce_word(
		"sendgrid", "bounce_classification", field_str(event, "bounce_classification"));

	if (type && type != BOUNCE_HARD)
		return type;
	if (why && why != BOUNCE_NO_WORD)
		return why;
	return type ? type : BOUNCE_NO_SIGN;
}

static void
engagement(struct normal *ev, const msgpack_object *event)
{
	ev->user_agent = FIELDS_TEXT(event, "useragent");
	ev->ip = FIELDS_TEXT(event, "ip");
	if (slice_is(ev->provider_event, "click"))
		ev->url = FIELDS_TEXT(event, "url");
	if (slice_is(ev->provider_event, "open") || slice_is(ev->provider_event, "click"))
		ev->machine = fields_yes(event, "sg_machine_open") ||
			      fields_machine_agent(ev->user_agent);
}

static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	if (ev->event_id.n)
		return FIELDS_DEDUP(zone, ev->event_id, ev->provider_event);
	return FIELDS_DEDUP(zone, ev->provider_event, ev->message_id, ev->email,
		fields_number(ev->ts_ms, zone), FIELDS_TEXT(event, "url"),
		fields_id(event, "attempt", zone), FIELDS_TEXT(event, "type"));
}

static void
describe(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	ev->reason = field_str_of(event, reasons);
	fields_smtp(ev, FIELDS_TEXT(event, "status"));
	fields_smtp(ev, ev->reason);
	ev->campaign = fields_or(field_str_of(event, campaigns),
		fields_or(fields_id(event, "marketing_campaign_id", zone),
			fields_id(event, "singlesend_id", zone)));
	ev->tags = fields_tags(field_get(event, "category"), zone);
	ev->metadata = arguments(event, zone);
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice name = FIELDS_TEXT(event, "event");
	struct normal *ev = name.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	fields_name(ev, names, name);
	if (slice_is(name, "bounce"))
		ev->cause = bounce(ev, event, in->zone);
	ev->email = FIELDS_TEXT(event, "email");
	ev->event_id = fields_id(event, "sg_event_id", in->zone);
	ev->message_id = address_unbracket(field_str_of(event, messages));
	if (slice_starts(name, "group_"))
		ev->list = fields_or(fields_id(event, "asm_group_id", in->zone), slice_of("?"));
	ev->ts_ms = fields_time(event, "timestamp");
	describe(ev, event, in->zone);
	if (is_one_of(name, engagements))
		engagement(ev, event);
	ev->dedup_key = dedup_key(ev, event, in->zone);
	ev->raw = *event;
	return true;
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	const struct slice text = header_only(in->headers, SIGNATURE, why);
	const struct slice time = text.p ? header_only(in->headers, TIMESTAMP, why) : text;
	struct slice signature;
	int64_t seconds;

	if (!time.p)
		return CHECK_SIGNATURE;
	signature = decode_base64(text, BASE64_STRICT, in->zone);
	if (!signature.n || !header_seconds(time, &seconds)) {
		error_set(why, "%s: expected %s", signature.n ? TIMESTAMP : SIGNATURE,
			signature.n ? "unix seconds" : "base64");
		return CHECK_SIGNATURE;
	}
	if (!scheme_verifies(
		    source, DIGEST_SHA256, (const struct slice[]){time, in->body}, 2, signature)) {
		error_set(why,
			"%s: signed with none of this source's keys over this timestamp and body",
			SIGNATURE);
		return CHECK_SIGNATURE;
	}
	return scheme_fresh(source, in, seconds * 1000, why);
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_sendgrid = {
	.name = "sendgrid",
	.title = "Twilio SendGrid",
	.scheme = "ecdsa",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
