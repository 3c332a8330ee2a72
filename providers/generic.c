/* generic - any sender that follows one of the standards, and Trotline's own format.
 *
 * Proof: the source's scheme: X-Signature or GitHub style HMAC, Stripe style, Standard Webhooks v1
 * and v1a, basic auth, bearer token or secret header (scheme.h). GitHub itself signs with
 * X-Hub-Signature-256 and has no time (docs: validating webhook deliveries).
 * Body: events of the trotline format, {"event_type", "event_id", "timestamp", "data"}, one or an
 * array. Generic passes over what is none: a standard says who sent a body, not what it means, so
 * any bytes are a good request. The provider `trotline` demands the format; its times are judged
 * event by event, by whoever takes the events in. */
#include "batch.h"
#include "fields.h"
#include "scheme.h"

enum { TYPE_MAX = 128, ID_MAX = 512 };

static struct slice
short_text(const msgpack_object *map, const char *key, size_t max)
{
	const struct slice text = FIELDS_TEXT(map, key);

	return text.n <= max ? text : (struct slice){NULL, 0};
}

/* data's own fields have the names of ours. */
static void
read_data(struct normal *ev, const msgpack_object *data, msgpack_zone *zone)
{
	int64_t code;

	ev->email = FIELDS_TEXT(data, "email");
	ev->message_id = fields_id(data, "message_id", zone);
	ev->bounce_class = FIELDS_TEXT(data, "bounce_class");
	ev->url = FIELDS_TEXT(data, "url");
	ev->user_agent = FIELDS_TEXT(data, "user_agent");
	ev->ip = FIELDS_TEXT(data, "ip");
	ev->reason = FIELDS_TEXT(data, "reason");
	ev->campaign = FIELDS_TEXT(data, "campaign");
	ev->smtp_enhanced = FIELDS_TEXT(data, "smtp_enhanced");
	if (field_int(data, "smtp_code", &code) && code > 0)
		ev->smtp_code = (uint64_t)code;
	ev->machine = field_bool(data, "machine", fields_machine_agent(ev->user_agent));
	ev->tags = fields_tags(field_get(data, "tags"), zone);
	ev->metadata = fields_metadata(field_get(data, "metadata"));
}

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	const struct slice type = short_text(event, "event_type", TYPE_MAX);
	const struct slice id = short_text(event, "event_id", ID_MAX);
	const msgpack_object *data = field_get(event, "data");
	const int64_t ts_ms = fields_time(event, "timestamp");
	struct normal *ev;

	if (!type.n || !id.n || !ts_ms || !data || data->type != MSGPACK_OBJECT_MAP)
		return false;
	ev = normals_add(out, in->zone);
	if (!ev)
		return false;
	ev->type = ev->provider_event = type;
	ev->event_id = ev->dedup_key = id;
	ev->ts_ms = ts_ms;
	read_data(ev, data, in->zone);
	ev->raw = *event;
	return true;
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	return scheme_check(source, in, why);
}

static bool
normalise_trotline(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	(void)source;
	return batch_events(in, out, why, read_event);
}

/* What is no event at all is none gone bad, but beside events it is. */
static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	struct error ignored;

	(void)source;
	(void)why;
	if (!batch_events(in, out, &ignored, read_event) || !out->count)
		out->bad = 0;
	return true;
}

const struct provider provider_generic = {
	.name = "generic",
	.title = "any sender, by a standard",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise,
};

const struct provider provider_trotline = {
	.name = "trotline",
	.title = "Trotline's own format",
	.scheme = "hmac",
	.bad_signature = 401,
	.verify = verify,
	.normalise = normalise_trotline,
};
