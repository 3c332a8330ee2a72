/* brevo - transactional and contact events of Brevo (once Sendinblue).
 *
 * Proof: basic auth in the URL, a bearer token, or a header of one's own; nothing is signed, so
 * there is no age to judge.
 * Body: one object, or an array of up to 500 with `batched: true`.
 * Traps: `id` is the webhook's, not the event's, so the key is composed; `ts_epoch` is in ms, but
 * in seconds in some payloads; `date` is local time of no named zone; `tag` is a text, JSON in a
 * text, or an array; `sending_ip` is Brevo's, not the reader's; list events have an array of
 * addresses, changes of contacts a list `content`. Two bodies have no name: `items`, mail that came
 * in, and text messages (`msg_status`).
 * Answers: 429 for trouble of ours, for all other 4xx, and by newer texts 5xx too, are final;
 * again after 10 min, 1, 2 and 8 h.
 * Source: developers.brevo.com, transactional-webhooks, batch-webhooks, secured-webhooks,
 * retry-mechanism. */
#include "batch.h"
#include "fields.h"
#include "lib/base/address.h"
#include "scheme.h"

static const struct event_name names[] = {
	{"request", "email_accepted", NULL},
	{"delivered", "email_delivered", NULL},
	{"deferred", "email_deferred", NULL},
	{"soft_bounce", "email_bounced", "soft"},
	{"hard_bounce", "email_bounced", "hard"},
	{"blocked", "email_rejected", NULL},
	{"invalid_email", "email_rejected", NULL},
	{"error", "email_failed", NULL},
	{"spam", "email_complained", NULL},
	{"complaint", "email_complained", NULL},
	{"opened", "email_opened", NULL},
	{"unique_opened", "email_opened", NULL},
	{"proxy_open", "email_opened", NULL},
	{"unique_proxy_open", "email_opened", NULL},
	{"click", "email_clicked", NULL},
	{"unsubscribe", "email_unsubscribed", NULL},
	{"unsubscribed", "email_unsubscribed", NULL},
	{"list_addition", "system_notice", NULL}, /* an operator or an import: no consent */
	{"reply", "email_replied", NULL},
	{"unique_coupon_sent", "unknown", NULL},
	{"contact_updated", "system_notice", NULL},
	{"contact_deleted", "system_notice", NULL},
	{NULL, NULL, NULL},
};

/* The first that is there tells when. */
static const char *const times[] = {"ts_epoch", "ts_event", "ts", NULL};

/* Of a transactional mail and of a campaign's. */
static const char *const links[] = {"link", "URL", NULL};

/* The first of a list; NULL for none. */
static const msgpack_object *
first(const msgpack_object *list)
{
	if (!list || list->type != MSGPACK_OBJECT_ARRAY || !list->via.array.size)
		return NULL;
	return &list->via.array.ptr[0];
}

static int64_t
event_time(const msgpack_object *event)
{
	int64_t ms = 0;

	for (const char *const *key = times; *key && !ms; key++)
		ms = fields_time(event, *key);
	return ms;
}

static bool
opened_by_machine(const struct normal *ev)
{
	return slice_is(ev->provider_event, "proxy_open") ||
	       slice_is(ev->provider_event, "unique_proxy_open") ||
	       fields_machine_agent(ev->user_agent);
}

static void
labels(struct normal *ev, const msgpack_object *event, struct inbound *in)
{
	ev->tags = fields_tags(field_get(event, "tags"), in->zone);
	if (ev->tags.type == MSGPACK_OBJECT_NIL)
		ev->tags = fields_tags_json(field_get(event, "tag"), in->json, in->zone);
	ev->metadata =
		fields_metadata_json(field_get(event, "X-Mailin-custom"), in->json, in->zone);
	ev->campaign = fields_or(
		FIELDS_TEXT(event, "campaign name"), fields_id(event, "camp_id", in->zone));
}

static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	return FIELDS_DEDUP(zone, fields_act(ev->provider_event, zone),
		batch_id(ev->message_id, event, zone), ev->email, fields_number(ev->ts_ms, zone),
		ev->url);
}

/* An address, or a map (of `content`) that has one. */
static struct slice
address_of(const msgpack_object *who)
{
	return fields_or(object_str(who), FIELDS_TEXT(who, "email"));
}

/* A change of a contact tells an opt-out in its `content`. */
static bool
opts_out(const msgpack_object *event, const msgpack_object *who)
{
	if (!slice_is(field_str(event, "event"), "contact_updated"))
		return false;
	if (!who || who->type != MSGPACK_OBJECT_MAP)
		who = first(field_get(event, "content"));
	return field_bool(who, "emailBlacklist", false);
}

/* One event for one address: a text, or a map of `content`. */
static bool
add(struct inbound *in, const msgpack_object *event, const msgpack_object *who, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);

	if (!ev)
		return false;
	fields_name(ev, names, field_str(event, "event"));
	if (opts_out(event, who))
		fields_type(ev, "email_unsubscribed", NULL);
	ev->email = address_of(who);
	ev->message_id = address_unbracket(field_str(event, "message-id"));
	ev->ts_ms = event_time(event);
	ev->reason = FIELDS_TEXT(event, "reason");
	fields_smtp(ev, ev->reason);
	ev->url = field_str_of(event, links);
	ev->user_agent = FIELDS_TEXT(event, "user_agent");
	ev->machine = opened_by_machine(ev);
	labels(ev, event, in);
	ev->dedup_key = dedup_key(ev, event, in->zone);
	ev->raw = *event;
	return true;
}

/* A mail that came in. */
static bool
add_inbound(struct inbound *in, const msgpack_object *item, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);

	if (!ev)
		return false;
	fields_type(ev, "email_received", NULL);
	ev->provider_event = slice_of("inboundEmailProcessed");
	ev->email = fields_or(FIELDS_TEXT(first(field_get(item, "To")), "Address"),
		object_str(first(field_get(item, "Recipients"))));
	ev->event_id = object_str(first(field_get(item, "Uuid")));
	ev->message_id = address_unbracket(FIELDS_TEXT(item, "MessageId"));
	ev->ts_ms = fields_time(item, "SentAtDate");
	ev->dedup_key =
		FIELDS_DEDUP(in->zone, ev->provider_event, batch_id(ev->event_id, item, in->zone));
	ev->raw = *item;
	return true;
}

/* What became of a text message: kept, and about no mail. */
static bool
add_sms(struct inbound *in, const msgpack_object *event, struct slice status, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);

	if (!ev)
		return false;
	ev->provider_event = status;
	ev->message_id = fields_id(event, "messageId", in->zone);
	ev->ts_ms = event_time(event);
	ev->reason = FIELDS_TEXT(event, "description");
	ev->dedup_key = FIELDS_DEDUP(in->zone, slice_of("sms"), status,
		batch_id(ev->message_id, event, in->zone), fields_number(ev->ts_ms, in->zone));
	ev->raw = *event;
	return true;
}

static bool
read_nameless(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const msgpack_object *items = field_get(event, "items");
	const struct slice sms = FIELDS_TEXT(event, "msg_status");
	bool ok = true;

	if (sms.n)
		return add_sms(in, event, sms, out);
	if (!first(items))
		return false;
	for (uint32_t i = 0; i < items->via.array.size; i++) {
		const msgpack_object *item = &items->via.array.ptr[i];

		ok = item->type == MSGPACK_OBJECT_MAP && add_inbound(in, item, out) && ok;
	}
	return ok;
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const msgpack_object *who = field_get(event, "email");
	bool ok = true;

	if (!FIELDS_TEXT(event, "event").n)
		return read_nameless(in, event, out);
	if (!who)
		who = field_get(event, "content");
	if (!first(who))
		return add(in, event, who, out);
	if (!batch_shared(in, event, who->via.array.size, out))
		return true;
	for (uint32_t i = 0; i < who->via.array.size; i++) {
		const msgpack_object *one = &who->via.array.ptr[i];

		ok = address_of(one).n && add(in, event, one, out) && ok;
	}
	return ok;
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	return scheme_credentials(source, in, NULL, why);
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_brevo = {
	.name = "brevo",
	.title = "Brevo",
	.scheme = "basic",
	.tokens = true,
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
