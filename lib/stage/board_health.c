/* board_health - the alerts that follow from the joined figures, and the health answer; see
 * board.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "board_private.h"
#include "lib/base/clock.h"
#include "lib/base/json.h"
#include "lib/config/config_processes.h"
#include "proto/causes.h"

enum {
	CRITICAL_TIMES = 5,
	NEWEST_MS = 2000, /* with a sample a second: the last 2 to 3 s */
	NAMELESS_S = 600, /* an event without an address is an alert for so long */
	BAD_FRAME_S = 60, /* and a bad frame */
};

/* The figures of the health answer; the rates are those of the last minute. */
struct vitals {
	double accepted, error_percent, average_s, queue;
	double died; /* letters more in the last minute */
	bool shut;   /* of the last seconds' POSTs none was taken, for a fault of ours */
};

/* Each command that does not name a configuration yet is made to. */
static void
name_config(const struct report *r, const char *text, char out[ALERT_TEXT])
{
	const char *end;
	size_t n = 0;

	for (; *text && n + 1 < ALERT_TEXT; text++) {
		out[n++] = *text;
		end = strncmp(text, "`trotline ", 10) == 0 ? strchr(text + 1, '`') : NULL;
		if (!end || !r->config || memmem(text, (size_t)(end - text), " -c ", 4))
			continue;
		n += (size_t)snprintf(out + n, ALERT_TEXT - n, "%.*s -c %s`", (int)(end - text - 1),
			text + 1, r->config);
		n = n < ALERT_TEXT ? n : ALERT_TEXT - 1;
		text = end;
	}
	out[n] = '\0';
}

void
alert(struct report *r, bool critical, const char *fmt, ...)
{
	char text[ALERT_TEXT];
	va_list args;

	if (r->count == ALERTS_MAX)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	name_config(r, text, r->alerts[r->count++]);
	r->degraded = true;
	r->critical |= critical;
}

struct tip
board_tip(const struct report *r, enum advised which, const char *what)
{
	struct tip t = {""};

	advice(which, what, r->config, t.text);
	return t;
}

static void
check_sources(const struct board *b, struct report *r, const struct metrics *m)
{
	const double now_s = (double)clock_wall_ms() / 1e3;

	for (size_t i = 0; i < b->cfg->sources_count; i++) {
		const struct config_source *src = &b->cfg->sources[i];
		const double last = board_value(m, METRIC_FAMILY_ACCEPTED, "source", src->name);

		if (src->silent_after_ms == 0 || last == 0 ||
			(now_s - last) * 1000 < (double)src->silent_after_ms)
			continue;
		alert(r, false,
			"source %s: nothing accepted for %.0f s: look at the provider's side, and at webhook_errors_total for refused signatures",
			src->name, now_s - last);
	}
}

/* The first sign of a version of a provider's webhooks that is not read yet. */
static void
check_addresses(const struct board *b, struct report *r, const struct metrics *m)
{
	const double now_s = (double)clock_wall_ms() / 1e3;

	for (size_t i = 0; i < b->cfg->sources_count; i++) {
		const struct config_source *src = &b->cfg->sources[i];
		const double last =
			board_value(m, METRIC_FAMILY_NO_ADDRESS_AT, "source", src->name);

		if (last > 0 && now_s - last < NAMELESS_S)
			alert(r, false,
				"source %s: an event without an address %.0f s ago: has %s changed "
				"its webhooks? %s, and \"no address\" "
				"in %s/log/validator.0.log",
				src->name, now_s - last, src->provider,
				board_tip(r, ADVICE_LETTERS_OF, src->name).text, b->cfg->data_dir);
	}
}

/* More processes wait for the same store. */
static const char *
what_helps(const struct metrics *m)
{
	return metrics_sum(m, METRIC_FAMILY_TROUBLE, "store=\"state.db\"") > 0 ||
			       metrics_sum(m, METRIC_FAMILY_TROUBLE, "store=\"postgresql\"") > 0
		       ? "the state database is in trouble: see its alert"
		       : "more handler processes may help";
}

static void
check_queue(const struct board *b, struct report *r, const struct metrics *m)
{
	const double queue = metrics_sum(m, METRIC_FAMILY_QUEUE, "");
	const double used = metrics_sum(m, METRIC_FAMILY_JOURNAL_BYTES, "");
	const double limit = metrics_sum(m, METRIC_FAMILY_JOURNAL_LIMIT, "");
	const double oldest_s = metrics_sum(m, METRIC_FAMILY_OLDEST, "");

	if (queue > (double)b->cfg->health.queue_size)
		alert(r, false, "queue: %.0f events wait, more than %llu: %s shows where; %s",
			queue, (unsigned long long)b->cfg->health.queue_size,
			board_tip(r, ADVICE_STATUS, NULL).text, what_helps(m));
	if (oldest_s * 1000 > (double)b->cfg->health.oldest_age_ms)
		alert(r, false,
			"oldest: an event has waited for %.0f s: %s shows what is scheduled, the handlers' logs why",
			oldest_s, board_tip(r, ADVICE_RETRY, NULL).text);
	if (board_full(m))
		alert(r, used >= limit, "journal full: raise journal.max_size or bring %s back",
			board_who_fills(m));
	else if (limit > 0 && used > 0.8 * limit)
		alert(r, false,
			"journal: %.0f %% of its limit is used: bring %s back or raise journal.max_size",
			100 * used / limit, board_who_fills(m));
}

static void
check_letters(
	const struct board *b, struct report *r, const struct metrics *m, const struct vitals *v)
{
	const double used = metrics_sum(m, METRIC_FAMILY_DEAD_BYTES, "");
	const double limit = metrics_sum(m, METRIC_FAMILY_DEAD_LIMIT, "");

	if (v->died > 0)
		alert(r, false,
			"dead letters: %.0f more in the last minute, %.0f in all: "
			"%s tells why, %s brings them back",
			v->died, metrics_sum(m, METRIC_FAMILY_DEAD, ""),
			board_tip(r, ADVICE_LETTERS_SINCE, "2m").text,
			board_tip(r, ADVICE_LETTERS_REPLAY, "2m").text);
	if (limit > 0 && used > 0.9 * limit)
		alert(r, false,
			"dead letter store: %.0f %% of dlq.max_size is used; once full, they stay in the journal: replay, export or drop some",
			100 * used / limit);
	if (metrics_sum(m, METRIC_FAMILY_FAILING, "") > 0)
		alert(r, false,
			"notices: the last one of dead letters reached nobody: %s/log/dlq.0.log tells why; mend `notify`, then %s",
			b->cfg->data_dir, board_tip(r, ADVICE_RELOAD, NULL).text);
}

/* Whoever sends one takes something amiss: its verdicts do not count, and its events come again. */
static void
check_frames(const struct board *b, struct report *r, const struct metrics *m)
{
	const double now_s = (double)clock_wall_ms() / 1e3;
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(b->cfg, plan);

	for (size_t i = 0; i < n; i++) {
		const char *name = plan[i].name;
		const double last = board_value(m, METRIC_FAMILY_BAD_FRAME_AT, "stage", name);

		if (last <= 0 || now_s - last >= BAD_FRAME_S)
			continue;
		alert(r, false,
			"bad frames: %s refused one %.0f s ago, %.0f in all: \"bad frame\" in "
			"%s/log/%s.0.log tells why; `trotline --frames` tells what is right: mend the "
			"handler in another language that sent it",
			name, now_s - last, board_value(m, METRIC_FAMILY_BAD_FRAMES, "stage", name),
			b->cfg->data_dir, name);
	}
}

/* For a reason that nobody expects. */
static void
check_unread_sources(const struct board *b, struct report *r, const struct metrics *m)
{
	const double now_s = (double)clock_wall_ms() / 1e3;

	for (size_t i = 0; i < b->cfg->sources_count; i++) {
		const struct config_source *src = &b->cfg->sources[i];
		const double last = board_value(m, METRIC_FAMILY_UNREAD_AT, "source", src->name);

		if (last > 0 && now_s - last < NAMELESS_S)
			alert(r, false,
				"source %s: a part of a request that was answered 2xx could not be read "
				"%.0f s ago: %s tells why; a newer version "
				"may read it",
				src->name, now_s - last,
				board_tip(r, ADVICE_UNREAD_OF, src->name).text);
	}
}

static void
check_unread(const struct board *b, struct report *r, const struct metrics *m)
{
	const double used = metrics_sum(m, METRIC_FAMILY_UNREAD_BYTES, "");
	const double limit = metrics_sum(m, METRIC_FAMILY_UNREAD_LIMIT, "");

	if (metrics_sum(m, METRIC_FAMILY_UNREAD_FULL, "") > 0)
		alert(r, false,
			"unread store full (unread.max_size): requests with parts that cannot be read are "
			"answered 503: %s, then %s",
			board_tip(r, ADVICE_UNREAD_EXPORT, NULL).text,
			board_tip(r, ADVICE_UNREAD_DROP, NULL).text);
	else if (limit > 0 && used > 0.9 * limit)
		alert(r, false,
			"unread store: %.0f %% of unread.max_size is used; once full, requests with parts "
			"that cannot be read are answered 503: %s, then %s",
			100 * used / limit, board_tip(r, ADVICE_UNREAD_EXPORT, NULL).text,
			board_tip(r, ADVICE_UNREAD_DROP, NULL).text);
	check_unread_sources(b, r, m);
}

static void
check_disk(const struct board *b, struct report *r, const struct metrics *m)
{
	const double free_percent = 100 - 100 * metrics_sum(m, METRIC_FAMILY_DISK, "");

	if (free_percent < b->cfg->health.disk_free_percent)
		alert(r, false,
			"disk: %.1f %% of %s is free; when it is full, POSTs are answered 503: make room",
			free_percent, b->cfg->data_dir);
}

/* Whoever holds them is a stranger: the log names the address, the public page does not. */
static void
check_connections(const struct board *b, struct report *r, const struct metrics *m)
{
	if (board_since(m, METRIC_FAMILY_CONNECTIONS_SHORT) > BOARD_SHORT_S)
		return;
	alert(r, false,
		"connections: out of connections (%.0f of %.0f open), the longest idle give way: \"out of connections\" in %s/log/ingress.0.log names who holds most; block it, or name a proxy in trusted_proxies",
		metrics_sum(m, METRIC_FAMILY_CONNECTIONS, ""),
		metrics_sum(m, METRIC_FAMILY_CONNECTIONS_LIMIT, ""), b->cfg->data_dir);
}

/* Critical is that none is taken: it is over as soon as one is. */
static void
check_rates(
	const struct board *b, struct report *r, const struct metrics *m, const struct vitals *v)
{
	const double most = CRITICAL_TIMES * b->cfg->health.error_rate_percent;
	char causes[ALERT_TEXT / 2];

	if (v->error_percent > b->cfg->health.error_rate_percent)
		alert(r, most < v->error_percent && v->shut,
			"errors: %.1f %% of the last minute's POSTs were answered 5xx%s: see the logs of ingress and validator",
			v->error_percent, board_unable(m, causes));
	if (v->average_s * 1000 > (double)b->cfg->health.processing_time_ms)
		alert(r, false, "slow: %.1f s from acceptance to the end on average: %s",
			v->average_s, what_helps(m));
}

static void
pack_text(msgpack_packer *p, const char *text)
{
	msgpack_pack_str(p, strlen(text));
	msgpack_pack_str_body(p, text, strlen(text));
}

/* For people: thousandths of a percent or of a second are enough. */
static double
thousandths(double value)
{
	return (double)(int64_t)(value * 1e3 + 0.5) / 1e3;
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
	msgpack_pack_double(p, thousandths(v->error_percent));
	pack_text(p, "avg_processing_time_seconds");
	msgpack_pack_double(p, thousandths(v->average_s));
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
vitals_between(const struct totals *then, const struct totals *now)
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

/* What a crowd is refused says nothing of those who come by themselves: whoever likes can be a crowd. */
static bool
is_shut(const struct totals *then, const struct totals *now)
{
	const double failed = now->failed - then->failed, crowd = now->crowd - then->crowd;

	return failed > (crowd > 0 ? crowd : 0) && now->judged <= then->judged;
}

/* Letters more than a minute ago, or than when the dlq was first heard. */
static double
died(const struct board *b, const struct totals *now)
{
	for (size_t i = 0; i < b->held; i++) {
		const double then = b->samples[(b->first + i) % BOARD_SAMPLES].dead;

		if (then >= 0)
			return now->dead > then ? now->dead - then : 0;
	}
	return 0;
}

/* Puts a name in place of a path, wherever it stands in the alerts. */
static void
hide(struct report *r, const char *path, const char *name)
{
	char rest[ALERT_TEXT];

	for (size_t i = 0; i < r->count; i++) {
		char *at = r->alerts[i], *const end = at + ALERT_TEXT;

		while ((at = strstr(at, path))) {
			snprintf(rest, sizeof rest, "%s", at + strlen(path));
			snprintf(at, (size_t)(end - at), "%s%s", name, rest);
			at += strlen(name) < strlen(at) ? strlen(name) : strlen(at);
		}
	}
}

char *
board_health(struct board *b, const struct metrics *joined, uint64_t now_ms,
	enum board_viewer viewer, unsigned *status)
{
	const struct totals now = board_totals(b, joined, now_ms);
	const struct totals then = b->held ? b->samples[b->first] : (struct totals){.dead = -1};
	const struct totals newest = board_ago(b, now_ms, NEWEST_MS);
	struct vitals v = vitals_between(&then, &now);
	struct report *r = calloc(1, sizeof *r);
	char *text;

	if (!r)
		return NULL;
	r->config = viewer == BOARD_STRANGER ? NULL : b->cfg->path;
	v.shut = is_shut(&newest, &now);
	v.accepted = metrics_sum(joined, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
	v.died = died(b, &now);
	v.queue = metrics_sum(joined, METRIC_FAMILY_QUEUE, "");
	board_check_processes(b, r, joined, now_ms);
	board_check_handlers(b, r, joined, now_ms);
	check_sources(b, r, joined);
	board_check_refused(b, r, joined);
	check_addresses(b, r, joined);
	check_queue(b, r, joined);
	board_check_history(b, r, joined);
	board_check_forward(b, r, joined);
	check_letters(b, r, joined, &v);
	check_unread(b, r, joined);
	check_frames(b, r, joined);
	board_check_stores(b, r, joined, now_ms);
	check_disk(b, r, joined);
	check_connections(b, r, joined);
	board_check_astray(b, r, &now, now_ms);
	check_rates(b, r, joined, &v);
	if (viewer == BOARD_STRANGER)
		hide(r, b->cfg->data_dir, "data_dir");
	*status = r->critical ? 503 : 200;
	text = render(r, &v);
	free(r);
	return text;
}
