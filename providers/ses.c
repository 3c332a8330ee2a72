/* ses - events and feedback notifications of Amazon SES, as they come through SNS (sns.h).
 *
 * Body: one SNS envelope; its Message is a text that holds one SES object, which may be about
 * several recipients: each becomes an event. Event publishing names it `eventType`, feedback
 * notifications `notificationType`, else they read the same. Messages that hold none
 * ("Successfully validated SNS topic ...") and the (un)subscription of the topic itself are
 * system events.
 * Times: signed is the envelope's Timestamp, the same on every retry; SNS tries for 3600 s at
 * most, so some hours are allowed. The event's own time stands in its object, else with the mail.
 * Traps: two recipients share the SNS MessageId; an open or a click is told of a message, not of one of
 * its recipients; a bounce of a suppressed address was never sent;
 * a report of `not-spam` is no complaint.
 * Answers: SNS takes a 4xx for delivered and loses the message; only 5xx and time-outs are sent
 * again.
 * Source: amazon-ses-developer-guide, event-publishing-retrieving-sns-contents and
 * notification-contents; amazon-sns-developer-guide. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "notice.h"
#include "scheme.h"
#include "sns.h"

enum { TOPICS_MAX = 100 };

struct ses_event {
	const char *name, *type;
	const char *object;     /* key of the event's own object */
	const char *recipients; /* key in it: texts, or maps with emailAddress */
	const char *reason[3];  /* keys in it, joined, where the recipient has no diagnosticCode */
};

/* Without recipients of its own an event is about mail.destination. */
static const struct ses_event events[] = {
	{"Send", "email_accepted", "send", NULL, {0}},
	{"Delivery", "email_delivered", "delivery", "recipients", {"smtpResponse"}},
	{"DeliveryDelay", "email_deferred", "deliveryDelay", "delayedRecipients", {"delayType"}},
	{"Bounce", "email_bounced", "bounce", "bouncedRecipients", {"bounceType", "bounceSubType"}},
	{"Complaint", "email_complained", "complaint", "complainedRecipients",
		{"complaintFeedbackType"}},
	{"Reject", "email_rejected", "reject", NULL, {"reason"}},
	{"Rendering Failure", "email_failed", "failure", NULL, {"errorMessage"}},
	{"Open", "email_opened", "open", NULL, {0}},
	{"Click", "email_clicked", "click", NULL, {0}},
	{"Subscription", "email_subscribed", "subscription", NULL, {0}}, /* or unsubscribed */
	{"Received", "email_received", "receipt", "recipients", {0}},
	{"AmazonSnsSubscriptionSucceeded", "system_notice", "", NULL, {0}},
};

/* What is the same for all events of one message. */
struct ses_message {
	struct inbound *in;
	const msgpack_object *root; /* the SES object */
	const msgpack_object *mail, *object;
	const struct ses_event *row; /* NULL for an unknown name */
	struct slice name;
	struct slice sns_id;
	int64_t sns_ms;
	bool several; /* it is about one of several, and does not say of whom */
};

static bool
is(const struct ses_message *msg, const char *name)
{
	return msg->row && slice_is(msg->name, name);
}

/* A report of a kind that nobody knows is a complaint only if its feedback says so; one for an
 * address on the account's list is none, for SES sent nothing. */
static enum bounce_cause
complaint(struct normal *ev, const msgpack_object *object, msgpack_zone *zone)
{
	const enum bounce_cause sub = bounce_word_of(
		ev, "ses", "complaintSubType", field_str(object, "complaintSubType"), zone);
	const enum bounce_cause feedback = bounce_word(
		"ses", "complaintFeedbackType", field_str(object, "complaintFeedbackType"));

	if (sub && sub != BOUNCE_NO_WORD)
		return sub;
	if (feedback && feedback != BOUNCE_NO_WORD)
		return feedback;
	return sub ? BOUNCE_NO_REPORT : BOUNCE_COMPLAINT;
}

/* The status of a topic by its name, in preferences; absent when it is not there, or stands behind
 * more topics than a list of Amazon's has. */
static struct slice
topic_status(const msgpack_object *preferences, struct slice topic)
{
	const msgpack_object *list = field_get(preferences, "topicSubscriptionStatus");

	if (!list || list->type != MSGPACK_OBJECT_ARRAY)
		return (struct slice){NULL, 0};
	for (uint32_t i = 0; i < list->via.array.size && i < TOPICS_MAX; i++)
		if (slice_eq(field_str(&list->via.array.ptr[i], "topicName"), topic))
			return field_str(&list->via.array.ptr[i], "subscriptionStatus");
	return (struct slice){NULL, 0};
}

/* The topics that have this status now and had not before; *first: the first of them. */
static size_t
topics_turned(const msgpack_object *now, const msgpack_object *before, const char *status,
	struct slice *first)
{
	const msgpack_object *list = field_get(now, "topicSubscriptionStatus");
	size_t n = 0;

	*first = (struct slice){NULL, 0};
	if (!list || list->type != MSGPACK_OBJECT_ARRAY)
		return 0;
	for (uint32_t i = 0; i < list->via.array.size; i++) {
		const msgpack_object *topic = &list->via.array.ptr[i];
		const struct slice name = FIELDS_TEXT(topic, "topicName");

		if (!slice_is(field_str(topic, "subscriptionStatus"), status) ||
			slice_is(topic_status(before, name), status))
			continue;
		*first = n++ ? *first : name;
	}
	return n;
}

/* Where both left and joined something, the leaving counts: mail not wanted is the greater harm. So
 * several topics left are all mail, several joined are one of them; and what says neither joins a
 * topic that nobody has left. */
static void
subscription(struct normal *ev, const msgpack_object *object)
{
	const msgpack_object *now = field_get(object, "newTopicPreferences");
	const msgpack_object *before = field_get(object, "oldTopicPreferences");
	struct slice left, joined;
	const size_t lefts = topics_turned(now, before, "OptOut", &left);

	topics_turned(now, before, "OptIn", &joined);
	if (field_bool(now, "unsubscribeAll", false) || lefts) {
		fields_type(ev, "email_unsubscribed", NULL);
		if (lefts == 1 && !field_bool(now, "unsubscribeAll", false))
			ev->list = left;
	} else if (!field_bool(before, "unsubscribeAll", false)) {
		ev->list = fields_or(joined, slice_of("?"));
	}
}

static void
set_type(struct normal *ev, const struct ses_message *msg)
{
	ev->provider_event = msg->name;
	fields_type(ev, msg->row ? msg->row->type : "unknown", NULL);
	if (!msg->row)
		ev->unknown_kind = msg->name;
	if (is(msg, "Bounce"))
		ev->cause = bounce_amazon(ev, field_str(msg->object, "bounceType"),
			field_str(msg->object, "bounceSubType"), msg->in->zone);
	else if (is(msg, "Subscription"))
		subscription(ev, msg->object);
	else if (is(msg, "Complaint"))
		ev->cause = complaint(ev, msg->object, msg->in->zone);
}

static int64_t
event_time(const struct ses_message *msg)
{
	int64_t ms = fields_time(msg->object, "timestamp");

	if (!ms)
		ms = fields_time(msg->mail, "timestamp");
	return ms ? ms : msg->sns_ms;
}

static struct slice
reason(const struct ses_message *msg, const msgpack_object *recipient)
{
	struct slice text = FIELDS_TEXT(recipient, "diagnosticCode");

	if (text.n || !msg->row)
		return text;
	for (const char *const *key = msg->row->reason; *key; key++)
		text = fields_join(text, FIELDS_TEXT(msg->object, *key), msg->in->zone);
	return text;
}

static void
reader(struct normal *ev, const struct ses_message *msg)
{
	ev->url = FIELDS_TEXT(msg->object, "link");
	ev->user_agent = FIELDS_TEXT(msg->object, "userAgent");
	ev->ip = FIELDS_TEXT(msg->object, "ipAddress");
	ev->machine = (is(msg, "Open") || is(msg, "Click")) && fields_machine_agent(ev->user_agent);
}

/* A bounce or complaint has an id of its own, the same in event publishing and in feedback
 * notifications, so that a source subscribed to both counts it once. */
static struct slice
dedup_key(const struct normal *ev, const struct ses_message *msg)
{
	const struct slice id = fields_or(FIELDS_TEXT(msg->object, "feedbackId"), msg->sns_id);

	return FIELDS_DEDUP(
		msg->in->zone, msg->name, batch_id(id, msg->root, msg->in->zone), ev->email);
}

/* One event; recipient: a text, a map with emailAddress, or NULL for nobody. */
static bool
add(const struct ses_message *msg, const msgpack_object *recipient, struct normals *out)
{
	struct normal *ev = normals_add(out, msg->in->zone);

	if (!ev)
		return false;
	set_type(ev, msg);
	ev->email = fields_or(object_str(recipient), field_str(recipient, "emailAddress"));
	ev->anonymous = msg->several;
	ev->event_id = msg->sns_id;
	ev->message_id = FIELDS_TEXT(msg->mail, "messageId");
	ev->ts_ms = event_time(msg);
	ev->reason = reason(msg, recipient);
	ev->smtp_enhanced = smtp_enhanced(FIELDS_TEXT(recipient, "status"));
	fields_smtp(ev, ev->reason);
	reader(ev, msg);
	ev->metadata = fields_metadata(field_get(msg->mail, "tags"));
	ev->dedup_key = dedup_key(ev, msg);
	ev->raw = *msg->root;
	return true;
}

static uint32_t
length(const msgpack_object *list)
{
	return list && list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
}

/* Those whom the event names itself. */
static const msgpack_object *
named(const struct ses_message *msg)
{
	const msgpack_object *list = NULL;

	if (msg->row && msg->row->recipients)
		list = field_get(msg->object, msg->row->recipients);
	return length(list) ? list : NULL;
}

/* Of several to whom the mail went nobody knows who opened it, bounced or complained. */
static bool
is_of_several(const struct ses_message *msg)
{
	return !named(msg) && length(field_get(msg->mail, "destination")) > 1 &&
	       (!msg->row || notice_is_act(slice_of(msg->row->type)));
}

/* Else what the event says holds for all to whom the mail went. */
static const msgpack_object *
recipients(const struct ses_message *msg)
{
	const msgpack_object *list = named(msg);

	if (!list && !msg->several)
		list = field_get(msg->mail, "destination");
	return length(list) ? list : NULL;
}

static bool
names_somebody(const msgpack_object *recipient)
{
	return object_str(recipient).n || field_str(recipient, "emailAddress").n;
}

static void
add_all(const struct ses_message *msg, struct normals *out)
{
	const msgpack_object *list = recipients(msg);
	size_t lost;

	if (!batch_shared(msg->in, msg->root, length(list), out))
		return;
	lost = !list && !add(msg, NULL, out);
	for (uint32_t i = 0; list && i < list->via.array.size; i++) {
		const msgpack_object *recipient = &list->via.array.ptr[i];

		lost += !names_somebody(recipient) || !add(msg, recipient, out);
	}
	out->bad += lost;
	if (lost)
		normals_unread(out, msg->in->zone, out->count ? UNREAD_PART : UNREAD_NO_EVENT, 0,
			slice_of("a recipient without an address"));
}

static void
read_ses(struct inbound *in, const msgpack_object *root, struct slice sns_id, int64_t sns_ms,
	struct normals *out)
{
	struct ses_message msg = {.in = in, .root = root, .sns_id = sns_id, .sns_ms = sns_ms};

	msg.name = fields_or(FIELDS_TEXT(root, "eventType"), FIELDS_TEXT(root, "notificationType"));
	msg.mail = field_get(root, "mail");
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		if (slice_is(msg.name, events[i].name))
			msg.row = &events[i];
	if (msg.row)
		msg.object = field_get(root, msg.row->object);
	msg.several = is_of_several(&msg);
	add_all(&msg, out);
}

/* What SNS says itself, or passes on from others than SES. */
static bool
add_envelope(const struct sns_envelope *envelope, const char *type, struct inbound *in,
	struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);

	if (!ev)
		return false;
	fields_type(ev, type, NULL);
	ev->provider_event = envelope->type_name;
	ev->event_id = envelope->message_id;
	ev->ts_ms = envelope->ts_ms;
	ev->dedup_key = FIELDS_DEDUP(in->zone, envelope->type_name, envelope->message_id);
	ev->raw = in->root;
	return true;
}

static bool
is_ses(const msgpack_object *root)
{
	return FIELDS_TEXT(root, "eventType").n || FIELDS_TEXT(root, "notificationType").n;
}

/* An object that is not of SES is unknown; a text is SNS, or a person trying the topic out. */
static bool
read_notification(struct inbound *in, const struct sns_envelope *envelope, struct normals *out)
{
	msgpack_object *root = msgpack_zone_malloc(in->zone, sizeof *root);
	bool object;

	if (!root)
		return false;
	object = json_read(in->json, envelope->message, in->zone, root, NULL) &&
		 root->type == MSGPACK_OBJECT_MAP;
	if (object && is_ses(root)) {
		read_ses(in, root, envelope->message_id, envelope->ts_ms, out);
		return true;
	}
	object = object || slice_starts(envelope->message, "{");
	return add_envelope(envelope, object ? "unknown" : "system_notice", in, out);
}

static bool
read_raw(struct inbound *in, struct normals *out, struct error *why)
{
	if (!is_ses(&in->root))
		return error_set(why, "body: raw delivery of something else than an SES event");
	read_ses(in, &in->root, header_value(in->headers, "x-amz-sns-message-id"), 0, out);
	return true;
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	struct sns_envelope envelope;
	bool ok;

	(void)source;
	if (!batch_body(in, why))
		return false;
	if (sns_is_raw(in->headers))
		return read_raw(in, out, why);
	if (sns_read(&in->root, &envelope, why) != CHECK_ACCEPTED)
		return false;
	ok = envelope.type == SNS_NOTIFICATION ? read_notification(in, &envelope, out)
					       : add_envelope(&envelope, "system_notice", in, out);
	if (envelope.type == SNS_SUBSCRIBE)
		out->confirm_url = envelope.subscribe_url;
	return ok || error_set(why, "out of memory for an SNS message");
}

const struct provider provider_ses = {
	.name = "ses",
	.title = "Amazon SES through SNS",
	.scheme = "sns",
	.bad_signature = 401,
	.verify = sns_verify,
	.normalise = normalise,
};
