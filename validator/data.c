/* foreign - see foreign.h. */
#include "data.h"

#include "lib/base/field.h"
#include "providers/request.h"

enum { DATA_KEYS = 16, ID_MAX = 512, EMAIL_MAX = 320 };

/* ---- an event's data: what handlers read, under the names that native events use ---- */

struct map {
	msgpack_object_kv *kv;
	uint32_t n;
};

static msgpack_object
text_object(struct slice s)
{
	return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)s.n, s.p}};
}

static void
put(struct map *m, const char *key, msgpack_object value)
{
	m->kv[m->n++] = (msgpack_object_kv){text_object(slice_of(key)), value};
}

static void
put_text(struct map *m, const char *key, struct slice value)
{
	if (value.p)
		put(m, key, text_object(value));
}

static bool
data_of(const struct normal *ev, msgpack_zone *zone, msgpack_object *out)
{
	struct map m = {msgpack_zone_malloc(zone, DATA_KEYS * sizeof *m.kv), 0};

	if (!m.kv)
		return false;
	put_text(&m, "email", ev->email);
	put_text(&m, "message_id", ev->message_id);
	put_text(&m, "campaign_id", ev->campaign);
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
		put(&m, "machine",
			(msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = true});
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

static bool
take_event(struct job *job, struct candidate *c, const struct normal *ev, uint64_t now_ms)
{
	*c = (struct candidate){.outcome = OUTCOME_NEW};
	c->key = ev->dedup_key;
	c->ev.type = ev->type;
	c->ev.id = id_of(ev);
	c->ev.email = at_most(ev->email, EMAIL_MAX);
	c->ev.ts_ms = ev->ts_ms > 0 ? ev->ts_ms : (int64_t)now_ms;
	return data_of(ev, &job->zone, &c->ev.data);
}

static void
take_events(struct job *job, const struct normals *normals, uint64_t now_ms)
{
	bool good = job_room(job, normals->count);
	size_t n = 0;

	for (size_t i = 0; good && i < normals->count; i++)
		if (!normals->list[i].skipped)
			good = take_event(job, &job->events[n++], &normals->list[i], now_ms);
	if (!good) {
		error_set(&job->why, "out of memory");
		job->refusal = REFUSED_UNAVAILABLE;
		return;
	}
	job->count = n;
	job->bad = normals->bad;
	job->confirm_url = normals->confirm_url;
}

/* ---- the request ---- */

static enum refusal
refusal_of(enum check_step step, const struct config_source *source)
{
	switch (step) {
	case CHECK_ACCEPTED:
		return REFUSED_NOT;
	case CHECK_MALFORMED:
		return REFUSED_JSON;
	case CHECK_SIGNATURE:
		return source->quarantine ? REFUSED_QUARANTINED : REFUSED_SIGNATURE;
	case CHECK_STALE:
		return REFUSED_STALE;
	case CHECK_POLICY:
		return REFUSED_POLICY;
	case CHECK_UNAVAILABLE:
		break;
	}
	return REFUSED_UNAVAILABLE;
}

void
foreign_judge(struct job *job, struct provider_source *source, struct json_reader *json,
	provider_certificate *certificate, void *certificate_arg, uint64_t now_ms)
{
	char url[REQUEST_URL_MAX];
	struct inbound in = {
		.headers = &job->rq.headers,
		.body = job->rq.body,
		.url = request_url(&job->rq.headers, job->rq.target, url),
		.now_ms = now_ms,
		.zone = &job->zone,
		.json = json,
		.certificate = certificate,
		.certificate_arg = certificate_arg,
	};
	struct normals normals = {0};
	const enum check_step step = provider_check(source, &in, &normals, &job->why);

	job->foreign = provider_of(source);
	job->status = provider_status(source, step);
	job->refusal = refusal_of(step, job->source);
	if (step == CHECK_ACCEPTED)
		take_events(job, &normals, now_ms);
}
