/* figures - see figures.h. */
#include "figures.h"

#include "cli.h"

#include <stdlib.h>

#include "figures_forward.h"
#include "http.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "lib/base/map.h"
#include "lib/stage/board.h"
#include "lib/stage/tap.h"
#include "proto/frame.h"
#include "proto/processes.h"

enum {
	PROCESSES_MAX = 512,
	SAMPLES = 5,
	SAMPLE_MS = 400,
	STALE_MS = 5000,
	ANSWERS_MS = 10000,
	REFRESH_MS = 500,
	ASK_MS = 500
};

/* A running total at a few times, newest last. */
struct rate {
	uint64_t at_ms[SAMPLES];
	double total[SAMPLES];
	size_t n;
};

struct heard_process {
	char stage[WIDTH_WHO + 1];
	uint64_t instance, pid, loaded, heard_ms;
	bool draining;
	struct error kept;
	struct rate rate, accepted, done;
};

struct figures {
	const struct config *cfg;
	struct tap_feed *feed;
	struct board *board;
	struct fetch *http; /* asks the pipeline for its health */
	char *health_url;
	struct heard_process processes[PROCESSES_MAX];
	size_t count;
	struct rate answers[CONFIG_HANDLERS_MAX]; /* of handlers that say nothing of themselves */
	struct rate delivered[CONFIG_FORWARD_MAX];
	uint64_t refresh_ms;
	msgpack_zone zone;
};

/* What the rate of a process counts, by its row in the table. */
#define COUNTER(id, name, count, need, secrets, stores, figure, labels, purpose)                   \
	{METRIC_FAMILY_##figure, labels},
static const struct {
	enum metric_family family;
	const char *labels;
} counters[PROCESSES_COUNT] = {PROCESSES(COUNTER)};

struct figures *
figures_new(const struct config *cfg, struct error *why)
{
	struct figures *f = calloc(1, sizeof *f);

	if (!f) {
		error_set(why, "memory is short");
		return NULL;
	}
	f->cfg = cfg;
	msgpack_zone_init(&f->zone, 16384);
	f->http = http_new(ASK_MS, NULL);
	f->health_url = http_url(cfg, "/webhooks/health", "", "");
	f->feed = tap_feed_new(cfg, "stats", why);
	f->board = f->feed ? board_new(cfg, "", 0) : NULL;
	if (!f->board)
		figures_destroy(&f);
	return f;
}

void
figures_destroy(struct figures **f)
{
	if (!*f)
		return;
	tap_feed_destroy(&(*f)->feed);
	board_destroy(&(*f)->board);
	fetch_destroy(&(*f)->http);
	free((*f)->health_url);
	msgpack_zone_destroy(&(*f)->zone);
	free(*f);
	*f = NULL;
}

/* ---- hearing ---- */

/* A total that falls is that of a process that began anew. */
static void
rate_add(struct rate *r, uint64_t now_ms, double total)
{
	if (r->n > 0 && total < r->total[r->n - 1])
		r->n = 0;
	if (r->n > 0 && now_ms - r->at_ms[r->n - 1] < SAMPLE_MS)
		return;
	if (r->n == SAMPLES) {
		memmove(r->at_ms, r->at_ms + 1, sizeof r->at_ms - sizeof *r->at_ms);
		memmove(r->total, r->total + 1, sizeof r->total - sizeof *r->total);
		r->n--;
	}
	r->at_ms[r->n] = now_ms;
	r->total[r->n++] = total;
}

static double
rate_of(const struct rate *r)
{
	const size_t last = r->n - 1;

	if (r->n < 2)
		return 0;
	return (r->total[last] - r->total[0]) * 1e3 / (double)(r->at_ms[last] - r->at_ms[0]);
}

static struct heard_process *
process_of(struct figures *f, const struct stats *stats)
{
	struct heard_process *p;

	for (size_t i = 0; i < f->count; i++)
		if (f->processes[i].instance == stats->instance &&
			slice_is(stats->stage, f->processes[i].stage))
			return &f->processes[i];
	if (f->count == PROCESSES_MAX)
		return NULL;
	p = &f->processes[f->count++];
	snprintf(p->stage, sizeof p->stage, "%.*s", SLICE_ARG(stats->stage));
	p->instance = stats->instance;
	return p;
}

/* The retrier counts what they answer. */
static void
take_answers(struct figures *f, const struct metrics *m, uint64_t now_ms)
{
	char part[80];

	for (size_t i = 0; i < f->cfg->handlers_count; i++) {
		if (f->cfg->handlers[i].processes > 0)
			continue;
		snprintf(part, sizeof part, "handler=\"%s\"", f->cfg->handlers[i].name);
		rate_add(&f->answers[i], now_ms, metrics_sum(m, METRIC_FAMILY_VERDICTS, part));
	}
}

static void
take_delivered(struct figures *f, const struct metrics *m, uint64_t now_ms)
{
	char part[96];

	for (size_t i = 0; i < f->cfg->forward_count; i++) {
		snprintf(part, sizeof part, "destination=\"%s\"", f->cfg->forward[i].name);
		rate_add(&f->delivered[i], now_ms,
			metrics_sum(m, METRIC_FAMILY_FORWARD_DELIVERED, part));
	}
}

static void
take_rates(
	struct figures *f, struct heard_process *p, const msgpack_object *values, uint64_t now_ms)
{
	const size_t place = process_place(p->stage);
	struct metrics *m = metrics_new();

	if (!m)
		return;
	metrics_join(m, values, METRICS_ALL);
	if (place < PROCESSES_COUNT)
		rate_add(&p->rate, now_ms,
			metrics_sum(m, counters[place].family, counters[place].labels));
	rate_add(&p->accepted, now_ms, metrics_sum(m, METRIC_FAMILY_EVENTS, "status=\"accepted\""));
	rate_add(&p->done, now_ms, metrics_count(m, METRIC_FAMILY_DURATION, ""));
	if (place == PROCESS_FORWARD)
		take_delivered(f, m, now_ms);
	if (place == PROCESS_RETRIER)
		take_answers(f, m, now_ms);
	metrics_destroy(&m);
}

static void
hear(struct figures *f, const void *bytes, size_t n)
{
	const uint64_t now_ms = clock_mono_ms();
	struct stats stats;
	struct heard_process *p;

	board_hear(f->board, bytes, n, now_ms, NULL);
	msgpack_zone_clear(&f->zone);
	if (!frame_unpack(&stats_schema, bytes, n, &f->zone, &stats, NULL) ||
		!(p = process_of(f, &stats)))
		return;
	if (p->pid != stats.pid)
		p->rate.n = p->accepted.n = p->done.n = 0;
	p->pid = stats.pid;
	p->loaded = stats.loaded;
	p->draining = stats.draining;
	error_set(&p->kept, "%.*s", SLICE_ARG(stats.kept));
	p->heard_ms = now_ms;
	take_rates(f, p, &stats.metrics, now_ms);
}

static void
hear_all(struct figures *f)
{
	void *sock = zsock_resolve(tap_feed_sock(f->feed));
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	while (zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) >= 0)
		if (!zmq_msg_more(&msg))
			hear(f, zmq_msg_data(&msg), zmq_msg_size(&msg));
	zmq_msg_close(&msg);
}

/* Once in a while: stages that have come since, and the totals that health is told from. */
static void
sum_up(struct figures *f)
{
	const uint64_t now_ms = clock_mono_ms();
	const struct metrics *all;

	if (now_ms < f->refresh_ms)
		return;
	f->refresh_ms = now_ms + REFRESH_MS;
	tap_feed_refresh(f->feed);
	all = board_join(f->board, NULL, now_ms);
	if (!all)
		return;
	board_sample(f->board, all, now_ms);
}

void
figures_listen(struct figures *f, uint64_t ms, int fd)
{
	const uint64_t end_ms = clock_mono_ms() + ms;
	uint64_t now_ms = clock_mono_ms();

	while (now_ms < end_ms) {
		zmq_pollitem_t items[] = {
			{zsock_resolve(tap_feed_sock(f->feed)), 0, ZMQ_POLLIN, 0},
			{NULL, fd, ZMQ_POLLIN, 0},
		};
		const uint64_t left = end_ms - now_ms;
		const int n = zmq_poll(items, fd >= 0 ? 2 : 1, left < 100 ? (long)left : 100);

		hear_all(f);
		sum_up(f);
		if (n < 0 || (n > 0 && fd >= 0 && items[1].revents))
			return;
		now_ms = clock_mono_ms();
	}
}

static bool
lives(const struct heard_process *p)
{
	return clock_mono_ms() - p->heard_ms < STALE_MS;
}

size_t
figures_heard(const struct figures *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += lives(&f->processes[i]);
	return n;
}

uint64_t
figures_loaded(const struct figures *f, const char *stage, uint64_t instance)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->processes[i].instance == instance &&
			strcmp(f->processes[i].stage, stage) == 0)
			return f->processes[i].loaded;
	return 0;
}

const char *
figures_kept(const struct figures *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (lives(&f->processes[i]) && *f->processes[i].kept.text)
			return f->processes[i].kept.text;
	return "";
}

/* ---- telling ---- */

static const char *
state_of(const struct heard_process *p)
{
	if (!lives(p))
		return "silent";
	return p->draining ? "draining" : "running";
}

static int
compare(const void *a, const void *b)
{
	const struct heard_process *x = a, *y = b;
	const int places = (int)process_place(x->stage) - (int)process_place(y->stage);
	const int names = strcmp(x->stage, y->stage);

	if (places || names)
		return places ? places : names;
	return x->instance < y->instance ? -1 : x->instance > y->instance;
}

static void
put_double(struct map *m, const char *key, double value)
{
	map_put(m, key, (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64, .via.f64 = value});
}

/* One digit behind the point. */
static void
put_rate(struct map *m, const char *key, double rate)
{
	put_double(m, key, (double)(int64_t)(rate * 10 + 0.5) / 10);
}

static void
put_rates(const struct figures *f, struct map *m)
{
	double accepted = 0, done = 0;

	for (size_t i = 0; i < f->count; i++) {
		accepted += rate_of(&f->processes[i].accepted);
		done += rate_of(&f->processes[i].done);
	}
	put_rate(m, "accepted_per_second", accepted);
	put_rate(m, "done_per_second", done);
}

static msgpack_object
process_object(const struct heard_process *p, msgpack_zone *zone)
{
	struct map m = map_in(zone);

	map_text(&m, "stage", slice_of(p->stage));
	map_uint(&m, "instance", p->instance);
	map_uint(&m, "pid", p->pid);
	map_text(&m, "state", slice_of(state_of(p)));
	put_rate(&m, "per_second", rate_of(&p->rate));
	map_time(&m, "configured_at", p->loaded);
	return map_object(&m);
}

/* A handler that the pipeline does not start says nothing of itself; what the retrier knows of it is told. */
static msgpack_object
by_hand_object(
	const char *stage, double answered_s, double waiting, double rate, msgpack_zone *zone)
{
	const double ago_s = (double)clock_wall_ms() / 1e3 - answered_s;
	struct map m = map_in(zone);

	map_text(&m, "stage", slice_of(stage));
	map_uint(&m, "instance", 0);
	map_nil(&m, "pid");
	map_text(&m, "state",
		slice_of(ago_s * 1e3 < ANSWERS_MS ? "answers"
			 : waiting > 0            ? "silent"
						  : "by hand"));
	put_rate(&m, "per_second", rate);
	map_nil(&m, "configured_at");
	map_time(&m, "last_answer_at", (uint64_t)(answered_s * 1e3));
	return map_object(&m);
}

static bool
is_heard(const struct figures *f, const char *stage)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->processes[i].stage, stage) == 0)
			return true;
	return false;
}

static void
add_by_hand(const struct figures *f, struct list *stages, const struct metrics *all)
{
	for (size_t i = 0; i < f->cfg->handlers_count; i++) {
		const struct config_handler *h = &f->cfg->handlers[i];
		char stage[80], part[80];

		snprintf(stage, sizeof stage, "handler-%s", h->name);
		snprintf(part, sizeof part, "handler=\"%s\"", h->name);
		if (h->processes == 0 && !is_heard(f, stage))
			list_add(stages, by_hand_object(stage,
						 metrics_sum(all, METRIC_FAMILY_ANSWERED, part),
						 metrics_sum(all, METRIC_FAMILY_WAITING, part),
						 rate_of(&f->answers[i]), stages->zone));
	}
}

/* The gauges that tell how full things are. */
static const struct {
	const char *key;
	enum metric_family family;
} gauges[] = {
	{"waiting", METRIC_FAMILY_QUEUE},
	{"scheduled", METRIC_FAMILY_SCHEDULED},
	{"oldest_age_seconds", METRIC_FAMILY_OLDEST},
	{"history_waiting", METRIC_FAMILY_HISTORY_WAITING},
	{"history_lag_seconds", METRIC_FAMILY_HISTORY_LAG},
	{"history_missed", METRIC_FAMILY_HISTORY_MISSED},
	{"dead_letters", METRIC_FAMILY_DEAD},
	{"remembered", METRIC_FAMILY_REMEMBERED},
	{"journal_used_bytes", METRIC_FAMILY_JOURNAL_BYTES},
	{"journal_limit_bytes", METRIC_FAMILY_JOURNAL_LIMIT},
	{"disk_used_ratio", METRIC_FAMILY_DISK},
};

static void
put_number(struct map *m, const char *key, double value)
{
	if (value == (double)(uint64_t)value)
		map_uint(m, key, (uint64_t)value);
	else
		put_double(m, key, value);
}

static void
put_handlers(const struct figures *f, struct map *m, const struct metrics *all)
{
	struct map waiting = map_in(m->zone);

	for (size_t i = 0; i < f->cfg->handlers_count; i++) {
		char part[80];
		double n;

		snprintf(part, sizeof part, "handler=\"%s\"", f->cfg->handlers[i].name);
		n = metrics_sum(all, METRIC_FAMILY_WAITING, part);
		if (n > 0)
			put_number(&waiting, f->cfg->handlers[i].name, n);
	}
	map_put(m, "waiting_by_handler", map_object(&waiting));
}

static bool
read_health(struct slice text, msgpack_zone *zone, msgpack_object *health)
{
	struct json_reader *reader = json_reader_new();
	const msgpack_object *alerts = NULL;

	if (reader && json_read(reader, text, zone, health, NULL))
		alerts = field_get(health, "alerts");
	json_reader_destroy(&reader);
	return alerts && alerts->type == MSGPACK_OBJECT_ARRAY && field_str(health, "status").p;
}

/* The public page tells strangers no path: it is put back, for whoever asks here may know. */
static char *
for_operator(const struct figures *f, struct slice alert)
{
	static const char command[] = "`trotline ", place[] = "data_dir/";
	size_t n = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &n);
	bool within = false;

	for (size_t i = 0; out && i < alert.n; i++) {
		const struct slice rest = {alert.p + i, alert.n - i};

		if (alert.p[i] == '`' && within && cli_config)
			fprintf(out, " -c %s", cli_config);
		within = alert.p[i] == '`' ? slice_starts(rest, command) : within;
		if (slice_starts(rest, place)) {
			fprintf(out, "%s/", f->cfg->data_dir);
			i += sizeof place - 2;
		} else
			fputc(alert.p[i], out);
	}
	if (out)
		fclose(out);
	return text;
}

static bool
tell_operator(const struct figures *f, const msgpack_object *alerts, msgpack_zone *zone)
{
	for (uint32_t i = 0; i < alerts->via.array.size; i++) {
		msgpack_object *alert = &alerts->via.array.ptr[i];
		char *text = for_operator(f, object_str(alert));
		const size_t n = text ? strlen(text) : 0;
		char *kept = text ? msgpack_zone_malloc_no_align(zone, n + 1) : NULL;

		if (kept)
			*alert = object_of_text((struct slice){memcpy(kept, text, n), n});
		free(text);
		if (!kept)
			return false;
	}
	return true;
}

/* What the pipeline answers, which knows the last minute. */
static bool
ask_health(struct figures *f, msgpack_zone *zone, msgpack_object *health)
{
	struct fetch_answer answer;

	return f->http && f->health_url && http_get(f->http, f->health_url, &answer, NULL) &&
	       read_health(answer.body, zone, health) &&
	       tell_operator(f, field_get(health, "alerts"), zone);
}

/* Where it does not answer: what follows from the figures heard here. */
static bool
make_health(
	struct figures *f, const struct metrics *all, msgpack_zone *zone, msgpack_object *health)
{
	unsigned status;
	char *text = board_health(f->board, all, clock_mono_ms(), BOARD_OPERATOR, &status);
	const bool good = text && read_health(slice_of(text), zone, health);

	free(text);
	return good;
}

/* The health answer, whose keys become ours. */
static bool
put_health(struct figures *f, struct map *m, const struct metrics *all)
{
	msgpack_object health;

	if (!ask_health(f, m->zone, &health) && !make_health(f, all, m->zone, &health))
		return false;
	map_put(m, "status", *field_get(&health, "status"));
	map_put(m, "alerts", *field_get(&health, "alerts"));
	return true;
}

static void
put_destinations(const struct figures *f, struct map *m, const struct metrics *all)
{
	double rates[CONFIG_FORWARD_MAX];

	for (size_t i = 0; i < f->cfg->forward_count; i++)
		rates[i] = rate_of(&f->delivered[i]);
	map_put(m, "destinations", figures_destinations(f->cfg, all, rates, m->zone));
}

static bool
fill(struct figures *f, struct map *m, const struct metrics *all)
{
	struct list stages = list_in(m->zone);

	if (!put_health(f, m, all))
		return false;
	put_rates(f, m);
	for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
		put_number(m, gauges[i].key, metrics_sum(all, gauges[i].family, ""));
	put_handlers(f, m, all);
	put_destinations(f, m, all);
	qsort(f->processes, f->count, sizeof *f->processes, compare);
	for (size_t i = 0; i < f->count; i++)
		list_add(&stages, process_object(&f->processes[i], m->zone));
	add_by_hand(f, &stages, all);
	map_put(m, "stages", list_object(&stages));
	return !m->short_of_memory && !stages.short_of_memory;
}

bool
figures_object(struct figures *f, msgpack_zone *zone, msgpack_object *out)
{
	const struct metrics *all = board_join(f->board, NULL, clock_mono_ms());
	struct map m = map_in(zone);
	const bool good = all && fill(f, &m, all);

	*out = map_object(&m);
	return good;
}
