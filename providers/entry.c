/* entry - see entry.h. */
#include "entry.h"

#include "lib/base/map.h"

enum { DATA_KEYS = 24, ID_MAX = 512, EMAIL_MAX = 320 };

struct data {
	msgpack_object_kv *kv;
	uint32_t n;
};

static void
put(struct data *m, const char *key, msgpack_object value)
{
	m->kv[m->n++] = (msgpack_object_kv){object_of_text(slice_of(key)), value};
}

static void
put_text(struct data *m, const char *key, struct slice value)
{
	if (value.p)
		put(m, key, object_of_text(value));
}

static bool
data_of(const struct normal *ev, msgpack_zone *zone, msgpack_object *out)
{
	struct data m = {NULL, 0};

	if (ev->data.type == MSGPACK_OBJECT_MAP) {
		*out = ev->data;
		return true;
	}
	m.kv = msgpack_zone_malloc(zone, DATA_KEYS * sizeof *m.kv);
	if (!m.kv)
		return false;
	put_text(&m, "email", ev->email.p ? ev->email : ev->email_written);
	put_text(&m, "message_id", ev->message_id);
	put_text(&m, "campaign_id", ev->campaign);
	put_text(&m, "list", ev->list);
	put_text(&m, "bounce_class", ev->bounce_class);
	put_text(&m, "reason", ev->reason);
	if (ev->smtp_code)
		put(&m, "smtp_code",
			(msgpack_object){
				.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = ev->smtp_code});
	put_text(&m, "smtp_enhanced", ev->smtp_enhanced);
	put_text(&m, "url", ev->url);
	put_text(&m, "user_agent", ev->user_agent);
	put_text(&m, "ip", ev->ip);
	if (ev->tags.type == MSGPACK_OBJECT_ARRAY)
		put(&m, "tags", ev->tags);
	if (ev->metadata.type == MSGPACK_OBJECT_MAP)
		put(&m, "metadata", ev->metadata);
	if (ev->machine)
		put(&m, "machine", object_of_bool(true));
	if (ev->anonymous)
		put(&m, "anonymous", object_of_bool(true));
	put_text(&m, "provider_event", ev->provider_event);
	put(&m, "raw", ev->raw);
	*out = (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {m.n, m.kv}};
	return true;
}

static struct slice
at_most(struct slice s, size_t most)
{
	return s.p && s.n > 0 && s.n <= most ? s : (struct slice){NULL, 0};
}

/* The event's id is the provider's; where it gives none, or a boundless one, the dedup key's start.
 */
static struct slice
id_of(const struct normal *ev)
{
	const struct slice id = at_most(ev->event_id, ID_MAX);

	if (id.p)
		return id;
	return (struct slice){ev->dedup_key.p, ev->dedup_key.n < ID_MAX ? ev->dedup_key.n : ID_MAX};
}

bool
entry_of(const struct normal *ev, uint64_t now_ms, msgpack_zone *zone, struct entry *out)
{
	*out = (struct entry){
		.type = ev->type,
		.id = id_of(ev),
		.email = at_most(ev->email, EMAIL_MAX),
		.key = ev->dedup_key,
		.ts_ms = ev->ts_ms > 0 ? ev->ts_ms : (int64_t)now_ms,
	};
	return ev->fault || data_of(ev, zone, &out->data);
}

const char *
entry_too_long(const struct normal *ev, size_t *n)
{
	*n = ev->event_id.n > ID_MAX ? ev->event_id.n : ev->email.n;
	if (ev->event_id.n > ID_MAX)
		return "event_id";
	return ev->email.n > EMAIL_MAX ? "email" : NULL;
}
