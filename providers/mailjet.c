/* mailjet - events of Mailjet (Event API).
 *
 * Proof: basic auth in the URL; nothing is signed, so there is no age to judge.
 * Body: an array of the last second's events, types mixed ("group events", Version 2), or one
 * object; the parse API's one, a mail that came in, has no name.
 * Traps: `sent` says that the receiver took the mail, which is our delivered; MessageID is an
 * int64 beyond 2^53, which a double would round; there is no event id, so the key is composed;
 * `Payload` is a text that may hold JSON.
 * Answers: 200 only; all else is sent again every 30 s for 24 h, then the URL is suspended.
 * Source: mailjet/api-documentation, _event-api.md. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "lib/base/address.h"
#include "scheme.h"

static const struct event_name names[] = {
	{"sent", "email_delivered", NULL},
	{"open", "email_opened", NULL},
	{"click", "email_clicked", NULL},
	{"bounce", "email_bounced", "soft"}, /* hard by hard_bounce, deferred when greylisted */
	{"blocked", "email_rejected", NULL},
	{"spam", "email_complained", NULL},
	{"unsub", "email_unsubscribed", NULL},
	{NULL, NULL, NULL},
};

/* The first that is not empty tells why. */
static const char *const reasons[] = {"error", "comment", "smtp_reply", "error_related_to", NULL};

/* Where a reply of the receiver's server may stand. */
static const char *const replies[] = {"smtp_reply", "comment", "error", NULL};

/* hard_bounce says that nothing more will be tried; whose fault it was stands in the error. */
static enum bounce_cause
hard(enum bounce_cause error, const msgpack_object *event)
{
	enum bounce_cause related;

	if (error == BOUNCE_TRYING)
		return BOUNCE_GIVEN_UP;
	if (error && error != BOUNCE_NO_WORD)
		return error;
	related = bounce_word("mailjet", "error_related_to", field_str(event, "error_related_to"));
	return related && related != BOUNCE_NO_WORD ? related : BOUNCE_HARD;
}

/* What Mailjet itself did not send is told as it is; all else without hard_bounce is soft. */
static enum bounce_cause
soft(enum bounce_cause error)
{
	switch (error) {
	case BOUNCE_TRYING:
	case BOUNCE_SUPPRESSED:
	case BOUNCE_NOT_SENT:
	case BOUNCE_FAULT:
	case BOUNCE_FULL:
		return error;
	default:
		return BOUNCE_SOFT;
	}
}

static enum bounce_cause
bounce(const msgpack_object *event)
{
	const enum bounce_cause error = bounce_word("mailjet", "error", field_str(event, "error"));

	return fields_yes(event, "hard_bounce") ? hard(error, event) : soft(error);
}

/* The name that the sender gave, else Mailjet's number of it, which is 0 for none. */
static struct slice
campaign(const msgpack_object *event, msgpack_zone *zone)
{
	const struct slice name = FIELDS_TEXT(event, "customcampaign");
	const struct slice number = fields_id(event, "mj_campaign_id", zone);

	return fields_or(name, slice_is(number, "0") ? name : number);
}

static void
context(struct normal *ev, const msgpack_object *event, struct inbound *in)
{
	ev->url = FIELDS_TEXT(event, "url");
	ev->user_agent = FIELDS_TEXT(event, "agent");
	ev->machine = fields_machine_agent(ev->user_agent);
	ev->ip = FIELDS_TEXT(event, "ip");
	ev->campaign = campaign(event, in->zone);
	ev->tags = fields_tags(field_get(event, "customcampaign"), in->zone);
	ev->metadata = fields_metadata_json(field_get(event, "Payload"), in->json, in->zone);
}

static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	return FIELDS_DEDUP(zone, ev->provider_event, batch_id(ev->message_id, event, zone),
		ev->email, fields_number(ev->ts_ms, zone), ev->url);
}

/* A mail that came in, by the parse API. */
static bool
add_inbound(struct inbound *in, const msgpack_object *mail, struct normals *out)
{
	const struct slice recipient = FIELDS_TEXT(mail, "Recipient");
	struct normal *ev;

	if (!recipient.n || !FIELDS_TEXT(mail, "Sender").n)
		return false;
	ev = normals_add(out, in->zone);
	if (!ev)
		return false;
	fields_type(ev, "email_received", NULL);
	ev->provider_event = slice_of("parseapi");
	ev->email = recipient;
	ev->message_id = address_unbracket(FIELDS_TEXT(mail, "Headers", "Message-ID"));
	ev->ts_ms = fields_time(mail, "Date");
	ev->dedup_key =
		FIELDS_DEDUP(in->zone, ev->provider_event, fields_hash_object(mail, in->zone));
	ev->raw = *mail;
	return true;
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice name = FIELDS_TEXT(event, "event");
	struct normal *ev = name.n ? normals_add(out, in->zone) : NULL;
	const struct event_name *row;

	if (!name.n)
		return add_inbound(in, event, out);
	if (!ev)
		return false;
	row = fields_name(ev, names, name);
	if (row && row->bounce_class)
		ev->cause = bounce(event);
	ev->email = FIELDS_TEXT(event, "email");
	ev->message_id = fields_id(event, "MessageID", in->zone);
	ev->list = fields_id(event, "mj_list_id", in->zone);
	ev->ts_ms = fields_time(event, "time");
	ev->reason = field_str_of(event, reasons);
	for (const char *const *key = replies; *key; key++)
		fields_smtp(ev, field_str(event, *key));
	context(ev, event, in);
	ev->dedup_key = dedup_key(ev, event, in->zone);
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

const struct provider provider_mailjet = {
	.name = "mailjet",
	.title = "Mailjet",
	.scheme = "basic",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
