/* quarantine_retry - see quarantine.h: a request goes in again by the front door, as it came.
 *
 * First it is checked here with the source's present keys, so that what would only come back to the
 * quarantine is not posted; what is posted the validator judges by itself. The request keeps its
 * target, headers and body, so that what was signed is signed still. */
#include <stdio.h>
#include <stdlib.h>

#include "finding.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/base/object.h"
#include "providers/request.h"
#include "providers/source_keys.h"
#include "quarantine.h"
#include "text.h"

enum { TIMEOUT_MS = 15000, ZONE_BYTES = 65536, HTTP_OK = 200 };

struct second_try {
	const struct call *call;
	bool json_lines, named;
	struct fetch *http; /* to the front door */
	struct json_reader *json;
	struct provider_source *keys[CONFIG_SOURCES_MAX]; /* made at the first need */
	msgpack_zone zone;
	uint64_t tried, accepted;
	bool stopped, unanswered;
	struct error why; /* of the one in hand, or why all stops */
};

/* Amazon's, whose URL has passed the rules; the validator checks it once more. */
static struct slice
certificate(void *arg, struct slice url)
{
	struct second_try *r = arg;
	struct fetch *http = http_new(TIMEOUT_MS, NULL);
	struct fetch_answer answer;
	char *text = strndup(url.p, url.n), *copy = NULL;
	struct slice pem = {NULL, 0};

	if (http && text && http_get(http, text, &answer, NULL) && answer.status == HTTP_OK)
		copy = msgpack_zone_malloc_no_align(&r->zone, answer.body.n);
	if (copy) {
		memcpy(copy, answer.body.p, answer.body.n);
		pem = (struct slice){copy, answer.body.n};
	}
	free(text);
	fetch_destroy(&http);
	return pem;
}

static struct provider_source *
keys_of(struct second_try *r, const struct config_source *source)
{
	const size_t i = (size_t)(source - r->call->cfg->sources);

	if (!r->keys[i])
		r->keys[i] = source_keys(source, &r->why);
	return r->keys[i];
}

/* Would the validator take it now? */
static bool
holds(struct second_try *r, const struct request *rq)
{
	const struct config_source *source = config_source_find(r->call->cfg, rq->source);
	struct provider_source *keys = source ? keys_of(r, source) : NULL;
	struct inbound in = {
		.now_ms = clock_wall_ms(),
		.zone = &r->zone,
		.json = r->json,
		.certificate = certificate,
		.known_certificate = certificate,
		.certificate_arg = r,
	};
	struct normals events = {.count = 0};
	enum check_step step;

	request_inbound(rq, r->call->cfg, &in);
	if (!source)
		return error_set(&r->why, "the configuration has no such source");
	if (!keys)
		return false;
	step = provider_check(keys, &in, &events, &r->why);
	if (step == CHECK_STALE)
		error_wrap(&r->why, "its key is right, but a max_age of the source is over");
	return step == CHECK_ACCEPTED || error_wrap(&r->why, "%s", finding_step(step));
}

/* Only to where it was posted before: this source's own path. */
static char *
url_of(struct second_try *r, const struct request *rq)
{
	static const char path[] = "/webhooks/";
	const size_t n = sizeof path - 1 + rq->source.n;
	char *target = rq->target.n > 0 ? strndup(rq->target.p, rq->target.n) : NULL, *url = NULL;

	if (target && strncmp(target, path, sizeof path - 1) == 0 &&
		strncmp(target + sizeof path - 1, rq->source.p, rq->source.n) == 0 &&
		(target[n] == '\0' || target[n] == '/' || target[n] == '?'))
		url = http_url(r->call->cfg, "", target, "");
	else
		error_set(&r->why, "its target is not the path of its source");
	free(target);
	return url;
}

static bool
post(struct second_try *r, const struct request *rq)
{
	struct fetch_answer answer;
	char *url = url_of(r, rq);
	bool ok = url != NULL;

	if (ok && !http_post_as_is(r->http, url, rq->body, &rq->headers, &answer, &r->why)) {
		r->stopped = r->unanswered = true;
		ok = false;
	} else if (ok && answer.status / 100 != 2) {
		ok = error_set(&r->why, "the front door answered %ld %.*s", answer.status,
			answer.body.n < 200 ? (int)answer.body.n : 200, answer.body.p);
	}
	free(url);
	return ok;
}

static void
print(struct second_try *r, const struct quarantined *item, bool accepted)
{
	struct map m = map_in(&r->zone);
	msgpack_object object;

	if (!r->json_lines) {
		printf("%llu ", (unsigned long long)item->number);
		text_print(item->request.source, 0);
		printf(": %s", accepted ? "accepted" : "still refused: ");
		text_print(slice_of(accepted ? "" : r->why.text), 0);
		putchar('\n');
		return;
	}
	map_uint(&m, "number", item->number);
	map_text(&m, "source", item->request.source);
	map_bool(&m, "accepted", accepted);
	map_text(&m, "reason", accepted ? (struct slice){NULL, 0} : slice_of(r->why.text));
	object = map_object(&m);
	object_print(&object);
}

static bool
retry_one(void *arg, const struct quarantined *item)
{
	struct second_try *r = arg;
	bool accepted;

	r->why.text[0] = '\0';
	msgpack_zone_clear(&r->zone);
	accepted = holds(r, &item->request) && post(r, &item->request);
	if (accepted && !quarantine_remove(r->call->quarantine, item->number, &r->why))
		r->stopped = true;
	r->accepted += accepted;
	if (!r->stopped)
		print(r, item, accepted);
	return !r->stopped;
}

static int
result(const struct second_try *r, bool ok)
{
	if (!ok && r->unanswered)
		return cli_no_answer(r->call->verb, r->call->cfg, &r->why);
	if (!ok)
		return cli_failed(r->call->verb, &r->why);
	if (r->tried == 0 && (!r->call->quarantine || r->named))
		return items_nothing(r->call, &quarantine_place);
	if (!r->json_lines)
		printf("%llu accepted, %llu still refused\n", (unsigned long long)r->accepted,
			(unsigned long long)(r->tried - r->accepted));
	return r->accepted == r->tried ? CLI_DONE : CLI_FAILED;
}

int
quarantine_retry(struct call *call)
{
	const struct items_ask *ask = call->options;
	struct second_try r = {.call = call,
		.json_lines = ask->json,
		.named = ask->meant.number != 0,
		.json = json_reader_new()};
	int status;

	error_set(&r.why, "out of memory");
	msgpack_zone_init(&r.zone, ZONE_BYTES);
	r.http = r.json ? http_new(TIMEOUT_MS, &r.why) : NULL;
	status = result(
		&r, r.http && (!call->quarantine || (quarantine_each(call->quarantine, &ask->meant,
							     retry_one, &r, &r.tried, &r.why) &&
							    !r.stopped)));
	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		provider_source_destroy(&r.keys[i]);
	fetch_destroy(&r.http);
	json_reader_destroy(&r.json);
	msgpack_zone_destroy(&r.zone);
	return status;
}
