/* resend - events of Resend (webhooks, delivered by Svix).
 *
 * Proof: Standard Webhooks v1 under Svix's names: HMAC-SHA256 over svix-id '.' svix-timestamp '.'
 * raw body, the key being the decoded base64 behind whsec_; old and new signatures stand in one
 * header while a secret changes. Every attempt is signed anew with a new time, so 300 s either way
 * are enough for retries of days.
 * Body: one event.
 * Traps: svix-id is the event's only id, the body has none; created_at at the top is the event's
 * time, in data that of the mail; `to` may hold names; tags are an object or an array of {name,
 * value}; a bounce by the suppression list was never sent; older bounces have a message alone.
 * Answers: any 2xx, 3xx fail; all else is sent again after 5 s, 5, 30 min, 2, 5, 10, 10 h.
 * Source: resend.com/docs, event-types and retries; docs.svix.com, retries; standard-webhooks. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "scheme.h"

static const struct event_name names[] = {
	{"email.sent", "email_accepted", NULL},
	{"email.scheduled", "email_accepted", NULL},
	{"email.delivered", "email_delivered", NULL},
	{"email.delivery_delayed", "email_deferred", NULL},
	{"email.bounced", "email_bounced", "undetermined"}, /* by bounce.type and .subType */
	{"email.suppressed", "email_rejected", NULL},
	{"email.failed", "email_failed", NULL},
	{"email.complained", "email_complained", NULL},
	{"email.opened", "email_opened", NULL},
	{"email.clicked", "email_clicked", NULL},
	{"email.received", "email_received", NULL},
	/* about the account, not about a mail */
	{"suppression.added", "system_notice", NULL},
	{"suppression.removed", "system_notice", NULL},
	{"contact.created", "system_notice", NULL},
	{"contact.updated", "system_notice", NULL},
	{"contact.deleted", "system_notice", NULL},
	{"domain.created", "system_notice", NULL},
	{"domain.updated", "system_notice", NULL},
	{"domain.deleted", "system_notice", NULL},
	{"suppression.*", "system_notice", NULL},
	{"contact.*", "system_notice", NULL},
	{"domain.*", "system_notice", NULL},
	{NULL, NULL, NULL},
};

/* Older bounces have a message alone. */
static enum bounce_cause
bounce(struct normal *ev, const msgpack_object *data, msgpack_zone *zone)
{
	const struct slice type = FIELDS_TEXT(data, "bounce", "type");
	const struct slice sub = FIELDS_TEXT(data, "bounce", "subType");
	const enum bounce_cause message =
		bounce_word("resend", "bounce.message", FIELDS_TEXT(data, "bounce", "message"));

	if (message == BOUNCE_SUPPRESSED || (!type.n && !sub.n))
		return message;
	return bounce_amazon(ev, type, sub, zone);
}

/* What the receiving servers answered; the first that has a code gives it. */
static void
answers(struct normal *ev, const msgpack_object *list)
{
	if (!list || list->type != MSGPACK_OBJECT_ARRAY)
		return;
	for (uint32_t i = 0; i < list->via.array.size; i++)
		fields_smtp(ev, object_str(&list->via.array.ptr[i]));
}

static void
reason(struct normal *ev, const msgpack_object *data)
{
	ev->reason = fields_or(FIELDS_TEXT(data, "bounce", "message"),
		fields_or(FIELDS_TEXT(data, "failed", "reason"),
			FIELDS_TEXT(data, "suppressed", "message")));
	answers(ev, FIELDS_AT(data, "bounce", "diagnosticCode"));
	fields_smtp(ev, FIELDS_TEXT(data, "bounce", "message"));
}

static void
engagement(struct normal *ev, const msgpack_object *data)
{
	const msgpack_object *click = field_get(data, "click");
	const msgpack_object *by = click ? click : field_get(data, "open");

	ev->url = FIELDS_TEXT(by, "link");
	ev->user_agent = FIELDS_TEXT(by, "userAgent");
	ev->ip = FIELDS_TEXT(by, "ipAddress");
	ev->machine = fields_machine_agent(ev->user_agent);
}

/* The first of `to`; of a contact, its own address. *several: of whom none is named. */
static struct slice
recipient(const msgpack_object *data, bool *several)
{
	const msgpack_object *to = field_get(data, "to");

	*several = to && to->type == MSGPACK_OBJECT_ARRAY && to->via.array.size > 1;
	if (to && to->type == MSGPACK_OBJECT_ARRAY)
		to = to->via.array.size ? &to->via.array.ptr[0] : NULL;
	return fields_or(object_str(to), FIELDS_TEXT(data, "email"));
}

/* [{name, value}, ...] as the map that newer events have. */
static msgpack_object
tags_of_list(const msgpack_object_array *list, msgpack_zone *zone)
{
	msgpack_object out = {.type = MSGPACK_OBJECT_MAP};

	out.via.map.ptr = msgpack_zone_malloc(zone, list->size * sizeof *out.via.map.ptr);
	for (uint32_t i = 0; out.via.map.ptr && i < list->size; i++) {
		const struct slice name = FIELDS_TEXT(&list->ptr[i], "name");
		const msgpack_object *value = field_get(&list->ptr[i], "value");

		if (name.n && value)
			out.via.map.ptr[out.via.map.size++] =
				(msgpack_object_kv){object_of_text(name), *value};
	}
	return fields_metadata(&out);
}

static msgpack_object
tags(const msgpack_object *value, msgpack_zone *zone)
{
	if (value && value->type == MSGPACK_OBJECT_ARRAY)
		return tags_of_list(&value->via.array, zone);
	return fields_metadata(value);
}

static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	if (ev->event_id.n)
		return FIELDS_DEDUP(zone, ev->event_id);
	return FIELDS_DEDUP(zone, ev->provider_event, fields_hash_object(event, zone));
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const msgpack_object *data = field_get(event, "data");
	const struct slice name = FIELDS_TEXT(event, "type");
	struct normal *ev = name.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	fields_name(ev, names, name);
	if (slice_is(name, "contact.updated") && field_bool(data, "unsubscribed", false))
		fields_type(ev, "email_unsubscribed", NULL); /* false may come of an import */
	if (slice_is(name, "email.bounced"))
		ev->cause = bounce(ev, data, in->zone);
	ev->email = recipient(data, &ev->anonymous);
	ev->event_id = scheme_standard_id(in);
	ev->message_id = FIELDS_TEXT(data, "email_id");
	ev->ts_ms = fields_time(event, "created_at");
	reason(ev, data);
	engagement(ev, data);
	ev->campaign = FIELDS_TEXT(data, "broadcast_id");
	ev->metadata = tags(field_get(data, "tags"), in->zone);
	ev->dedup_key = dedup_key(ev, event, in->zone);
	ev->raw = *event;
	return true;
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	return scheme_standard(source, in, why);
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

const struct provider provider_resend = {
	.name = "resend",
	.title = "Resend",
	.scheme = "standard-webhooks",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
