/* sparkpost - events of SparkPost (event webhooks and relay webhooks).
 *
 * Proof: basic auth, an OAuth 2 bearer token, or a header of its own (of old
 * X-MessageSystems-Webhook-Token); nothing is signed, so there is no age to judge.
 * Body: an array of {"msys": {<class>: {...}}}; {"msys": {}} is the ping that tries an endpoint
 * out. Traps: what a bounce means stands in bounce_class; the same event_id may come with another
 * type, and one open as two events; ids are texts, some integers beyond 2^53, some UUIDs; times are seconds as text, in some
 * classes ISO 8601; ip_address of a delivery is the receiver's host; rcpt_to is in lower case,
 * raw_rcpt_to as it was sent to. Answers: 200 only; all else is sent again, 12 times in 8 h. A
 * repeated batch keeps its X-MessageSystems-Batch-ID. Source: SparkPost/support-docs,
 * webhook-data-streams.md and bounce-classification-codes.md; developers.sparkpost.com,
 * webhooks.apib. */
#include "batch.h"
#include "bounce_words.h"
#include "fields.h"
#include "scheme.h"

static const struct event_name names[] = {
	{"injection", "email_accepted", NULL},
	{"delivery", "email_delivered", NULL},
	{"delay", "email_deferred", NULL},
	{"bounce", "email_bounced", "undetermined"},      /* by bounce_class */
	{"out_of_band", "email_bounced", "undetermined"}, /* by bounce_class */
	{"spam_complaint", "email_complained", NULL},
	{"policy_rejection", "email_rejected", NULL},
	{"generation_rejection", "email_rejected", NULL},
	{"generation_failure", "email_failed", NULL},
	{"open", "email_opened", NULL},
	{"initial_open", "email_opened", NULL},
	{"amp_open", "email_opened", NULL},
	{"amp_initial_open", "email_opened", NULL},
	{"click", "email_clicked", NULL},
	{"amp_click", "email_clicked", NULL},
	{"list_unsubscribe", "email_unsubscribed", NULL},
	{"link_unsubscribe", "email_unsubscribed", NULL},
	{"relay_message", "email_received", NULL},
	/* kept */
	{"relay_injection", "unknown", NULL},
	{"relay_delivery", "unknown", NULL},
	{"relay_tempfail", "unknown", NULL},
	{"relay_permfail", "unknown", NULL},
	{"relay_rejection", "unknown", NULL},
	{"ab_test_completed", "unknown", NULL},
	{"ab_test_cancelled", "unknown", NULL},
	{"success", "unknown", NULL}, /* of an ingest_event */
	{"error", "unknown", NULL},
	{NULL, NULL, NULL},
};

static const char *const recipients[] = {"raw_rcpt_to", "rcpt_to", NULL};
static const char *const reasons[] = {"raw_reason", "reason", NULL};

static bool
is_machine(const struct normal *ev, const msgpack_object *event)
{
	const msgpack_object *agent = field_get(event, "user_agent_parsed");

	return fields_yes(agent, "is_proxy") || fields_yes(agent, "is_prefetched") ||
	       fields_machine_agent(ev->user_agent);
}

/* In these the agent and the address are the recipient's. */
static const char *const engagements[] = {
	"email_opened", "email_clicked", "email_unsubscribed", NULL};

static bool
is_engagement(struct slice type)
{
	for (const char *const *name = engagements; *name; name++)
		if (slice_is(type, *name))
			return true;
	return false;
}

static void
engagement(struct normal *ev, const msgpack_object *event)
{
	ev->url = FIELDS_TEXT(event, "target_link_url");
	ev->user_agent = FIELDS_TEXT(event, "user_agent");
	ev->ip = FIELDS_TEXT(event, "ip_address");
	ev->machine = !slice_is(ev->type, "email_unsubscribed") && is_machine(ev, event);
}

static void
describe(struct normal *ev, const msgpack_object *event, msgpack_zone *zone)
{
	int64_t code;

	ev->reason = field_str_of(event, reasons);
	fields_smtp(ev, ev->reason);
	if (!ev->smtp_code && field_int(event, "error_code", &code) && code >= 200 && code < 600)
		ev->smtp_code = (uint64_t)code;
	ev->campaign = FIELDS_TEXT(event, "campaign_id");
	ev->tags = fields_tags(field_get(event, "rcpt_tags"), zone);
	ev->metadata = fields_metadata(field_get(event, "rcpt_meta"));
}

/* An open is told as open and, the first, as initial_open, each with an id of its own: what they share
 * makes their key. Relayed mail has no event_id: its own content makes its key. */
static struct slice
dedup_key(const struct normal *ev, const msgpack_object *event, const struct inbound *in)
{
	if (slice_is(ev->type, "email_opened") && ev->ts_ms && ev->message_id.n && ev->email.n)
		return FIELDS_DEDUP(in->zone, fields_act(ev->provider_event, in->zone),
			ev->message_id, ev->email, fields_number(ev->ts_ms, in->zone));
	if (ev->event_id.n)
		return FIELDS_DEDUP(in->zone, ev->event_id, ev->provider_event);
	return FIELDS_DEDUP(in->zone, ev->provider_event,
		header_value(in->headers, "X-MessageSystems-Batch-ID"),
		fields_hash_object(event, in->zone));
}

static bool
read_event(struct inbound *in, struct slice name, const msgpack_object *event, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);

	if (!ev)
		return false;
	fields_name(ev, names, name);
	if (slice_is(name, "bounce") || slice_is(name, "out_of_band"))
		ev->cause = bounce_word_of(ev, "sparkpost", "bounce_class",
			fields_id(event, "bounce_class", in->zone), in->zone);
	ev->email = field_str_of(event, recipients);
	ev->event_id = fields_id(event, "event_id", in->zone);
	ev->message_id = fields_or(fields_id(event, "transmission_id", in->zone),
		fields_id(event, "message_id", in->zone));
	ev->ts_ms = fields_time(event, "timestamp");
	describe(ev, event, in->zone);
	if (is_engagement(ev->type))
		engagement(ev, event);
	ev->dedup_key = dedup_key(ev, event, in);
	ev->raw = *event;
	return true;
}

/* One event a member; of two nobody could say which of them is meant. */
static bool
read_member(struct inbound *in, const msgpack_object *member, struct normals *out)
{
	const msgpack_object *msys = field_get(member, "msys");
	const msgpack_object_kv *only;
	struct slice name;

	if (!msys || msys->type != MSGPACK_OBJECT_MAP || msys->via.map.size > 1)
		return false;
	if (msys->via.map.size == 0)
		return true;
	only = &msys->via.map.ptr[0];
	name = slice_is(object_str(&only->key), "relay_message") ? object_str(&only->key)
								 : FIELDS_TEXT(&only->val, "type");
	if (only->val.type != MSGPACK_OBJECT_MAP || !name.n)
		return false;
	return read_event(in, name, &only->val, out);
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	return scheme_credentials(source, in, "X-MessageSystems-Webhook-Token", why);
}

static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_member);
}

const struct provider provider_sparkpost = {
	.name = "sparkpost",
	.title = "SparkPost",
	.scheme = "basic",
	.tokens = true,
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};
