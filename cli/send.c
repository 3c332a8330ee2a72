/* send - signs and posts: one event from flags, some that differ in their id, or a file as it is.
 *
 * In: flags, the first secret of the source. Out: the answers on stdout. Keeps nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "answer.h"
#include "cli.h"
#include "compose.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/near.h"
#include "lib/base/timestamp.h"
#include "proto/types.h"
#include "send_provider.h"

enum { BODY_MAX = 256 << 20, REQUEST_TIMEOUT_MS = 60000 };

struct send {
	const char *source, *url, *type, *id, *email, *timestamp, *data, *file, *batch;
	struct flag_list fields;
	uint64_t count;
	bool json;
	struct provider_send foreign; /* what is asked of a provider's request */
	const struct config_source *to;
	struct fetch *http;
	bool refused; /* one answer at least was not 2xx */
	bool unanswered;
};

/* Signs and posts one body and prints the answer. False when there is none. */
static bool
post(struct send *s, struct slice body, const char *url, const char *id, struct error *why)
{
	char signature[SIGNATURE_MAX];
	struct fetch_answer answer;

	if (!compose_signature(slice_of(s->to->secrets[0]), body, signature))
		return error_set(why, "cannot sign");
	s->unanswered = !http_post(s->http, url, body, signature, &answer, why);
	if (s->unanswered)
		return false;
	answer_print(s->json, url, id, &answer);
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

/* It may be one of the sender's own; but it may be a slip. */
static void
warn_of_type(const struct call *call, const char *type)
{
	struct near near = {.word = type};
	char hint[NEAR_BYTES];

	if (event_type_find(slice_of(type)))
		return;
	for (size_t i = 0; i < event_types_count; i++)
		near_try(&near, event_types[i].name);
	if (near.best && config_route(call->cfg, slice_of(type)) == call->cfg->handler_unknown)
		fprintf(stderr, "trotline send: note: \"%s\" goes to the handler unknown%s\n", type,
			near_hint(&near, hint));
}

static int
send_native(struct call *call)
{
	struct send *s = call->options;
	struct error why = {""};
	char *url;
	bool ok;

	s->to = cli_source(call, s->source);
	if (!s->to)
		return CLI_USAGE;
	if (!s->file && !s->batch)
		warn_of_type(call, s->type);
	url = s->url ? strdup(s->url)
		     : http_url(call->cfg, "/webhooks/", s->to->name, s->batch ? "/batch" : "");
	s->http = http_new(REQUEST_TIMEOUT_MS, &why);
	ok = url && s->http && post_all(s, url, &why);
	fetch_destroy(&s->http);
	free(url);
	if (!ok)
		return s->url || !s->unanswered ? cli_failed(call->verb, &why)
						: cli_no_answer(call->verb, call->cfg, &why);
	return s->refused ? CLI_FAILED : CLI_DONE;
}

static bool
is_foreign(const struct provider_send *ask)
{
	return ask->provider || ask->event || ask->events || ask->print || ask->key || ask->new_key;
}

/* What both kinds of request share goes over to the provider's. */
static int
check_foreign(struct call *call, struct send *s)
{
	struct provider_send *ask = &s->foreign;

	if (s->file || s->batch || s->data || s->timestamp || s->fields.n)
		return cli_wrong_use(call->verb,
			"--provider and --event exclude --data, --field, --timestamp, --file, --batch");
	ask->source = s->source;
	ask->email = s->email;
	ask->id = s->id;
	ask->url = s->url;
	ask->count = s->count;
	ask->json = s->json;
	return send_provider_check(ask, call);
}

static int
check(struct call *call)
{
	struct send *s = call->options;

	if (is_foreign(&s->foreign))
		return check_foreign(call, s);
	if (s->file && s->batch)
		return cli_wrong_use(call->verb, "--file and --batch exclude each other");
	return -1;
}

static int
run(struct call *call)
{
	const struct send *s = call->options;

	return is_foreign(&s->foreign) ? send_provider(&s->foreign, call) : send_native(call);
}

const struct verb verb_send = {
	.name = "send",
	.summary = "Build, sign and post an event",
	.details =
		"The signature is made with the first secret of the source. Prints the HTTP status and the\n"
		"answer; exits 0 when every answer was 2xx, otherwise 1.\n\n"
		"  trotline send --type email_bounced --email jo@example.com --field bounce_type=hard\n"
		"  trotline send --batch events.json --json\n\n"
		"With --provider or --event it is a request as a provider makes it, signed as that\n"
		"provider does, with the first secret of its source; SendGrid, Postal and Amazon sign\n"
		"with a key that only they have, so a source for trying out gets one of --new-key:\n\n"
		"  trotline send --provider mailgun --event bounced\n"
		"  trotline send --provider sendgrid --new-key sendgrid.pem\n"
		"  trotline send --provider sendgrid --event open --key sendgrid.pem\n",
	.flags =
		(const struct flag[]){
			{"type", 't', FLAG_TEXT, "TYPE", "event type", FLAG_AT(send, type),
				.fallback = "email_delivered"},
			{"id", 'i', FLAG_TEXT, "ID", "event id (a random one)", FLAG_AT(send, id)},
			{"email", 'e', FLAG_TEXT, "ADDRESS", "data.email", FLAG_AT(send, email)},
			{"timestamp", 0, FLAG_TEXT, "TIME",
				"ISO 8601, or seconds or ms since 1970 (now)",
				FLAG_AT(send, timestamp)},
			{"data", 'd', FLAG_TEXT, "JSON", "object with more fields of `data`",
				FLAG_AT(send, data)},
			{"field", 'f', FLAG_LIST, "KEY=TEXT",
				"one more field of `data`; may be repeated", FLAG_AT(send, fields)},
			{"count", 'n', FLAG_NUMBER, "N",
				"so many events, each with an id of its own", FLAG_AT(send, count),
				.fallback = "1"},
			{"file", 0, FLAG_TEXT, "FILE", "post this body as it is; - for stdin",
				FLAG_AT(send, file)},
			{"batch", 0, FLAG_TEXT, "FILE", "the same, to the batch path: a JSON array",
				FLAG_AT(send, batch)},
			{"source", 's', FLAG_TEXT, "NAME",
				"source in the configuration (the first)", FLAG_AT(send, source)},
			{"url", 0, FLAG_TEXT, "URL",
				"post there instead of to the configured address",
				FLAG_AT(send, url)},
			{"json", 0, FLAG_SWITCH, NULL, "print each answer as one JSON object",
				FLAG_AT(send, json)},
			{"provider", 'p', FLAG_TEXT, "NAME", "a request as this provider makes it",
				FLAG_AT(send, foreign.provider)},
			{"event", 0, FLAG_TEXT, "EVENT",
				"of that provider's, or bounced, opened, ...",
				FLAG_AT(send, foreign.event)},
			{"events", 0, FLAG_SWITCH, NULL, "list what --event may be",
				FLAG_AT(send, foreign.events)},
			{"print", 0, FLAG_SWITCH, NULL,
				"print the request for `verify`, post nothing",
				FLAG_AT(send, foreign.print)},
			{"key", 0, FLAG_TEXT, "FILE",
				"private key, where the provider signs with one",
				FLAG_AT(send, foreign.key)},
			{"new-key", 0, FLAG_TEXT, "FILE", "make one, print the public half",
				FLAG_AT(send, foreign.new_key)},
			{.name = NULL},
		},
	.options = sizeof(struct send),
	.actions =
		(const struct action[]){
			{.config = SECRET_CONFIG, .check = check, .run = run},
		},
};
