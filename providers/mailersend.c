/* mailersend - activity and account events of MailerSend.
 *
 * Proof: `Signature`, the bare hex of HMAC-SHA256 over the raw body; no time is signed, so there
 * is no age to judge. The raw body has PHP's `\/`, which a body parsed and written again has not.
 * The ping sent when a webhook is saved is signed with a secret that MailerSend publishes: taken for
 * the ping alone, of which no event is made.
 * Body: one object {type, created_at, data}; the event itself is `data`, whose `created_at` is
 * the event's (the outer one is the webhook's). Version 1 is nested (`data.email.recipient.email`,
 * `data.morph`), version 2 flat (`data.recipient` or `data.email`, `data.message_id`, `data.meta`);
 * version 1 ends on 2026-12-01.
 * Traps: one act is told twice under one `data.id`, as clicked and clicked_unique; `morph` and `tags`
 * may be null, `meta` [].
 * Answers: 2xx; 4xx but 429 is final, all else again with back-off for about 3 days.
 * Source: developers.mailersend.com, webhooks and inbound routing; mailersend.com, what's new,
 * webhooks v2. */
#include "batch.h"
#include "fields.h"
#include "known_keys.h"
#include "scheme.h"
#include "source.h"

enum { PING_MAX = 4096, MAC_LEN = 32 };

static const char SIGNATURE[] = "Signature";

static const struct event_name names[] = {
	{"activity.sent", "email_accepted", NULL},
	{"activity.delivered", "email_delivered", NULL},
	{"activity.deferred", "email_deferred", NULL},
	{"activity.soft_bounced", "email_bounced", "soft"},
	{"activity.hard_bounced", "email_bounced", "hard"},
	{"activity.opened", "email_opened", NULL},
	{"activity.opened_unique", "email_opened", NULL},
	{"activity.clicked", "email_clicked", NULL},
	{"activity.clicked_unique", "email_clicked", NULL},
	{"activity.unsubscribed", "email_unsubscribed", NULL},
	{"activity.spam_complaint", "email_complained", NULL},
	{"activity.rejected", "email_rejected", NULL},
	{"inbound.message", "email_received", NULL},
	{"inbound_message.rejected", "system_notice", NULL},
	{"inbound_forward.failed", "system_error", NULL},
	{"webhook.test", "system_notice", NULL},
	{"activity.survey_opened", "system_notice", NULL},
	{"activity.survey_submitted", "system_notice", NULL},
	{"survey_opened", "system_notice", NULL},
	{"survey_submitted", "system_notice", NULL},
	{"recipient.on_hold_added", "system_notice", NULL},
	{"recipient.on_hold_removed", "system_notice", NULL},
	{"email_single.verified", "system_notice", NULL},
	{"email_list.verified", "system_notice", NULL},
	{"bulk_email.completed", "system_notice", NULL},
	{"sender_identity.verified", "system_account_status", NULL},
	{"maintenance.start", "system_maintenance", NULL},
	{"maintenance.end", "system_maintenance", NULL},
	{"activity.survey_*", "system_notice", NULL},
	{"survey_*", "system_notice", NULL},
	{"sender_identity.*", "system_account_status", NULL},
	{"maintenance.*", "system_maintenance", NULL},
	{NULL, NULL, NULL},
};

/* Of an inbound mail: the first address it was taken for. */
static struct slice
inbound_recipient(const msgpack_object *data)
{
	const msgpack_object *list = FIELDS_AT(data, "recipients", "rcptTo");

	if (!list || list->type != MSGPACK_OBJECT_ARRAY || !list->via.array.size)
		list = FIELDS_AT(data, "recipients", "to", "data");
	if (!list || list->type != MSGPACK_OBJECT_ARRAY || !list->via.array.size)
		return (struct slice){NULL, 0};
	return FIELDS_TEXT(&list->via.array.ptr[0], "email");
}

/* Of version 1, else of version 2. */
static struct slice
recipient(const msgpack_object *data)
{
	return fields_or(FIELDS_TEXT(data, "email", "recipient", "email"),
		fields_or(FIELDS_TEXT(data, "recipient"), FIELDS_TEXT(data, "email")));
}

static void
what_and_who(struct normal *ev, const msgpack_object *event, const msgpack_object *data)
{
	ev->email = fields_or(recipient(data), inbound_recipient(data));
	ev->event_id = FIELDS_TEXT(data, "id");
	ev->message_id = fields_or(
		FIELDS_TEXT(data, "email", "message", "id"), FIELDS_TEXT(data, "message_id"));
	ev->ts_ms = fields_time(data, "created_at");
	if (!ev->ts_ms)
		ev->ts_ms = fields_time(event, "created_at");
}

/* What MailerSend hangs on to an activity (a click, an open, a bounce, a complaint): `morph`, in
 * version 2 `meta`. */
static void
circumstances(struct normal *ev, const msgpack_object *data)
{
	const msgpack_object *v1 = field_get(data, "morph");
	const msgpack_object *morph = v1 ? v1 : field_get(data, "meta");

	ev->reason = fields_or(FIELDS_TEXT(morph, "readable_reason"), FIELDS_TEXT(morph, "reason"));
	fields_smtp(ev, FIELDS_TEXT(morph, "reason"));
	fields_smtp(ev, ev->reason);
	ev->url = FIELDS_TEXT(morph, "url");
	ev->ip = FIELDS_TEXT(morph, "ip");
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice type = FIELDS_TEXT(event, "type");
	const msgpack_object *data = field_get(event, "data");
	const msgpack_object *tags = FIELDS_AT(data, "email", "tags");
	struct normal *ev = type.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	fields_name(ev, names, type);
	what_and_who(ev, event, data);
	circumstances(ev, data);
	ev->tags = fields_tags(tags ? tags : field_get(data, "tags"), in->zone);
	ev->dedup_key = FIELDS_DEDUP(
		in->zone, fields_act(type, in->zone), batch_id(ev->event_id, event, in->zone));
	ev->raw = *event;
	return true;
}

static bool
is_ping(const msgpack_object *body)
{
	return slice_is(FIELDS_TEXT(body, "type"), "webhook.test");
}

/* By the published secret nothing but the ping is proved, and a short one. */
static bool
pings(struct provider_source *source, struct inbound *in)
{
	const char *own = source->options.header;
	const struct slice text = header_value(in->headers, own ? own : SIGNATURE);
	unsigned char mac[MAC_LEN];

	return in->body.n <= PING_MAX && decode_hex(text, mac, sizeof mac) &&
	       known_key_signed(source, KEY_HMAC_SHA256, &in->body, 1,
		       (struct slice){(char *)mac, sizeof mac}) &&
	       batch_body(in, NULL) && is_ping(&in->root);
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	const enum check_step step = scheme_hmac_hex(source, in, SIGNATURE, "", why);

	in->ping = step == CHECK_SIGNATURE && pings(source, in);
	return in->ping ? CHECK_ACCEPTED : step;
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_mailersend = {
	.name = "mailersend",
	.title = "MailerSend",
	.scheme = "hmac",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
