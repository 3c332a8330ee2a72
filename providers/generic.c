/* generic - any sender that follows one of the standards, and Trotline's own format.
 *
 * Proof: the source's scheme: X-Signature or GitHub style HMAC, Stripe style, Standard Webhooks v1
 * and v1a, basic auth, bearer token or secret header (scheme.h). GitHub itself signs with
 * X-Hub-Signature-256 and has no time (docs: validating webhook deliveries).
 * Body: events of the trotline format, {"event_type", "event_id", "timestamp", "data"}, one or an
 * array. Generic passes over what is none: a standard says who sent a body, not what it means, so
 * any bytes are a good request. The provider `trotline` demands the format: it says of each event
 * what is wrong with it, has a path of its own for arrays, and takes no event that is older, or
 * further ahead, than the source allows. Keys beside the four are kept, as the map `envelope` in
 * its `data` (unless `data` has such a key of its own). What another Trotline forwards (docs/forward.md)
 * has `type` and `id` in their place: its id, which is unique over all of that one's sources. */
#include "batch.h"
#include "fields.h"
#include "proto/limits.h"
#include "scheme_check.h"
#include "source.h"

enum { TAKEN = 202 };

static const struct slice NONE = {NULL, 0};
static const char ENVELOPE[] = "envelope";

const char *const native_names[NATIVE_FIELDS] = {"event_type", "event_id", "timestamp", "data"};
static const char *const forwarded_names[NATIVE_FIELDS] = {"type", "id", "timestamp", "data"};

const char *
event_fault_text(enum event_fault fault)
{
	static const char *const texts[] = {
		[FAULT_NONE] = "",
		[FAULT_FIELDS] = "Missing required fields",
		[FAULT_OLD] = "Event too old",
		[FAULT_FUTURE] = "Event from the future",
		[FAULT_JSON] = "Invalid JSON",
	};

	return texts[fault];
}

static struct slice
short_text(const msgpack_object *map, const char *key, size_t max)
{
	const struct slice text = FIELDS_TEXT(map, key);

	return text.n <= max ? text : NONE;
}

/* evt_<journal>_<number>, which nobody else's events have beside no `event_type`. */
static bool
is_forwarded_id(struct slice id)
{
	unsigned char journal[WIDTH_JOURNAL / 2];

	return id.n > sizeof "evt_" + WIDTH_JOURNAL && slice_starts(id, "evt_") &&
	       id.p[4 + WIDTH_JOURNAL] == '_' &&
	       decode_hex((struct slice){id.p + 4, WIDTH_JOURNAL}, journal, sizeof journal);
}

static const char *const *
names_of(const msgpack_object *event)
{
	return !field_get(event, native_names[NATIVE_TYPE]) &&
			       is_forwarded_id(FIELDS_TEXT(event, forwarded_names[NATIVE_ID]))
		       ? forwarded_names
		       : native_names;
}

/* The four required fields, each as far as it is good; *data: the fourth. */
static bool
read_required(const msgpack_object *event, struct normal *ev, const msgpack_object **data)
{
	const char *const *names = names_of(event);

	*data = field_get(event, names[NATIVE_DATA]);
	ev->type = ev->provider_event = short_text(event, names[NATIVE_TYPE], WIDTH_TYPE);
	ev->event_id = ev->dedup_key = short_text(event, names[NATIVE_ID], WIDTH_ID);
	ev->ts_ms = fields_time(event, names[NATIVE_TIMESTAMP]);
	ev->raw = *event;
	ev->missing = (unsigned)!ev->type.p << NATIVE_TYPE |
		      (unsigned)!ev->event_id.p << NATIVE_ID |
		      (unsigned)!ev->ts_ms << NATIVE_TIMESTAMP |
		      (unsigned)(!*data || (*data)->type != MSGPACK_OBJECT_MAP) << NATIVE_DATA;
	return !ev->missing;
}

/* As the handler judges it, from the same fields. */
static void
judge_bounce(struct normal *ev, const msgpack_object *data)
{
	const struct bounce_facts facts = {
		.code = ev->smtp_code,
		.enhanced = ev->smtp_enhanced,
		.text = fields_or(ev->reason, FIELDS_TEXT(data, "diagnostic")),
	};

	ev->cause = bounce_native(FIELDS_TEXT(data, "bounce_type"), ev->bounce_class, &facts);
	ev->bounce_class = slice_of(bounce_label(ev->cause));
}

/* data's own fields have the names of ours. */
static void
read_data(struct normal *ev, const msgpack_object *data, msgpack_zone *zone)
{
	int64_t code;

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
	if (slice_is(ev->type, "email_bounced"))
		judge_bounce(ev, data);
}

static void
read_address(struct normal *ev, const msgpack_object *data)
{
	ev->email = FIELDS_TEXT(data, "email");
	ev->anonymous = !ev->email.p && field_bool(data, "anonymous", false) &&
			(slice_is(ev->type, "email_opened") || slice_is(ev->type, "email_clicked"));
}

static enum check_step
verify(struct provider_source *source, struct inbound *in, struct error *why)
{
	return scheme_check(source, in, why);
}

/* ---- generic ---- */

static bool
read_event(struct inbound *in, const msgpack_object *event, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);
	const msgpack_object *data;

	if (!ev)
		return false;
	if (!read_required(event, ev, &data)) {
		out->count--;
		return false;
	}
	read_address(ev, data);
	read_data(ev, data, in->zone);
	return true;
}

/* What is no event at all is none gone bad, but beside events it is. */
static bool
normalise(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	struct error cause = {""};

	(void)source;
	(void)why;
	if (batch_events(in, out, &cause, read_event) && out->count)
		return true;
	out->bad = out->unread_count = 0;
	out->unread_whole = false;
	if (in->body.n)
		normals_unread(out, in->zone, UNREAD_FOREIGN, UNREAD_WHOLE, slice_of(cause.text));
	return true;
}

/* ---- trotline ---- */

static bool
is_one_of(struct slice key, const char *const *names)
{
	for (size_t i = 0; i < NATIVE_FIELDS; i++)
		if (slice_is(key, names[i]))
			return true;
	return false;
}

/* What stands beside the four keys. */
static bool
read_envelope(const msgpack_object_map *event, const char *const *names, msgpack_zone *zone,
	msgpack_object *out)
{
	msgpack_object_kv *more = msgpack_zone_malloc(zone, event->size * sizeof *more);
	uint32_t n = 0;

	for (uint32_t i = 0; more && i < event->size; i++)
		if (!is_one_of(object_str(&event->ptr[i].key), names))
			more[n++] = event->ptr[i];
	*out = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {n, more}};
	return more != NULL;
}

/* data, with the envelope where there is one; false when memory is short. */
static bool
complete_data(const msgpack_object *event, const msgpack_object *data, msgpack_zone *zone,
	msgpack_object *out)
{
	const msgpack_object_map *inner = &data->via.map;
	msgpack_object_kv *all;

	*out = *data;
	if (event->via.map.size <= NATIVE_FIELDS || field_get(data, ENVELOPE))
		return true;
	all = msgpack_zone_malloc(zone, (inner->size + 1) * sizeof *all);
	if (!all || !read_envelope(&event->via.map, names_of(event), zone, &all[inner->size].val))
		return false;
	if (inner->size)
		memcpy(all, inner->ptr, inner->size * sizeof *all);
	all[inner->size].key = object_of_text(slice_of(ENVELOPE));
	out->via.map = (msgpack_object_map){inner->size + 1, all};
	return true;
}

/* An age of 0 is none: `verify` without a time of its own. */
static enum event_fault
freshness(const struct provider_options *options, int64_t ts_ms, uint64_t now_ms)
{
	const int64_t now = (int64_t)now_ms;

	if (options->max_age_ms && ts_ms < now - (int64_t)options->max_age_ms)
		return FAULT_OLD;
	return ts_ms > now + (int64_t)options->max_future_ms ? FAULT_FUTURE : FAULT_NONE;
}

static void
read_native(const struct provider_source *source, const struct inbound *in,
	const msgpack_object *event, struct normals *out)
{
	struct normal *ev = normals_add(out, in->zone);
	const msgpack_object *data;

	if (!ev)
		return;
	if (event->type != MSGPACK_OBJECT_MAP) {
		ev->type = NONE;
		ev->fault = FAULT_JSON;
		return;
	}
	ev->fault = read_required(event, ev, &data)
			    ? freshness(&source->options, ev->ts_ms, in->now_ms)
			    : FAULT_FIELDS;
	if (ev->fault)
		return;
	read_address(ev, data);
	out->incomplete |= !complete_data(event, data, in->zone, &ev->data);
	if (!in->lean)
		read_data(ev, data, in->zone);
}

static bool
read_batch(const struct provider_source *source, const struct inbound *in, struct normals *out,
	struct error *why)
{
	const msgpack_object_array *list = &in->root.via.array;

	if (in->root.type != MSGPACK_OBJECT_ARRAY)
		return error_set(why, "the body is no JSON array");
	out->too_many = in->batch_events && list->size > in->batch_events;
	if (out->too_many)
		return error_set(why, "%u events, at most %llu", list->size,
			(unsigned long long)in->batch_events);
	normals_expect(out, list->size, in->zone);
	for (uint32_t i = 0; i < list->size; i++) {
		out->item = i;
		read_native(source, in, &list->ptr[i], out);
		out->bad += out->count && out->list[out->count - 1].fault != FAULT_NONE;
	}
	return true;
}

/* Of a batch, what cannot be read costs only the event that holds it. */
static bool
normalise_trotline(
	struct provider_source *source, struct inbound *in, struct normals *out, struct error *why)
{
	in->timed = true;
	in->parsed = in->batch ? json_read_batch(in->json, in->body, in->zone, &in->root, why)
			       : json_read(in->json, in->body, in->zone, &in->root, why);
	in->text = in->body;
	if (!in->parsed)
		return false;
	if (in->batch)
		return read_batch(source, in, out, why);
	if (in->root.type != MSGPACK_OBJECT_MAP)
		return error_set(why, "the body is no JSON object");
	read_native(source, in, &in->root, out);
	return true;
}

const struct provider provider_generic = {
	.name = "generic",
	.title = "any sender, by a standard",
	.bad_signature = 401,
	.native = true,
	.verify = verify,
	.normalise = normalise,
};

const struct provider provider_trotline = {
	.name = "trotline",
	.title = "Trotline's own format",
	.scheme = "hmac",
	.accepted = TAKEN,
	.bad_signature = 401,
	.native = true,
	.verify = verify,
	.normalise = normalise_trotline,
};
