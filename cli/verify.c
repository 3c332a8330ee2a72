/* verify - runs the validator's own check over a captured request: why was this webhook refused?
 *
 * In: a request in a file, and what the source's block would say. Out: one JSON object on stdout,
 * and for people on stderr the step at which the request stands refused. Touches no other process,
 * no journal and no network. */
#include <stdio.h>
#include <stdlib.h>

#include "captured.h"
#include "cli.h"
#include "explain.h"
#include "finding.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/timestamp.h"
#include "proto/providers.h"
#include "providers/sns.h"
#include "providers/source.h"
#include "text.h"

enum { ZONE_BYTES = 65536, MS_PER_S = 1000, WARNINGS_MAX = 10 };

struct question {
	const char *provider, *scheme, *header, *now, *url;
	uint64_t max_age_s;
	bool allow_raw, batch, standard;
	struct flag_list secrets, topics, certificates; /* certificates: "URL=FILE" */
	uint64_t now_ms;
	struct error unfit; /* why the certificate that was asked for is of no use */
	msgpack_zone zone;
	struct slice pems[sizeof((struct flag_list *)0)->texts / sizeof(const char *)];
};

/* The last '=': a URL's query may hold one, a file's name seldom does. */
static bool
load_certificates(struct question *q, struct error *why)
{
	for (size_t i = 0; i < q->certificates.n; i++) {
		const char *equals = strrchr(q->certificates.texts[i], '=');

		if (!equals)
			return error_set(why, "--cert takes URL=FILE");
		q->pems[i] = captured_file(equals + 1, &q->zone, why);
		if (!q->pems[i].p)
			return false;
	}
	return true;
}

/* As the validator judges what it has fetched; the days of its validity from --now only. */
static bool
is_fit(struct question *q, struct slice url, struct slice pem)
{
	const int64_t now_ms = (int64_t)q->now_ms;
	int64_t from_ms, until_ms;
	bool fit = sns_certificate_read(url, pem, &from_ms, &until_ms, &q->unfit);

	if (fit && q->now && (now_ms < from_ms || now_ms > until_ms))
		fit = error_set(&q->unfit, "valid from %lld to %lld only",
			(long long)(from_ms / MS_PER_S), (long long)(until_ms / MS_PER_S));
	return fit || error_wrap(&q->unfit, "the certificate at %.*s", SLICE_ARG(url));
}

static struct slice
certificate(void *arg, struct slice url)
{
	struct question *q = arg;

	for (size_t i = 0; i < q->certificates.n; i++) {
		const char *text = q->certificates.texts[i];
		const struct slice given = {text, (size_t)(strrchr(text, '=') - text)};

		if (slice_eq(given, url) && is_fit(q, url, q->pems[i]))
			return q->pems[i];
	}
	return (struct slice){NULL, 0};
}

/* A request that was kept is looked at later than it came, so how long a provider tries is measured
 * from --now only; the window that a scheme itself demands always is. */
static uint64_t
max_age(const struct question *q, const struct provider_source *source)
{
	if (q->now || q->max_age_s ||
		provider_usual_window(NULL, scheme_rows[source->scheme].name).max_age_ms)
		return source->options.max_age_ms;
	return 0;
}

static struct provider_source *
make_source(struct question *q, struct error *why)
{
	const struct provider_options options = {
		.provider = q->provider,
		.scheme = q->scheme,
		.header = q->header,
		.secrets = (char *const *)q->secrets.texts,
		.secrets_count = q->secrets.n,
		.topics = (char *const *)q->topics.texts,
		.topics_count = q->topics.n,
		.url = q->url,
		.max_age_ms = q->max_age_s * MS_PER_S,
		.allow_raw = q->allow_raw,
	};

	struct provider_source *source = provider_source_new(&options, why);

	if (source)
		source->options.max_age_ms = max_age(q, source);
	return source;
}

static const char *
good_reason(const struct provider_source *source)
{
	if (provider_usual_window(source->provider->name, NULL).max_age_ms &&
		!source->options.max_age_ms)
		return "signature and policy hold; its age is not judged without --now";
	return "signature, freshness and policy hold";
}

/* What was decided of failures and complaints, for people. */
static void
print_decisions(const struct normals *events)
{
	char text[EXPLAIN_MAX];
	size_t told = 0;

	for (size_t i = 0; i < events->count && told < WARNINGS_MAX; i++) {
		if (!explain_is_decision(&events->list[i]))
			continue;
		told++;
		fprintf(stderr, "trotline verify: event %zu: %s\n", i + 1,
			explain(&events->list[i], text));
	}
}

/* For people; the whole list stands in the JSON. */
static void
print_warnings(const msgpack_object *warnings)
{
	const uint32_t n = warnings->via.array.size, most = n < WARNINGS_MAX ? n : WARNINGS_MAX;

	for (uint32_t i = 0; i < most; i++) {
		fputs("trotline verify: warning: ", stderr);
		text_print_to(stderr, object_str(&warnings->via.array.ptr[i]), 0);
		fputc('\n', stderr);
	}
	if (n > most)
		fprintf(stderr, "trotline verify: %u warnings more\n", n - most);
}

/* The native format is the sender's own: no version of somebody else's has changed there. */
static int
warn(const struct provider *provider, const struct normals *events, msgpack_zone *zone)
{
	bool nameless;
	const msgpack_object warnings = finding_warnings(events, zone, &nameless);

	if (warnings.type == MSGPACK_OBJECT_ARRAY)
		print_warnings(&warnings);
	return nameless && strcmp(provider->name, "trotline") != 0 ? CLI_FAILED : CLI_DONE;
}

static int
answer(const struct verb *verb, const struct question *q, struct provider_source *source,
	struct inbound *in)
{
	struct error why = {""};
	struct normals events = {.count = 0};
	const enum check_step step = provider_check(source, in, &events, &why);
	const bool accepted = step == CHECK_ACCEPTED;
	const char *reason = step == CHECK_UNAVAILABLE && *q->unfit.text ? q->unfit.text : why.text;
	struct normals none = {.count = 0};
	const struct finding finding = {
		step,
		provider_status(source, step),
		accepted ? good_reason(source) : reason,
		accepted ? &events : &none,
	};
	char *line = finding_line(&finding, in->zone);

	if (!line)
		return cli_failed(verb, &(struct error){"out of memory"});
	puts(line);
	free(line);
	if (!accepted)
		fprintf(stderr, "trotline verify: refused with %u at the step \"%s\": %s\n",
			finding.status, finding_step(step), reason);
	else
		print_decisions(&events);
	return accepted ? warn(source->provider, &events, in->zone) : CLI_FAILED;
}

/* The native format has a path of its own for batches. */
static bool
ends_in_batch(struct slice url)
{
	static const char end[] = "/batch";
	const char *query = url.n ? memchr(url.p, '?', url.n) : NULL;
	const size_t n = query ? (size_t)(query - url.p) : url.n, tail = sizeof end - 1;

	return n >= tail && memcmp(url.p + n - tail, end, tail) == 0;
}

/* What cannot be asked is wrong use, whatever the file holds. */
static int
ask(const struct verb *verb, struct question *q, const char *path, struct json_reader *json)
{
	struct inbound in = {
		.zone = &q->zone,
		.json = json,
		.certificate = certificate,
		.known_certificate = certificate,
		.certificate_arg = q,
	};
	struct error why = {""};
	struct provider_source *source;
	int status;

	if (!json)
		return cli_failed(verb, &(struct error){"out of memory"});
	in.now_ms = clock_wall_ms();
	if (q->now && !timestamp_read(q->now, in.now_ms, &in.now_ms, &why))
		return cli_wrong_use(verb, "--now: %s", why.text);
	q->now_ms = in.now_ms;
	if (!load_certificates(q, &why) || !captured_read(path, &in, &why))
		return cli_wrong_use(verb, "%s", why.text);
	source = make_source(q, &why);
	if (!source)
		return cli_wrong_use(verb, "%s", why.text);
	if (q->url)
		in.url = slice_of(q->url);
	in.batch = q->batch || ends_in_batch(in.url);
	status = answer(verb, q, source, &in);
	provider_source_destroy(&source);
	return status;
}

/* As a destination gets it: from a Trotline, signed by the standard. */
static bool
take_standard(struct question *q)
{
	const bool free = !q->provider && !q->scheme;

	q->provider = "generic";
	q->scheme = "standard-webhooks";
	return free;
}

static int
run(struct call *call)
{
	struct question *q = call->options;
	struct json_reader *json;
	int status;

	if (q->standard && !take_standard(q))
		return cli_wrong_use(
			call->verb, "--standard says who sent it and how it is proved");
	if (!q->provider)
		return cli_wrong_use(call->verb, "--provider is needed");
	msgpack_zone_init(&q->zone, ZONE_BYTES);
	json = json_reader_new();
	status = ask(call->verb, q, call->rest.list[0], json);
	json_reader_destroy(&json);
	msgpack_zone_destroy(&q->zone);
	return status;
}

const struct verb verb_verify = {
	.name = "verify",
	.arguments = "REQUEST.json",
	.summary = "Say whether a captured webhook is accepted, and why not",
	.details =
		"REQUEST.json (\"-\": standard input) is {\"headers\": {...}, \"body\": \"...\" or\n"
		"\"body_b64\": \"...\", \"url\": \"...\"}. The check is the validator's own.\n"
		"Schemes: hmac, stripe, standard-webhooks, basic, bearer, header.\n"
		"Without --now and --max-age the age is judged only where the scheme itself\n"
		"demands it, for a captured request is looked at later than it came; the days\n"
		"of a certificate are judged with --now only.\n\n"
		"What stands in no table, and mail events without an address, are warnings.\n"
		"Exits 0 when the request is accepted, 1 when it is refused or a provider's\n"
		"event about mail names no address, 2 on wrong use.\n",
	.flags =
		(const struct flag[]){
			{"provider", 'p', FLAG_TEXT, "NAME", "who sent it, or generic",
				FLAG_AT(question, provider)},
			{"standard", 0, FLAG_SWITCH, NULL,
				"what a Trotline has forwarded, with the receiver's --secret whsec_...",
				FLAG_AT(question, standard)},
			{"scheme", 0, FLAG_TEXT, "NAME", "how it is proved, where that is open",
				FLAG_AT(question, scheme)},
			{"secret", 0, FLAG_LIST, "TEXT",
				"secret, public key, user:password or token; as often as there are",
				FLAG_AT(question, secrets)},
			{"header-name", 0, FLAG_TEXT, "NAME", "header of signature or secret",
				FLAG_AT(question, header)},
			{"now", 0, FLAG_TEXT, "TIME", "in place of the clock: when it came",
				FLAG_AT(question, now)},
			{"max-age", 0, FLAG_NUMBER, "SECONDS", "of the signed time",
				FLAG_AT(question, max_age_s)},
			{"url", 0, FLAG_TEXT, "URL", "as entered at the provider",
				FLAG_AT(question, url)},
			{"topic", 0, FLAG_LIST, "ARN", "SNS topic that is allowed",
				FLAG_AT(question, topics)},
			{"cert", 0, FLAG_LIST, "URL=FILE", "certificate of that address",
				FLAG_AT(question, certificates)},
			{"batch", 0, FLAG_SWITCH, NULL,
				"native format: a batch (as its url says by /batch)",
				FLAG_AT(question, batch)},
			{"allow-raw", 0, FLAG_SWITCH, NULL, "SNS: take unsigned raw delivery",
				FLAG_AT(question, allow_raw)},
			{.name = NULL},
		},
	.options = sizeof(struct question),
	.actions =
		(const struct action[]){
			{.run = run},
		},
};
