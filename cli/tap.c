/* tap - follows the PUB feeds of all stages: one JSON object a line.
 *
 * In: frames of one kind. Out: lines on stdout, each written at once; on stderr whether the
 * pipeline is heard. Keeps nothing; what passes before it is connected is not seen. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/base/near.h"
#include "lib/stage/stages.h"
#include "lib/stage/tap.h"
#include "proto/frame.h"

enum { REFRESH_MS = 500, SILENCE_MS = 5000 };

struct tap_kind {
	const char *name;
	const struct frame_schema *schema;
	/* topics whose first messages prove that the feed is connected; the second may be NULL */
	const char *heartbeats[2];
};

static const struct tap_kind kinds[] = {
	{"event", &event_schema, {"stats.router"}},
	{"verdict", &verdict_schema, {"stats.retrier"}},
	{"advice", &advice_schema, {"stats.retrier"}},
	{"stats", &stats_schema, {"stats."}},
	{"refused", &refused_schema, {"stats.validator", "stats.ingress"}},
};

struct tapping {
	const struct tap_kind *kind;
	char topic[256]; /* what is printed: all that begins so, or exactly that */
	bool exact;
	const char *kind_name, *type, *verdict, *stage;
	const char *source; /* events of this one only, or NULL */
	const char *email;  /* likewise, in any case of its letters */
	uint64_t left;      /* lines to print; 0: no end */
	bool json;
	struct tap_feed *feed;
	zsock_t *sock;
	bool heard[2];                /* that heartbeat has come, or there is none */
	uint64_t refresh_at, warn_at; /* CLOCK_MONOTONIC ms; UINT64_MAX: never again */
	msgpack_zone zone;
};

/* CZMQ's own handlers would only end its loops, and a closed pipe is an end like any other. */
static void
catch_signals(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	zsys_handler_set(NULL);
	interrupt_catch();
	sigaction(SIGPIPE, &ignore, NULL);
}

static const struct tap_kind *
find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static bool
wanted(const struct tapping *t, const union any_frame *frame)
{
	const bool refused = t->kind->schema == &refused_schema;
	const struct slice source = refused ? frame->refused.source : frame->event.source;
	const struct slice email = refused ? (struct slice){NULL, 0} : frame->event.email;

	return (!t->source || slice_is(source, t->source)) &&
	       (!t->email || (email.p && email.n == strlen(t->email) &&
				     strncasecmp(email.p, t->email, email.n) == 0));
}

static void
print_frame(struct tapping *t, const void *bytes, size_t n)
{
	union any_frame frame;
	struct error why;
	msgpack_object obj;
	char *line = NULL;

	if (!frame_unpack(t->kind->schema, bytes, n, &t->zone, &frame, &why))
		fprintf(stderr, "trotline tap: bad %s frame: %s\n", t->kind->name, why.text);
	else if (wanted(t, &frame) && frame_object(t->kind->schema, &frame, &t->zone, &obj))
		line = json_write(&obj, false);
	if (line) {
		interrupted |= puts(line) < 0 || fflush(stdout) != 0;
		interrupted |= t->left && --t->left == 0;
	}
	free(line);
	msgpack_zone_clear(&t->zone);
}

/* Is it a first sign of life? After the last of them every frame that is published comes. */
static void
note_heartbeat(struct tapping *t, struct slice topic)
{
	const bool before = t->heard[0] && t->heard[1];

	for (size_t i = 0; i < 2; i++) {
		if (t->heard[i] || !slice_starts(topic, t->kind->heartbeats[i]))
			continue;
		t->heard[i] = true;
		t->warn_at = UINT64_MAX;
		if (strcmp(t->kind->name, "stats") != 0)
			zsock_set_unsubscribe(t->sock, t->kind->heartbeats[i]);
	}
	if (!before && t->heard[0] && t->heard[1])
		fputs("connected\n", stderr);
}

/* One message of two parts, topic and frame. */
static void
take_message(struct tapping *t)
{
	zframe_t *head = zframe_recv(t->sock);
	zframe_t *body = head && zframe_more(head) ? zframe_recv(t->sock) : NULL;
	struct slice topic = {NULL, 0};

	if (body)
		topic = (struct slice){(const char *)zframe_data(head), zframe_size(head)};
	if (topic.p)
		note_heartbeat(t, topic);
	if (topic.p && (t->exact ? slice_is(topic, t->topic) : slice_starts(topic, t->topic)))
		print_frame(t, zframe_data(body), zframe_size(body));
	zframe_destroy(&head);
	zframe_destroy(&body);
}

/* Looks for stages that have appeared, and says once when none is heard. */
static void
refresh(struct tapping *t)
{
	uint64_t now = clock_mono_ms();

	if (now >= t->refresh_at) {
		tap_feed_refresh(t->feed);
		t->refresh_at = now + REFRESH_MS;
	}
	if (now >= t->warn_at) {
		fputs("trotline tap: no stage is heard; is the pipeline up?\n", stderr);
		t->warn_at = UINT64_MAX;
	}
}

static void
follow(struct tapping *t)
{
	while (!interrupted) {
		zmq_pollitem_t items[] = {
			{zsock_resolve(t->sock), 0, ZMQ_POLLIN, 0},
			{NULL, STDOUT_FILENO, ZMQ_POLLERR, 0},
		};
		int n = zmq_poll(items, 2, REFRESH_MS);

		if (n > 0 && items[1].revents & ZMQ_POLLERR)
			break;
		if (n > 0 && items[0].revents & ZMQ_POLLIN)
			take_message(t);
		refresh(t);
	}
}

static int
tap(const struct verb *verb, const struct config *cfg, struct tapping *t)
{
	struct live_stages live;
	struct error why = {""};

	stages_find(cfg, &live);
	if (live.n == 0)
		return cli_down(verb, cfg);
	catch_signals();
	t->feed = tap_feed_new(cfg, t->topic, &why);
	if (!t->feed)
		return cli_failed(verb, &why);
	t->sock = tap_feed_sock(t->feed);
	for (size_t i = 0; i < 2; i++) {
		t->heard[i] = !t->kind->heartbeats[i];
		if (!t->heard[i])
			zsock_set_subscribe(t->sock, t->kind->heartbeats[i]);
	}
	t->warn_at = clock_mono_ms() + SILENCE_MS;
	msgpack_zone_init(&t->zone, 8192);
	follow(t);
	clearerr(stdout); /* a closed pipe */
	msgpack_zone_destroy(&t->zone);
	tap_feed_destroy(&t->feed);
	return CLI_DONE;
}

static int
no_kind(const struct verb *verb, const char *kind)
{
	struct near near = {.word = kind};
	char hint[NEAR_BYTES];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		near_try(&near, kinds[i].name);
	return cli_wrong_use(verb,
		"--kind is event, verdict, advice, stats or refused, not \"%s\"%s", kind,
		near_hint(&near, hint));
}

/* Which frames are meant. */
static int
check(struct call *call)
{
	const struct verb *verb = call->verb;
	struct tapping *t = call->options;
	const char *implied = t->verdict ? "verdict" : t->stage ? "stats" : "event";
	const char *kind = t->kind_name ? t->kind_name : implied;
	const char *detail = t->type ? t->type : t->verdict ? t->verdict : t->stage;

	t->kind = find_kind(kind);
	if (!t->kind)
		return no_kind(verb, kind);
	if (t->source && !t->type && !t->email && strcmp(kind, "refused") == 0)
		detail = NULL;
	else if ((t->type || t->source || t->email) && strcmp(kind, "event") != 0)
		return cli_wrong_use(
			verb, t->email ? "--email goes with --kind event only"
				       : "--type and --source go with --kind event only");
	if ((t->verdict || t->stage) && strcmp(kind, implied) != 0)
		return cli_wrong_use(verb, "--verdict and --stage ask for kinds of their own");
	if (t->verdict && t->stage)
		return cli_wrong_use(verb, "--verdict and --stage do not go together");
	t->exact = detail != NULL;
	snprintf(t->topic, sizeof t->topic, "%s.%s", kind, detail ? detail : "");
	return -1;
}

static int
run(struct call *call)
{
	return tap(call->verb, call->cfg, call->options);
}

const struct verb verb_tap = {
	.name = "tap",
	.summary = "Follow what goes through the pipeline, one JSON object a line",
	.details =
		"Says `connected` on stderr once it hears the pipeline. For watching only: a tap that does\n"
		"not keep up misses lines, and nobody waits for it. SIGINT, SIGTERM or a closed pipe ends it.\n"
		"--kind refused shows requests and events that were refused, 50 a second at most: at which\n"
		"step, and what was expected there. Exits 3 when the pipeline is down.\n",
	.flags =
		(const struct flag[]){
			{"type", 't', FLAG_TEXT, "TYPE", "only events of this type",
				FLAG_AT(tapping, type)},
			{"source", 's', FLAG_TEXT, "NAME", "only events from this source",
				FLAG_AT(tapping, source)},
			{"email", 'e', FLAG_TEXT, "ADDRESS", "only events about this recipient",
				FLAG_AT(tapping, email)},
			{"verdict", 'v', FLAG_TEXT, "VERDICT", "verdicts: done, retry, dead ...",
				FLAG_AT(tapping, verdict)},
			{"stage", 0, FLAG_TEXT, "STAGE", "figures of this stage",
				FLAG_AT(tapping, stage)},
			{"kind", 'k', FLAG_TEXT, "KIND",
				"event (as routed), verdict, advice, stats, refused",
				FLAG_AT(tapping, kind_name)},
			{"count", 'n', FLAG_NUMBER, "N", "end after so many lines",
				FLAG_AT(tapping, left)},
			{"json", 0, FLAG_SWITCH, NULL, "as it does without",
				FLAG_AT(tapping, json)},
			{.name = NULL},
		},
	.options = sizeof(struct tapping),
	.actions =
		(const struct action[]){
			{.config = PLAIN_CONFIG, .check = check, .run = run},
		},
};
