/* send_provider - see send_provider.h.
 *
 * In: an example out of samples.c, the source's first secret or a private key. Out: the answers, or
 * the requests themselves, on stdout. Keeps nothing. */
#include "send_provider.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "compose.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/near.h"
#include "lib/base/timestamp.h"
#include "providers/source_keys.h"
#include "sample.h"
#include "seal.h"
#include "seal_key.h"

enum { TIMEOUT_MS = 60000, ZONE_BYTES = 16384, ID_BYTES = 1024, MS_PER_S = 1000 };

struct making {
	const struct provider_send *ask;
	const struct sample_set *set;
	const struct sample_event *sample;
	struct provider_source *source;
	EVP_PKEY *key;
	struct json_reader *json;
	struct fetch *http;
	char *url;     /* where it is posted */
	char *entered; /* the same as its provider would have it: https */
	bool refused, unanswered;
};

/* What fills one request's template; the texts live here. */
struct filling {
	char id[ID_BYTES], message[ID_BYTES], bracketed[ID_BYTES + 32], token[40],
		iso[TIMESTAMP_BYTES];
	char seconds[24];
	uint64_t now_s;
	struct sample_values values;
};

static bool
make_ids(const struct making *m, uint64_t i, struct filling *f)
{
	const char *id = m->ask->id;

	if (!id && !compose_id("evt_", f->id, sizeof f->id))
		return false;
	if (id && i == 0)
		snprintf(f->id, sizeof f->id, "%s", id);
	else if (id)
		snprintf(f->id, sizeof f->id, "%s-%llu", id, (unsigned long long)i + 1);
	return compose_id("msg-", f->message, sizeof f->message) &&
	       compose_id("t", f->token, sizeof f->token) &&
	       RAND_bytes((unsigned char *)&f->values.number, sizeof f->values.number) == 1;
}

static bool
fill(const struct making *m, uint64_t i, struct filling *f, msgpack_zone *zone)
{
	const uint64_t now_ms = clock_wall_ms();
	struct sample_values *v = &f->values;

	if (!make_ids(m, i, f))
		return false;
	f->now_s = now_ms / MS_PER_S;
	snprintf(f->seconds, sizeof f->seconds, "%llu", (unsigned long long)f->now_s);
	snprintf(f->bracketed, sizeof f->bracketed, "<%s@mail.example.com>", f->message);
	timestamp_text(now_ms, f->iso);
	v->id = slice_of(f->id);
	v->message = slice_of(f->message);
	v->bracketed = slice_of(f->bracketed);
	v->email = slice_of(m->ask->email ? m->ask->email : "someone@example.com");
	v->url = slice_of("https://www.example.com/offer?id=7");
	v->agent =
		slice_of("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
	v->iso = slice_of(f->iso);
	v->seconds_text = slice_of(f->seconds);
	v->seconds = f->now_s;
	v->ms = now_ms;
	v->number = v->number >> 2 | (uint64_t)1 << 54;
	v->token = slice_of(f->token);
	v->mac = seal_mailgun(m->source, v->seconds_text, v->token, zone);
	return true;
}

static bool
make_request(struct making *m, uint64_t i, struct filling *f, struct sealing *s, struct error *why)
{
	const char *url = m->source->options.url;
	msgpack_object event;

	if (!fill(m, i, f, s->zone))
		return error_set(why, "no random numbers, or out of memory");
	if (!sample_make(m->set, m->sample, &f->values, m->json, s->zone, &event, why))
		return false;
	s->source = m->source;
	s->key = m->key;
	s->url = slice_of(url ? url : m->ask->url ? m->ask->url : m->entered);
	s->id = f->values.id;
	s->iso = f->values.iso;
	s->now_s = f->now_s;
	return seal(s, &event, why);
}

/* ---- out ---- */

static bool
print_request(const struct sealing *s, struct error *why)
{
	struct map all = map_in(s->zone), headers = map_in(s->zone);
	const msgpack_object list = list_object(&s->headers);
	msgpack_object object;
	char *line;

	for (uint32_t i = 0; i < list.via.array.size; i++) {
		const msgpack_object *pair = list.via.array.ptr[i].via.array.ptr;

		map_put(&headers, pair[0].via.str.ptr, pair[1]);
	}
	map_put(&all, "headers", map_object(&headers));
	map_put(&all, "body", object_of_text(s->body));
	map_text(&all, "url", s->url);
	object = map_object(&all);
	line = all.short_of_memory ? NULL : json_write(&object, false);
	if (!line)
		return error_set(why, "out of memory");
	puts(line);
	free(line);
	return true;
}

static bool
post(struct making *m, const struct sealing *s, const char *id, struct error *why)
{
	const msgpack_object headers = list_object(&s->headers);
	const char *to = m->ask->url ? m->ask->url : m->url;
	struct fetch_answer answer;

	m->unanswered = !http_post_as_is(m->http, to, s->body, &headers, &answer, why);
	if (m->unanswered)
		return false;
	answer_print(m->ask->json, to, id, &answer);
	m->refused |= answer.status / 100 != 2;
	return true;
}

static bool
send_one(struct making *m, uint64_t i, struct error *why)
{
	struct filling f = {.now_s = 0};
	struct sealing s = {.source = NULL};
	msgpack_zone zone;
	bool ok;

	msgpack_zone_init(&zone, ZONE_BYTES);
	s.zone = &zone;
	ok = make_request(m, i, &f, &s, why) &&
	     (m->ask->print ? print_request(&s, why) : post(m, &s, f.id, why));
	msgpack_zone_destroy(&zone);
	return ok;
}

/* ---- what is asked ---- */

static const struct config_source *
find_source(const struct provider_send *ask, const struct config *cfg, struct error *why)
{
	const struct config_source *found =
		ask->source ? config_source_find(cfg, slice_of(ask->source)) : NULL;

	for (size_t i = 0; !ask->source && !found && i < cfg->sources_count; i++)
		if (!ask->provider || strcmp(cfg->sources[i].provider, ask->provider) == 0)
			found = &cfg->sources[i];
	if (!found)
		error_set(why, "%s has no source %s%s", cfg->path,
			ask->source ? "" : "of provider ",
			ask->source ? ask->source : ask->provider);
	else if (ask->provider && strcmp(found->provider, ask->provider) != 0)
		error_set(why, "source %s is of provider %s", found->name, found->provider);
	else
		return found;
	return NULL;
}

static int
list_events(const struct sample_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		printf("%-26s %s\n", set->list[i].name, set->list[i].type);
	return CLI_DONE;
}

static void
no_event(const struct sample_set *set, const char *provider, const char *event, struct error *why)
{
	struct near near = {.word = event};
	char hint[NEAR_BYTES];

	for (size_t i = 0; set && i < set->count; i++)
		near_try(&near, set->list[i].name);
	error_set(why, "provider %s has no event \"%s\"%s; --events lists them", provider, event,
		near_hint(&near, hint));
}

static bool
harms(const struct sample_event *sample)
{
	return compose_harms((struct slice){sample->type, strcspn(sample->type, ":")});
}

static bool
prepare(struct making *m, const struct config *cfg, struct error *why)
{
	const struct provider_send *ask = m->ask;
	const struct config_source *source = find_source(ask, cfg, why);
	const char *event = ask->event ? ask->event : "delivered";

	if (!source)
		return false;
	m->set = sample_set_find(source->provider);
	m->sample = m->set ? sample_find(m->set, event) : NULL;
	if (!m->sample) {
		no_event(m->set, source->provider, event, why);
		return false;
	}
	if (harms(m->sample) && !ask->email && !ask->print) {
		error_set(why, "%s is against an address: say which with --email", m->sample->name);
		return false;
	}
	m->source = source_keys(source, why);
	if (!m->source || (ask->key && !(m->key = seal_key_load(ask->key, why))))
		return false;
	m->url = http_url(cfg, "/webhooks/", source->name, "");
	if (!m->url || asprintf(&m->entered, "https%s", strchr(m->url, ':')) < 0)
		return false;
	m->json = json_reader_new();
	m->http = http_new(TIMEOUT_MS, why);
	return m->json && m->http;
}

static void
release(struct making *m)
{
	provider_source_destroy(&m->source);
	json_reader_destroy(&m->json);
	fetch_destroy(&m->http);
	EVP_PKEY_free(m->key);
	free(m->url);
	free(m->entered);
}

static int
make_all(const struct provider_send *ask, const struct call *call)
{
	struct making m = {.ask = ask};
	struct error why = {"out of memory"};
	bool ok = prepare(&m, call->cfg, &why);

	for (uint64_t i = 0; ok && i < ask->count; i++)
		ok = send_one(&m, i, &why);
	release(&m);
	if (!ok)
		return m.unanswered && !ask->url ? cli_no_answer(call->verb, call->cfg, &why)
						 : cli_failed(call->verb, &why);
	return m.refused ? CLI_FAILED : CLI_DONE;
}

static int
no_provider(const struct call *call, const char *name)
{
	struct near near = {.word = name};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < sample_sets_count; i++)
		near_try(&near, sample_sets[i].provider);
	return cli_wrong_use(
		call->verb, "there is no provider \"%s\"%s", name, near_hint(&near, hint));
}

int
send_provider_check(const struct provider_send *ask, struct call *call)
{
	const struct sample_set *set = ask->provider ? sample_set_find(ask->provider) : NULL;

	if (ask->provider && !set)
		return no_provider(call, ask->provider);
	if ((ask->new_key || ask->events) && !set)
		return cli_wrong_use(call->verb, "--provider is needed");
	if (ask->new_key || ask->events)
		call->action.config = UNREAD_CONFIG;
	return -1;
}

int
send_provider(const struct provider_send *ask, const struct call *call)
{
	struct error why = {""};

	if (ask->events)
		return list_events(sample_set_find(ask->provider));
	if (!ask->new_key)
		return make_all(ask, call);
	return seal_key_make(ask->provider, ask->new_key, &why) ? CLI_DONE
								: cli_failed(call->verb, &why);
}
