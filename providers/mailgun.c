/* mailgun - events of Mailgun: JSON, and the legacy form posts (urlencoded or multipart).
 *
 * Proof: HMAC-SHA256 in hex over timestamp and token, which stand in the body with it. The event
 * itself is NOT signed: only TLS keeps it whole, and a token is good for the event that it first came
 * with (normals.proof), no other. A retry carries the old block, so the window is more than the 8 h
 * over which Mailgun tries. A subaccount's posts also carry parent-signature, by
 * the primary key. Nothing stands between timestamp and token: the timestamp is held to its ten
 * digits, else digits could move from one to the other under the same signature. Body:
 * {"signature", "event-data"}; old posts are forms, where repeated names are the sender's own
 * variables: the event's fields are the first of their name, timestamp, token and signature the
 * last. Traps: an id is unique within a day only; the event's float time is another than the
 * signing time; codes from 600 on are Mailgun's own, no SMTP. Answers: 200; 406 stops; all else is
 * sent again (5, 10, 15 min, 1, 2, 4 h), other 4xx too. Source: documentation.mailgun.com,
 * securing-webhooks and webhook-retries; payloads of anymail/django-anymail and of
 * symfony/symfony's mailer bridge. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "form.h"
#include "lib/base/address.h"
#include "scheme.h"

enum { MAC_LEN = 32, TOKEN_MAX = 1024, TIMESTAMP_DIGITS = 10, MS_PER_S = 1000, OWN_CODES = 600 };

static const struct event_name names[] = {
	{"accepted", "email_accepted", NULL},
	{"delivered", "email_delivered", NULL},
	{"rejected", "email_rejected", NULL},
	{"failed", "email_bounced", "undetermined"}, /* by severity, reason and code */
	{"opened", "email_opened", NULL},
	{"clicked", "email_clicked", NULL},
	{"unsubscribed", "email_unsubscribed", NULL},
	{"complained", "email_complained", NULL},
	{"stored", "email_received", NULL},
	{"list_member_uploaded", "system_notice", NULL}, /* the account's */
	{"list_member_upload_error", "system_notice", NULL},
	{"list_uploaded", "system_notice", NULL},
	{"dropped", "email_rejected", NULL},          /* legacy */
	{"bounced", "email_bounced", "undetermined"}, /* legacy, by code */
	{NULL, NULL, NULL},
};

/* The form as one map: first values, but the last of the signed three; all tags. */
static bool
form_root(const struct form *form, msgpack_zone *zone, msgpack_object *root)
{
	static const char *const lasts[] = {"timestamp", "token", "signature"};
	msgpack_object_map *map = &root->via.map;
	struct slice key;

	*root = form_map(form, zone);
	if (root->type != MSGPACK_OBJECT_MAP)
		return false;
	for (uint32_t i = 0; i < map->size; i++) {
		key = object_str(&map->ptr[i].key);
		for (size_t k = 0; k < sizeof lasts / sizeof *lasts; k++)
			if (slice_is(key, lasts[k]))
				map->ptr[i].val = object_of_text(form_last(form, lasts[k]));
		if (slice_is(key, "tag"))
			map->ptr[i].val = form_all(form, "tag", zone);
	}
	return true;
}

/* Parses the body to in->root, once. */
static bool
read_body(struct inbound *in, struct error *why)
{
	const struct slice content_type = header_value(in->headers, "Content-Type");
	struct form form;

	if (in->parsed || !form_is(content_type))
		return batch_body(in, why);
	in->parsed = form_read(content_type, in->body, in->zone, &form, why) &&
		     form_root(&form, in->zone, &in->root);
	return in->parsed;
}

/* The block that is signed: an object of its own, or in a form the whole. */
static const msgpack_object *
signed_block(const struct inbound *in)
{
	const msgpack_object *block = field_get(&in->root, "signature");

	return block && block->type == MSGPACK_OBJECT_STR ? &in->root : block;
}

/* Ten digits reach from 2001 to 2286. */
static bool
read_timestamp(struct slice text, int64_t *seconds, struct error *why)
{
	return (text.n == TIMESTAMP_DIGITS && header_seconds(text, seconds) && *seconds > 0) ||
	       error_set(why, "signature.timestamp is not unix seconds of %d digits",
		       TIMESTAMP_DIGITS);
}

static bool
is_signed(struct provider_source *source, const msgpack_object *block, struct slice timestamp,
	struct error *why)
{
	static const char *const keys[] = {"signature", "parent-signature"};
	const struct slice parts[] = {timestamp, FIELDS_TEXT(block, "token")};
	unsigned char macs[2][MAC_LEN];
	struct slice given[2];
	size_t n = 0;

	if (!parts[1].n || parts[1].n > TOKEN_MAX)
		return error_set(why, "signature.token is %s", parts[1].n ? "too long" : "missing");
	for (size_t i = 0; i < 2; i++)
		if (decode_hex(field_str(block, keys[i]), macs[n], MAC_LEN)) {
			given[n] = (struct slice){(char *)macs[n], MAC_LEN};
			n++;
		}
	return scheme_mac_is(source, parts, 2, given, n) ||
	       error_set(why,
		       "signature.signature is not the hex HMAC-SHA256 of timestamp and token with any live signing key");
}

static enum check_step
check_block(struct provider_source *source, struct inbound *in, const msgpack_object *block,
	struct error *why)
{
	const struct slice timestamp = fields_id(block, "timestamp", in->zone);
	int64_t seconds = 0;

	if (!read_timestamp(timestamp, &seconds, why) || !is_signed(source, block, timestamp, why))
		return CHECK_SIGNATURE;
	return scheme_fresh(source, in, seconds * MS_PER_S, why);
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	const msgpack_object *block;

	if (!read_body(in, why))
		return CHECK_MALFORMED;
	block = signed_block(in);
	if (block && block->type == MSGPACK_OBJECT_MAP)
		return check_block(source, in, block, why);
	error_set(why, "the body has no signature block (timestamp, token, signature)");
	return CHECK_SIGNATURE;
}

/* Codes from 600 on are Mailgun's own words; an old form's code may be 5.1.1. */
static enum bounce_cause
word_of_code(struct normal *ev, const msgpack_object *status, msgpack_zone *zone)
{
	int64_t code;

	if (!field_int(status, "code", &code) || code < OWN_CODES)
		return BOUNCE_NONE;
	return bounce_word_of(ev, "mailgun", "code", fields_number(code, zone), zone);
}

/* `permanent` alone says only that Mailgun tries no more. */
static enum bounce_cause
failure(struct normal *ev, const msgpack_object *event, const msgpack_object *status,
	msgpack_zone *zone)
{
	const enum bounce_cause severity =
		bounce_word_of(ev, "mailgun", "severity", field_str(event, "severity"), zone);
	const enum bounce_cause reason =
		bounce_word("mailgun", "reason", field_str(event, "reason"));
	enum bounce_cause code;

	if (severity && severity != BOUNCE_NO_SIGN)
		return severity;
	if (reason && reason != BOUNCE_NO_WORD)
		return reason;
	code = word_of_code(ev, status, zone);
	return code ? code : BOUNCE_NO_SIGN;
}

static void
set_code(struct normal *ev, const msgpack_object *event)
{
	int64_t code;

	if (field_int(event, "code", &code) && code >= 200 && code < 600)
		ev->smtp_code = (uint64_t)code;
	fields_smtp(ev, FIELDS_TEXT(event, "code"));
}

static void
read_delivery(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	const msgpack_object *status = field_get(event, "delivery-status");
	static const char *const texts[] = {"message", "description", NULL};

	if (slice_is(ev->provider_event, "failed"))
		ev->cause = failure(ev, event, status, zone);
	set_code(ev, status);
	ev->smtp_enhanced = FIELDS_TEXT(status, "enhanced-code");
	ev->reason = fields_or(field_str_of(status, texts),
		fields_or(FIELDS_TEXT(event, "reject", "reason"), FIELDS_TEXT(event, "reason")));
	fields_smtp(ev, ev->reason);
}

static struct slice
campaign(const msgpack_object *event)
{
	const msgpack_object *list = field_get(event, "campaigns");
	static const char *const keys[] = {"name", "id", NULL};

	if (!list || list->type != MSGPACK_OBJECT_ARRAY || !list->via.array.size)
		return (struct slice){NULL, 0};
	return field_str_of(&list->via.array.ptr[0], keys);
}

/* A rejected message has no recipient of its own. */
static struct slice
recipient(const msgpack_object *event)
{
	return fields_or(
		FIELDS_TEXT(event, "recipient"), FIELDS_TEXT(event, "message", "headers", "to"));
}

static void
read_json_event(struct normal *ev, const msgpack_object *event, struct inbound *in)
{
	ev->email = recipient(event);
	ev->event_id = FIELDS_TEXT(event, "id");
	ev->message_id = address_unbracket(FIELDS_TEXT(event, "message", "headers", "message-id"));
	ev->ts_ms = fields_time(event, "timestamp");
	read_delivery(ev, event, in->zone);
	ev->user_agent = FIELDS_TEXT(event, "client-info", "user-agent");
	ev->machine = fields_machine_agent(ev->user_agent) ||
		      FIELDS_TEXT(event, "client-info", "bot").n > 0;
	ev->campaign = campaign(event);
	ev->tags = fields_tags(field_get(event, "tags"), in->zone);
	ev->metadata = fields_metadata(field_get(event, "user-variables"));
}

/* X-Mailgun-Variables among the message's headers, a JSON array of [name, value] as text. */
static msgpack_object
legacy_variables(const msgpack_object *form, struct inbound *in)
{
	const struct slice text = field_str(form, "message-headers");
	msgpack_object headers;

	if (!text.n || !json_read(in->json, text, in->zone, &headers, NULL))
		return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
	for (uint32_t i = 0; headers.type == MSGPACK_OBJECT_ARRAY && i < headers.via.array.size;
		i++) {
		const msgpack_object *pair = &headers.via.array.ptr[i];

		if (pair->type == MSGPACK_OBJECT_ARRAY && pair->via.array.size == 2 &&
			slice_is(object_str(&pair->via.array.ptr[0]), "X-Mailgun-Variables"))
			return fields_metadata_json(&pair->via.array.ptr[1], in->json, in->zone);
	}
	return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
}

static void
read_form_event(struct normal *ev, const msgpack_object *form, struct inbound *in)
{
	static const char *const texts[] = {"error", "description", "notification", "reason", NULL};
	static const char *const ids[] = {"Message-Id", "message-id", NULL};
	static const char *const campaigns[] = {"campaign-name", "campaign-id", NULL};

	if (slice_is(ev->provider_event, "bounced"))
		ev->cause = failure(ev, form, form, in->zone);
	set_code(ev, form);
	ev->email = FIELDS_TEXT(form, "recipient");
	ev->message_id = address_unbracket(field_str_of(form, ids));
	ev->ts_ms = fields_time(form, "timestamp");
	ev->reason = field_str_of(form, texts);
	fields_smtp(ev, ev->reason);
	ev->user_agent = FIELDS_TEXT(form, "user-agent");
	ev->machine = fields_machine_agent(ev->user_agent);
	ev->campaign = field_str_of(form, campaigns);
	ev->tags = fields_tags(field_get(form, "tag"), in->zone);
	ev->metadata = legacy_variables(form, in);
}

/* An id alone is not enough: it is unique within a day, and an open and a click were seen to share
 * it. */
static struct slice
dedup_key(const struct normal *ev, struct slice token, msgpack_zone *zone)
{
	if (slice_eq(ev->event_id, token))
		return FIELDS_DEDUP(zone, slice_of("token"), ev->provider_event, token);
	return FIELDS_DEDUP(zone, ev->provider_event, ev->event_id, fields_number(ev->ts_ms, zone));
}

/* verify has read the timestamp. */
static struct proof
proof_of(const msgpack_object *block, struct slice token, msgpack_zone *zone)
{
	int64_t seconds = 0;

	header_seconds(fields_id(block, "timestamp", zone), &seconds);
	return (struct proof){token, (uint64_t)seconds * MS_PER_S};
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	const msgpack_object *block, *event;
	struct slice token;
	struct normal *ev;
	bool form;

	(void)source;
	if (!read_body(in, why))
		return false;
	block = signed_block(in);
	token = field_str(block, "token");
	form = block == &in->root;
	event = form ? &in->root : field_get(&in->root, "event-data");
	if (!event || event->type != MSGPACK_OBJECT_MAP)
		return error_set(why, "the body has no object event-data");
	ev = normals_add(out, in->zone);
	if (!ev)
		return error_set(why, "out of memory for an event");
	fields_name(ev, names, FIELDS_TEXT(event, "event"));
	(form ? read_form_event : read_json_event)(ev, event, in);
	ev->url = FIELDS_TEXT(event, "url");
	ev->ip = FIELDS_TEXT(event, "ip");
	ev->event_id = fields_or(ev->event_id, token);
	ev->dedup_key = dedup_key(ev, token, in->zone);
	ev->raw = *event;
	out->proof = proof_of(block, token, in->zone);
	return true;
}

const struct provider provider_mailgun = {
	.name = "mailgun",
	.title = "Mailgun",
	.scheme = "hmac",
	.bad_signature = 406,
	.verify = verify,
	.normalise = normalise,
};
