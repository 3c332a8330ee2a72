/* entry - see entry.h. */
#include "entry.h"

#include "lib/base/map.h"
#include "proto/limits.h"

enum { DATA_KEYS = 24 };

_Static_assert((int)ADDRESS_MAX <= (int)WIDTH_EMAIL, "each address that is one can travel");

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

/* The event's id is the provider's; where it gives none, or a boundless one, the dedup key's start.
 */
static struct slice
id_of(const struct normal *ev)
{
	const struct slice key = ev->dedup_key;

	if (ev->event_id.n && ev->event_id.n <= WIDTH_ID)
		return ev->event_id;
	return (struct slice){key.p, key.n < WIDTH_ID ? key.n : WIDTH_ID};
}

bool
entry_of(const struct normal *ev, uint64_t now_ms, msgpack_zone *zone, struct entry *out)
{
	*out = (struct entry){
		.type = ev->type,
		.id = id_of(ev),
		.email = ev->email,
		.key = ev->dedup_key,
		.ts_ms = ev->ts_ms > 0 ? ev->ts_ms : (int64_t)now_ms,
	};
	return ev->fault || data_of(ev, zone, &out->data);
}
