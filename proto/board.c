/* board - see board.h. */
#include "board.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "json.h"

enum { PROCESSES_MAX = 512, STALE_MS = 5000, SAMPLES = 60, SAMPLE_MS = 1000, CRITICAL_TIMES = 5, ALERTS_MAX = 96, ALERT_TEXT = 256 };

struct process {
	char stage[64];
	uint64_t instance, heard_ms;
	char *frame; /* the last stats frame */
	size_t n;
};

/* Running totals at one time. */
struct sample {
	uint64_t at_ms;
	double requests, failed, duration_sum, duration_count;
};

struct board {
	const struct config *cfg;
	uint64_t ignored; /* instance of ingress */
	struct process processes[PROCESSES_MAX];
	size_t count;
	struct sample samples[SAMPLES]; /* ring */
	size_t first, held;
};

/* The figures of the health answer; the rates are those of the last minute. */
struct vitals {
	double accepted, error_percent, average_s, queue;
};

/* What the figures say. */
struct report {
	char alerts[ALERTS_MAX][ALERT_TEXT];
	size_t count;
	bool degraded, critical;
};

struct board *
board_new(const struct config *cfg)
{
	struct board *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->cfg = cfg;
	b->ignored = UINT64_MAX;
	return b;
}

void
board_ignore(struct board *b, uint64_t instance)
{
	b->ignored = instance;
}

void
board_destroy(struct board **b)
{
	if (!*b)
		return;
	for (size_t i = 0; i < (*b)->count; i++)
		free((*b)->processes[i].frame);
	free(*b);
	*b = NULL;
}

static struct process *
process_of(struct board *b, struct slice stage, uint64_t instance)
{
	struct process *p;

	if (instance == b->ignored && slice_is(stage, "ingress"))
		return NULL;
	for (size_t i = 0; i < b->count; i++)
		if (b->processes[i].instance == instance && slice_is(stage, b->processes[i].stage))
			return &b->processes[i];
	if (b->count == PROCESSES_MAX)
		return NULL;
	p = &b->processes[b->count++];
	snprintf(p->stage, sizeof p->stage, "%.*s", SLICE_ARG(stage));
	p->instance = instance;
	return p;
}

void
board_hear(struct board *b, const void *frame, size_t n, uint64_t now_ms)
{
	struct process *p = NULL;
	struct stats stats;
	msgpack_zone zone;
	char *copy;

	if (!msgpack_zone_init(&zone, 4096))
		return;
	if (frame_unpack(&stats_schema, frame, n, &zone, &stats, NULL))
		p = process_of(b, stats.stage, stats.instance);
	msgpack_zone_destroy(&zone);
	copy = p ? realloc(p->frame, n) : NULL;
	if (!copy)
		return;
	memcpy(copy, frame, n);
	p->frame = copy;
	p->n = n;
	p->heard_ms = now_ms;
}

static bool
lives(const struct process *p, uint64_t now_ms)
{
	return p->frame && now_ms - p->heard_ms < STALE_MS;
}

static void
join_one(struct metrics *into, const struct process *p)
{
	struct stats stats;
	msgpack_zone zone;

	if (!msgpack_zone_init(&zone, 16384))
		return;
	if (frame_unpack(&stats_schema, p->frame, p->n, &zone, &stats, NULL))
		metrics_join(into, &stats.metrics);
	msgpack_zone_destroy(&zone);
}

static void
join_own(struct metrics *into, const struct metrics *own)
{
	msgpack_object values;
	msgpack_zone zone;

	if (!msgpack_zone_init(&zone, 16384))
		return;
	if (metrics_object(own, &zone, &values))
		metrics_join(into, &values);
	msgpack_zone_destroy(&zone);
}

/* Counters of a process that is gone still count; its gauges do no harm for as long. */
struct metrics *
board_join(const struct board *b, const struct metrics *own, uint64_t now_ms)
{
	struct metrics *all = metrics_new();
	char labels[96];

	if (!all)
		return NULL;
	join_own(all, own);
	++*metric(all, METRIC_FAMILY_PROCESSES, "stage=\"ingress\"");
	for (size_t i = 0; i < b->count; i++) {
		join_one(all, &b->processes[i]);
		snprintf(labels, sizeof labels, "stage=\"%s\"", b->processes[i].stage);
		*metric(all, METRIC_FAMILY_PROCESSES, labels) += lives(&b->processes[i], now_ms);
	}
	return all;
}

static struct sample
totals(const struct metrics *m, uint64_t now_ms)
{
	return (struct sample){
		.at_ms = now_ms,
		.requests = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\""),
		.failed = metrics_sum(m, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"5") +
	                  metrics_sum(m, METRIC_FAMILY_EVENTS, "status=\"dead\""),
		.duration_sum = metrics_sum(m, METRIC_FAMILY_DURATION, ""),
		.duration_count = metrics_count(m, METRIC_FAMILY_DURATION, ""),
	};
}

void
board_sample(struct board *b, const struct metrics *joined, uint64_t now_ms)
{
	const size_t newest = (b->first + b->held + SAMPLES - 1) % SAMPLES;

	if (b->held > 0 && now_ms - b->samples[newest].at_ms < SAMPLE_MS)
		return;
	if (b->held == SAMPLES) {
		b->first = (b->first + 1) % SAMPLES;
		b->held--;
	}
	b->samples[(b->first + b->held++) % SAMPLES] = totals(joined, now_ms);
}

__attribute__((format(printf, 3, 4))) static void
alert(struct report *r, bool critical, const char *fmt, ...)
{
	va_list args;

	if (r->count == ALERTS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(r->alerts[r->count++], ALERT_TEXT, fmt, args);
	va_end(args);
	r->degraded = true;
	r->critical |= critical;
}

static size_t
count_alive(const struct board *b, const char *stage, uint64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++)
		n += strcmp(b->processes[i].stage, stage) == 0 && lives(&b->processes[i], now_ms);
	return n;
}

/* Without a validator nothing can be accepted; anything else only delays what is stored. */
static void
check_stages(const struct board *b, struct report *r, uint64_t now_ms)
{
	static const char *const stages[] = {"validator", "router", "retrier", "dlq"};
	char name[80];

	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (count_alive(b, stages[i], now_ms) == 0)
			alert(r, i == 0, "stage %s has no live process: see its log in %s/log",
				stages[i], b->cfg->data_dir);
	for (size_t i = 0; i < b->cfg->handlers_count; i++) {
		snprintf(name, sizeof name, "handler-%s", b->cfg->handlers[i].name);
		if (b->cfg->handlers[i].processes > 0 && count_alive(b, name, now_ms) == 0)
			alert(r, false, "stage %s has no live process: its events wait", name);
	}
}

static void
check_queue(const struct board *b, struct report *r, const struct metrics *m)
{
	const double queue = metrics_sum(m, METRIC_FAMILY_QUEUE, "");
	const double used = metrics_sum(m, METRIC_FAMILY_JOURNAL_BYTES, "");
	const double limit = metrics_sum(m, METRIC_FAMILY_JOURNAL_LIMIT, "");

	if (queue > (double)b->cfg->health.queue_size)
		alert(r, false, "queue: %.0f events wait, more than %llu", queue,
			(unsigned long long)b->cfg->health.queue_size);
	if (limit > 0 && used >= limit)
		alert(r, true, "journal full: raise journal.max_size or bring its handlers back");
	else if (limit > 0 && used > 0.8 * limit)
		alert(r, false, "journal: %.0f %% of its limit is used", 100 * used / limit);
}

static void
check_rates(const struct board *b, struct report *r, const struct vitals *v)
{
	if (v->error_percent > b->cfg->health.error_rate_percent)
		alert(r, v->error_percent > CRITICAL_TIMES * b->cfg->health.error_rate_percent,
			"errors: %.1f %% of the last minute's requests or events failed",
			v->error_percent);
	if (v->average_s * 1000 > (double)b->cfg->health.processing_time_ms)
		alert(r, false, "slow: %.1f s from acceptance to the end on average", v->average_s);
}

static void
pack_text(msgpack_packer *p, const char *text)
{
	msgpack_pack_str(p, strlen(text));
	msgpack_pack_str_body(p, text, strlen(text));
}

static void
pack_health(msgpack_packer *p, const struct report *r, const struct vitals *v)
{
	msgpack_pack_map(p, 3);
	pack_text(p, "status");
	pack_text(p, r->critical ? "critical" : r->degraded ? "degraded" : "healthy");
	pack_text(p, "metrics");
	msgpack_pack_map(p, 4);
	pack_text(p, "total_events");
	msgpack_pack_uint64(p, (uint64_t)v->accepted);
	pack_text(p, "error_rate_percent");
	msgpack_pack_double(p, v->error_percent);
	pack_text(p, "avg_processing_time_seconds");
	msgpack_pack_double(p, v->average_s);
	pack_text(p, "current_queue_size");
	msgpack_pack_uint64(p, (uint64_t)v->queue);
	pack_text(p, "alerts");
	msgpack_pack_array(p, r->count);
	for (size_t i = 0; i < r->count; i++)
		pack_text(p, r->alerts[i]);
}

static char *
render(const struct report *r, const struct vitals *v)
{
	msgpack_sbuffer packed;
	msgpack_packer packer;
	msgpack_object object;
	msgpack_zone zone;
	size_t at = 0;
	char *text = NULL;

	msgpack_sbuffer_init(&packed);
	msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
	pack_health(&packer, r, v);
	if (msgpack_zone_init(&zone, 4096)) {
		if (msgpack_unpack(packed.data, packed.size, &at, &zone, &object) ==
			MSGPACK_UNPACK_SUCCESS)
			text = json_write(&object, false);
		msgpack_zone_destroy(&zone);
	}
	msgpack_sbuffer_destroy(&packed);
	return text;
}

/* What happened between two samples; a process that began anew counts from 0 again. */
static struct vitals
vitals_between(const struct sample *then, const struct sample *now)
{
	const double requests = now->requests - then->requests;
	const double finished = now->duration_count - then->duration_count;
	const double failed = now->failed - then->failed;
	const double lasted = now->duration_sum - then->duration_sum;

	return (struct vitals){
		.error_percent = requests > 0 && failed > 0 ? 100 * failed / requests : 0,
		.average_s = finished > 0 && lasted > 0 ? lasted / finished : 0,
	};
}

char *
board_health(struct board *b, const struct metrics *joined, uint64_t now_ms, unsigned *status)
{
	const struct sample now = totals(joined, now_ms);
	const struct sample then = b->held ? b->samples[b->first] : (struct sample){0};
	struct vitals v = vitals_between(&then, &now);
	struct report *r = calloc(1, sizeof *r);
	char *text;

	if (!r)
		return NULL;
	v.accepted = metrics_sum(joined, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
	v.queue = metrics_sum(joined, METRIC_FAMILY_QUEUE, "");
	check_stages(b, r, now_ms);
	check_queue(b, r, joined);
	check_rates(b, r, &v);
	*status = r->critical ? 503 : 200;
	text = render(r, &v);
	free(r);
	return text;
}
