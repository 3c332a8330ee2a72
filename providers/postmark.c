/* postmark - events of Postmark (modular webhooks, and inbound mail).
 *
 * Proof: basic auth in the URL or set as HttpAuth, or a header of one's own; nothing is signed, so
 * there is no age to judge. Body: one JSON object; with IncludeContent the whole bounced mail is in
 * it. Traps: what a bounce means stands in `Type` (TypeCode differs between pages); MessageID is
 * the message's, many events share it, and a bounce and a complaint may share their ID; times have
 * 7 fraction digits and a zone; X-PM-Webhook-Trace-Id, the same over retries, is still new.
 * Answers: 200; 403 stops, and soon any 4xx will, so our own trouble must be a 5xx.
 * Source: ActiveCampaign/postmark-skills and its PR 6; payloads of anymail/django-anymail and of
 * symfony/symfony's mailer bridge. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "scheme.h"

static const struct event_name records[] = {
	{"Delivery", "email_delivered", NULL},
	{"Bounce", "email_bounced", "undetermined"}, /* by Type */
	{"SpamComplaint", "email_complained", NULL},
	{"Open", "email_opened", NULL},
	{"Click", "email_clicked", NULL},
	{"SubscriptionChange", "email_unsubscribed", NULL}, /* by SuppressSending and its reason */
	{"Inbound", "email_received", NULL},
	{"SMTPApiError", "email_failed", NULL},
	{NULL, NULL, NULL},
};

static const char *const recipients[] = {"Recipient", "Email", "OriginalRecipient", "To", NULL};
static const char *const times[] = {"DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt", NULL};
static const char *const reasons[] = {"Details", "Description", NULL};

/* Inbound mail is the one body without a RecordType. */
static struct slice
record_type(const msgpack_object *event)
{
	const struct slice name = FIELDS_TEXT(event, "RecordType");

	return name.n || !field_get(event, "FromFull") ? name : slice_of("Inbound");
}

/* Of a reason that nobody knows no more is known than that the stream suppresses. */
static enum bounce_cause
suppression(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	const enum bounce_cause why = bounce_word_of(
		ev, "postmark", "SuppressionReason", field_str(event, "SuppressionReason"), zone);

	return why == BOUNCE_NO_WORD ? BOUNCE_NOTICE : why;
}

static void
name_event(struct normal *ev, const msgpack_object *event, struct slice record, msgpack_zone *zone)
{
	fields_name(ev, records, record);
	if (slice_is(record, "Bounce"))
		ev->cause = bounce_word_of(ev, "postmark", "Type", field_str(event, "Type"), zone);
	else if (!slice_is(record, "SubscriptionChange"))
		return;
	else if (field_bool(event, "SuppressSending", true))
		ev->cause = suppression(ev, event, zone);
	else if (slice_is(field_str(event, "Origin"), "Recipient"))
		fields_type(ev, "email_subscribed", NULL);
	else
		fields_type(ev, "system_notice", NULL); /* Customer, Admin: the sender's own act */
}

static int64_t
event_time(const msgpack_object *event)
{
	int64_t ms = 0;

	for (const char *const *key = times; *key && !ms; key++)
		ms = fields_time(event, *key);
	return ms;
}

/* A complaint may be told as a record of its own and as a bounce of that type, under one ID. */
static struct slice
act(struct slice record, const msgpack_object *event)
{
	const struct slice type = field_str(event, "Type");
	const bool complaint = slice_is(record, "Bounce") && slice_is(type, "SpamComplaint");

	return complaint ? type : record;
}

/* Bounces and complaints have an ID; the others at best the delivery attempt's. */
static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, const struct inbound *in)
{
	const struct slice record = ev->provider_event;
	const struct slice trace = header_value(in->headers, "X-PM-Webhook-Trace-Id");

	if (ev->event_id.n)
		return FIELDS_DEDUP(in->zone, act(record, event), ev->event_id);
	if (trace.n)
		return FIELDS_DEDUP(in->zone, slice_of("trace"), trace);
	return FIELDS_DEDUP(in->zone, record, batch_id(ev->message_id, event, in->zone), ev->email,
		fields_number(ev->ts_ms, in->zone), ev->url);
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice record = record_type(event);
	struct normal *ev = record.n ? normals_add(out, in->zone) : NULL;

	if (!ev)
		return false;
	name_event(ev, event, record, in->zone);
	ev->email = field_str_of(event, recipients);
	ev->event_id = fields_id(event, "ID", in->zone);
	ev->message_id = FIELDS_TEXT(event, "MessageID");
	ev->list = FIELDS_TEXT(event, "MessageStream");
	ev->ts_ms = event_time(event);
	ev->reason = field_str_of(event, reasons);
	fields_smtp(ev, field_str(event, "Details"));
	ev->url = FIELDS_TEXT(event, "OriginalLink");
	ev->user_agent = FIELDS_TEXT(event, "UserAgent");
	ev->machine = fields_machine_agent(ev->user_agent);
	ev->ip = FIELDS_TEXT(event, "Geo", "IP");
	ev->tags = fields_tags(field_get(event, "Tag"), in->zone);
	ev->metadata = fields_metadata(field_get(event, "Metadata"));
	ev->dedup_key = dedup_key(ev, event, in);
	ev->raw = *event;
	return true;
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

const struct provider provider_postmark = {
	.name = "postmark",
	.title = "Postmark",
	.scheme = "basic",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
