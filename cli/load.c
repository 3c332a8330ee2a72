/* load - a load tester: unique signed events at a steady rate, and what came of them.
 *
 * In: flags, a secret. Out: POSTs; a summary on stdout, progress on a terminal. Keeps nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "compose.h"
#include "http.h"
#include "interrupt.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/timestamp.h"
#include "lib/base/units.h"
#include "load_engine.h"

enum { TIMEOUT_MS = 10000, RECIPIENTS = 10000, BATCH_MAX = 100000 };

struct load {
	const char *source, *url, *secret, *type, *duration;
	uint64_t rate, batch, connections;
	bool json;
	char run_id[32]; /* makes event ids unique from run to run */
	struct load_plan plan;
	struct load_result result;
};

/* ---- requests ---- */

static char *
make_event(const struct load *l, uint64_t n, struct error *why)
{
	char id[64], email[64], now[TIMESTAMP_BYTES];
	const struct draft draft = {.type = l->type, .id = id, .timestamp = now, .email = email};

	snprintf(id, sizeof id, "%s-%llu", l->run_id, (unsigned long long)n);
	snprintf(
		email, sizeof email, "load-%llu@example.com", (unsigned long long)(n % RECIPIENTS));
	timestamp_text(clock_wall_ms(), now);
	return compose_event(&draft, why);
}

/* The events of request n as a JSON array. */
static char *
make_batch(const struct load *l, uint64_t n, size_t *size, struct error *why)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);
	bool good = out || error_set(why, "memory is short");

	for (uint64_t i = 0; good && i < l->batch; i++) {
		char *event = make_event(l, n * l->batch + i, why);

		good = event && fprintf(out, "%c%s", i ? ',' : '[', event) > 0;
		free(event);
	}
	if (out)
		fputc(']', out);
	if (out && fclose(out) == 0 && good)
		return text;
	free(text);
	return NULL;
}

static bool
make(void *arg, uint64_t n, struct slice *body, char *signature, struct error *why)
{
	const struct load *l = arg;
	size_t size = 0;
	char *text = l->batch > 1 ? make_batch(l, n, &size, why) : make_event(l, n, why);

	if (!text)
		return false;
	*body = (struct slice){text, l->batch > 1 ? size : strlen(text)};
	if (compose_signature(slice_of(l->secret), *body, signature))
		return true;
	free(text);
	return error_set(why, "cannot sign");
}

/* ---- what came of them ---- */

static double
ms(double us)
{
	return us / 1e3;
}

static void
progress(void *arg, const struct load_result *r)
{
	const struct load *l = arg;

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%4.0f s  %llu sent  %llu good  %llu failed  p99 %.1f ms \033[K",
		r->seconds, (unsigned long long)(r->loop.sent * l->batch),
		(unsigned long long)(r->loop.good * l->batch),
		(unsigned long long)((r->loop.answered - r->loop.good + r->broken) * l->batch),
		ms((double)histogram_percentile(&r->loop.latency, 99)));
}

/* A number as JSON shows it best: three digits behind the point. */
static void
put_number(struct map *m, const char *key, double value)
{
	map_put(m, key,
		(msgpack_object){.type = MSGPACK_OBJECT_FLOAT64,
			.via.f64 = (double)(int64_t)(value * 1000 + 0.5) / 1000});
}

/* A key that lives in the zone. */
static const char *
status_key(msgpack_zone *zone, unsigned status)
{
	char *key = msgpack_zone_malloc_no_align(zone, 8);

	if (key)
		snprintf(key, 8, "%u", status);
	return key ? key : "";
}

static msgpack_object
statuses_object(const struct load_result *r, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	for (unsigned i = 0; i < LOAD_STATUSES; i++)
		if (r->statuses[i])
			map_uint(&m, status_key(zone, i), r->statuses[i]);
	if (r->broken)
		map_uint(&m, "no_answer", r->broken);
	if (r->unsent)
		map_uint(&m, "unsent", r->unsent);
	return map_object(&m);
}

static msgpack_object
summary(const struct load *l, msgpack_zone *zone)
{
	const struct load_result *r = &l->result;
	const struct histogram *h = &r->loop.latency;
	struct map m = map_in(zone);

	map_uint(&m, "total", r->loop.sent * l->batch);
	map_uint(&m, "successful", r->loop.good * l->batch);
	map_uint(&m, "failed", (r->loop.sent - r->loop.good) * l->batch);
	put_number(&m, "success_rate_percent",
		r->loop.sent ? 100 * (double)r->loop.good / (double)r->loop.sent : 0);
	put_number(&m, "avg_ms", ms(histogram_average(h)));
	put_number(&m, "p50_ms", ms((double)histogram_percentile(h, 50)));
	put_number(&m, "p99_ms", ms((double)histogram_percentile(h, 99)));
	put_number(&m, "max_ms", ms((double)h->most));
	map_put(&m, "statuses", statuses_object(r, zone));
	map_uint(&m, "requests", r->loop.sent);
	put_number(&m, "seconds", r->seconds);
	put_number(&m, "events_per_second",
		r->seconds > 0 ? (double)(r->loop.answered * l->batch) / r->seconds : 0);
	if (r->broken)
		map_text(&m, "cause", slice_of(r->cause));
	return map_object(&m);
}

static void
print_text(const msgpack_object *all)
{
	for (uint32_t i = 0; i < all->via.map.size; i++) {
		const msgpack_object_kv *row = &all->via.map.ptr[i];
		char *text = json_write(&row->val, false);

		printf("%-21.*s %s\n", (int)row->key.via.str.size, row->key.via.str.ptr,
			text ? text : "?");
		free(text);
	}
}

static void
print(const struct load *l)
{
	msgpack_object all;
	msgpack_zone zone;
	char *text;

	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	msgpack_zone_init(&zone, 4096);
	all = summary(l, &zone);
	text = l->json ? json_write(&all, false) : NULL;
	if (text)
		puts(text);
	else
		print_text(&all);
	free(text);
	msgpack_zone_destroy(&zone);
}

/* ---- the command line ---- */

/* A batch goes to the batch path, however the address was given. */
static char *
make_url(const struct load *l, const struct config *cfg, const char *source)
{
	const char *tail = l->batch > 1 ? "/batch" : "";
	char *url;
	size_t n;

	if (!l->url)
		return http_url(cfg, "/webhooks/", source, tail);
	n = strlen(l->url);
	if (n > 6 && strcmp(l->url + n - 6, "/batch") == 0)
		tail = "";
	return asprintf(&url, "%s%s", l->url, tail) < 0 ? NULL : url;
}

/* Nobody listens where the configuration says, and none of its ingresses runs. */
static bool
nobody_is_there(const struct load *l, const struct config *cfg, struct error *why)
{
	struct fetch_answer answer;
	struct fetch *http;
	bool nobody;
	char *url;

	if (l->url || !cli_is_down(cfg))
		return false;
	http = http_new(TIMEOUT_MS, why);
	url = http_url(cfg, "/webhooks/health", "", "");
	nobody = http && url && !http_get(http, url, &answer, why);
	free(url);
	fetch_destroy(&http);
	return nobody;
}

static int
go(struct load *l, const struct call *call, const char *source)
{
	struct error why = {"memory is short"};
	char *url;
	bool good;

	if (nobody_is_there(l, call->cfg, &why))
		return cli_no_answer(call->verb, call->cfg, &why);
	url = make_url(l, call->cfg, source);
	good = url && compose_id("load-", l->run_id, sizeof l->run_id);

	l->plan.url = url;
	l->plan.rate = (double)l->rate / (double)l->batch;
	l->plan.connections = l->connections;
	l->plan.timeout_ms = TIMEOUT_MS;
	l->plan.make = make;
	l->plan.progress = progress;
	l->plan.arg = l;
	l->plan.stop = &interrupted;
	interrupt_catch();
	good = good && load_engine_run(&l->plan, &l->result, &why);
	free(url);
	if (!good)
		return cli_failed(call->verb, &why);
	print(l);
	if (!l->url && l->result.loop.sent > 0 && l->result.loop.good == 0 &&
		cli_is_down(call->cfg))
		return cli_down(call->verb, call->cfg);
	return l->result.loop.sent > 0 && l->result.loop.good == l->result.loop.sent ? CLI_DONE
										     : CLI_FAILED;
}

/* "30s", or plain seconds. */
static bool
read_duration(const char *text, uint64_t *duration_ms)
{
	char *end;
	const double seconds = strtod(text, &end);

	if (*end == 0 && seconds > 0 && seconds < 1e7) {
		*duration_ms = (uint64_t)(seconds * 1000);
		return *text >= '0' && *text <= '9';
	}
	return units_read_duration(text, duration_ms) && *duration_ms > 0;
}

/* What the flags leave out comes from the configuration, which is not needed otherwise. */
static int
check(struct call *call)
{
	struct load *l = call->options;

	if (!read_duration(l->duration, &l->plan.duration_ms))
		return cli_wrong_use(
			call->verb, "--duration is a time such as 30s, not \"%s\"", l->duration);
	if (l->batch > BATCH_MAX || l->connections > 65536)
		return cli_wrong_use(
			call->verb, "--batch is at most %d, --connections 65536", BATCH_MAX);
	if (l->secret)
		call->action.config = l->url ? UNREAD_CONFIG : PLAIN_CONFIG;
	return -1;
}

static int
run(struct call *call)
{
	struct load *l = call->options;
	const struct config_source *src;

	if (!call->cfg) /* url and secret are given */
		return go(l, call, NULL);
	src = cli_source(call, l->source);
	if (!src)
		return CLI_USAGE;
	if (!l->secret && src->secrets_count == 0)
		return cli_wrong_use(
			call->verb, "source %s has no secret; give --secret", src->name);
	l->secret = l->secret ? l->secret : src->secrets[0];
	return go(l, call, src->name);
}

const struct verb verb_load = {
	.name = "load",
	.summary = "Test under load: unique signed events at a steady rate",
	.details =
		"Open loop: a request's latency counts from when it was due, whether or not one could be\n"
		"sent then. With --url and --secret no configuration is needed. Total, successful and failed\n"
		"count events, the statuses requests. Exits 0 when every answer was 2xx, otherwise 1.\n",
	.flags =
		(const struct flag[]){
			{"url", 0, FLAG_TEXT, "URL", "post there (the configured address)",
				FLAG_AT(load, url)},
			{"secret", 0, FLAG_TEXT, "TEXT", "sign with it (the source's first)",
				FLAG_AT(load, secret)},
			{"source", 's', FLAG_TEXT, "NAME",
				"source in the configuration (the first)", FLAG_AT(load, source)},
			{"rate", 0, FLAG_NUMBER, "N", "events a second", FLAG_AT(load, rate),
				.fallback = "100"},
			{"duration", 0, FLAG_TEXT, "TIME", "30s, 5m, or plain seconds",
				FLAG_AT(load, duration), .fallback = "10s"},
			{"batch", 0, FLAG_NUMBER, "N", "so many events a request",
				FLAG_AT(load, batch), .fallback = "1"},
			{"connections", 0, FLAG_NUMBER, "N", "at most so many at a time",
				FLAG_AT(load, connections), .fallback = "64"},
			{"type", 't', FLAG_TEXT, "TYPE", "event type", FLAG_AT(load, type),
				.fallback = "email_delivered"},
			{"json", 0, FLAG_SWITCH, NULL, "print one JSON object",
				FLAG_AT(load, json)},
			{.name = NULL},
		},
	.options = sizeof(struct load),
	.actions =
		(const struct action[]){
			{.config = SECRET_CONFIG, .check = check, .run = run},
		},
};
