/* send - signs and posts: one event from flags, some that differ in their id, or a file as it is.
 *
 * In: flags, the first secret of the source. Out: the answers on stdout. Keeps nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "compose.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/json.h"
#include "lib/base/object.h"
#include "lib/base/timestamp.h"
#include "send_provider.h"

enum { BODY_MAX = 256 << 20, REQUEST_TIMEOUT_MS = 60000 };

struct send {
	const struct verb *verb;
	const char *config, *source, *url, *type, *id, *email, *timestamp, *data, *file, *batch;
	struct flag_list fields;
	uint64_t count;
	bool json;
	struct provider_send foreign; /* what is asked of a provider's request */
	const struct config_source *to;
	struct http *http;
	bool refused; /* one answer at least was not 2xx */
};

/* The answer as one JSON object; a body that is no JSON becomes a text. */
static void
print_object(const char *url, const char *id, const struct http_answer *answer)
{
	struct json_reader *reader = json_reader_new();
	struct object line = {0};
	msgpack_object body;
	msgpack_zone zone;
	char *text;

	msgpack_zone_init(&zone, 8192);
	object_text(&line, "url", slice_of(url));
	if (id)
		object_text(&line, "event_id", slice_of(id));
	object_uint(&line, "status", (uint64_t)answer->status);
	if (reader && json_read(reader, answer->body, &zone, &body, NULL))
		object_set(&line, slice_of("body"), body);
	else
		object_text(&line, "body", answer->body);
	text = object_line(&line);
	puts(text ? text : "{}");
	free(text);
	object_clear(&line);
	msgpack_zone_destroy(&zone);
	json_reader_destroy(&reader);
}

void
send_answer(bool json, const char *url, const char *id, const struct http_answer *answer)
{
	if (json)
		print_object(url, id, answer);
	else
		printf("%ld %.*s\n", answer->status, SLICE_ARG(answer->body));
}

/* Signs and posts one body and prints the answer. False when there is none. */
static bool
post(struct send *s, struct slice body, const char *url, const char *id, struct error *why)
{
	char signature[SIGNATURE_MAX];
	struct http_answer answer;

	if (!compose_signature(slice_of(s->to->secrets[0]), body, signature))
		return error_set(why, "cannot sign");
	if (!http_post(s->http, url, body, signature, &answer, why))
		return false;
	send_answer(s->json, url, id, &answer);
	s->refused |= answer.status / 100 != 2;
	return true;
}

static bool
post_file(struct send *s, const char *path, const char *url, struct error *why)
{
	size_t n;
	char *body = file_read(path, BODY_MAX, &n, why);
	bool ok = body && post(s, (struct slice){body, n}, url, NULL, why);

	free(body);
	return ok;
}

/* The i-th id: the one given, then with a number after it; without one, always a random one. */
static bool
make_id(const struct send *s, uint64_t i, char *out, size_t n)
{
	if (!s->id)
		return compose_id("evt_", out, n);
	if (i == 0)
		snprintf(out, n, "%s", s->id);
	else
		snprintf(out, n, "%s-%llu", s->id, (unsigned long long)i + 1);
	return true;
}

static bool
post_event(struct send *s, uint64_t i, const char *url, struct error *why)
{
	char id[16 * 1024], now[TIMESTAMP_BYTES];
	struct draft draft = {
		.type = s->type,
		.id = id,
		.timestamp = s->timestamp ? s->timestamp : now,
		.email = s->email,
		.data = s->data,
		.fields = s->fields.texts,
		.fields_count = s->fields.n,
	};
	char *text;
	bool ok;

	timestamp_text(clock_wall_ms(), now);
	if (!make_id(s, i, id, sizeof id))
		return error_set(why, "no random number");
	text = compose_event(&draft, why);
	ok = text && post(s, slice_of(text), url, id, why);
	free(text);
	return ok;
}

static bool
post_all(struct send *s, const char *url, struct error *why)
{
	if (s->file || s->batch)
		return post_file(s, s->file ? s->file : s->batch, url, why);
	for (uint64_t i = 0; i < s->count; i++)
		if (!post_event(s, i, url, why))
			return false;
	return true;
}

static int
with_config(struct send *s, const struct config *cfg)
{
	struct error why = {""};
	char *url;
	bool ok;

	s->to = s->source ? config_source_find(cfg, slice_of(s->source)) : &cfg->sources[0];
	if (!s->to)
		return cli_wrong_use(s->verb, "%s has no source \"%s\"", cfg->path, s->source);
	url = s->url ? strdup(s->url)
		     : http_url(cfg, "/webhooks/", s->to->name, s->batch ? "/batch" : "");
	s->http = http_new(REQUEST_TIMEOUT_MS, &why);
	ok = url && s->http && post_all(s, url, &why);
	http_destroy(&s->http);
	free(url);
	if (!ok)
		return cli_failed(s->verb, &why);
	return s->refused ? CLI_FAILED : CLI_DONE;
}

static bool
is_foreign(const struct provider_send *ask)
{
	return ask->provider || ask->event || ask->events || ask->print || ask->key || ask->new_key;
}

static int
as_provider(struct send *s)
{
	struct provider_send *ask = &s->foreign;

	if (s->file || s->batch || s->data || s->timestamp || s->fields.n)
		return cli_wrong_use(s->verb, "--provider and --event exclude --data, --field, "
					      "--timestamp, --file, --batch");
	ask->verb = s->verb;
	ask->config = s->config;
	ask->source = s->source;
	ask->email = s->email;
	ask->id = s->id;
	ask->url = s->url;
	ask->count = s->count;
	ask->json = s->json;
	return send_provider(ask);
}

static int
run(const struct verb *verb, int argc, char **argv)
{
	struct send s = {.verb = verb, .type = "email_delivered", .count = 1};
	const struct flag flags[] = {
		FLAG_CONFIG(&s.config),
		{"type", 't', FLAG_TEXT, "TYPE", "event type (email_delivered)", &s.type},
		{"id", 'i', FLAG_TEXT, "ID", "event id (a random one)", &s.id},
		{"email", 'e', FLAG_TEXT, "ADDRESS", "data.email", &s.email},
		{"timestamp", 0, FLAG_TEXT, "TIME", "ISO 8601, or seconds or ms since 1970 (now)",
			&s.timestamp},
		{"data", 'd', FLAG_TEXT, "JSON", "object with more fields of `data`", &s.data},
		{"field", 'f', FLAG_LIST, "KEY=TEXT", "one more field of `data`; may be repeated",
			&s.fields},
		{"count", 'n', FLAG_NUMBER, "N", "so many events, each with an id of its own",
			&s.count},
		{"file", 0, FLAG_TEXT, "FILE", "post this body as it is; - for stdin", &s.file},
		{"batch", 0, FLAG_TEXT, "FILE", "the same, to the batch path: a JSON array",
			&s.batch},
		{"source", 's', FLAG_TEXT, "NAME", "source in the configuration (the first)",
			&s.source},
		{"url", 0, FLAG_TEXT, "URL", "post there instead of to the configured address",
			&s.url},
		{"json", 0, FLAG_SWITCH, NULL, "print each answer as one JSON object", &s.json},
		{"provider", 'p', FLAG_TEXT, "NAME", "a request as this provider makes it",
			&s.foreign.provider},
		{"event", 0, FLAG_TEXT, "EVENT", "of that provider's, or bounced, opened, ...",
			&s.foreign.event},
		{"events", 0, FLAG_SWITCH, NULL, "list what --event may be", &s.foreign.events},
		{"print", 0, FLAG_SWITCH, NULL, "print the request for `verify`, post nothing",
			&s.foreign.print},
		{"key", 0, FLAG_TEXT, "FILE", "private key, where the provider signs with one",
			&s.foreign.key},
		{"new-key", 0, FLAG_TEXT, "FILE", "make one, print the public half",
			&s.foreign.new_key},
	};
	struct arguments rest;
	int status = cli_flags(verb, flags, sizeof flags / sizeof *flags, argc, argv, &rest);
	struct config *cfg;

	if (status >= 0)
		return status;
	if (is_foreign(&s.foreign))
		return as_provider(&s);
	if (s.file && s.batch)
		return cli_wrong_use(verb, "--file and --batch exclude each other");
	cfg = cli_config(verb, s.config, CONFIG_SECRETS);
	if (!cfg)
		return CLI_BAD_CONFIG;
	status = with_config(&s, cfg);
	config_destroy(&cfg);
	return status;
}

const struct verb verb_send = {
	"send",
	"",
	"Build, sign and post an event",
	"The signature is made with the first secret of the source. Prints the HTTP status and "
	"the\n"
	"answer; exits 0 when every answer was 2xx, otherwise 1.\n\n"
	"  trotline send --type email_bounced --email jo@example.com --field bounce_type=hard\n"
	"  trotline send --batch events.json --json\n\n"
	"With --provider or --event it is a request as a provider makes it, signed as that\n"
	"provider does, with the first secret of its source; SendGrid, Postal and Amazon sign\n"
	"with a key that only they have, so a source for trying out gets one of --new-key:\n\n"
	"  trotline send --provider mailgun --event bounced\n"
	"  trotline send --provider sendgrid --new-key sendgrid.pem\n"
	"  trotline send --provider sendgrid --event open --key sendgrid.pem\n",
	run,
};
