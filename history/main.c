/* history - keeps every accepted event, beside its handler, to be found, counted and handed on.
 *
 * In: bundles of event frames from every router. Out: rows in the history's store, then verdicts to the
 * retrier. State: none but the group and the bundle in hand. A kill before the flush loses nothing but
 * time: the retrier sends those events again after their lease; after it too, and then they are found
 * to be in. While the disk is full the group in hand is kept and tried again, and nothing more is taken:
 * it waits in the journal, which is not written for it. What cannot be written otherwise is answered
 * `later`. */
#include <stdio.h>

#include "gathering.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/stage/unbundle.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/wire.h"
#include "proto/taker.h"

enum { WORK_MS = 100, WORK_US = 5000, OPEN_MOST = 20, SURVEY_MS = 1000 };
enum { DRAIN_MS = 1000, AGAIN_MS = 1000 };

struct keeper {
	struct stage *st;
	struct history *store;
	struct gathering *group;
	zsock_t *events, *verdicts;
	struct unbundle in; /* the events in hand */
	struct hook *reader, *go_on, *work, *again;
	bool held;        /* the group found the disk full */
	bool paused;      /* nothing is read until `again` */
	uint64_t open;    /* segments that are not sealed yet */
	uint64_t counted; /* of what this process has added, what the figures tell of */
	struct trouble trouble;
};

static void
gather(struct keeper *k)
{
	struct error why = {""};
	struct slice frame;

	for (int taken = 0; taken < GATHERING_EVENTS && gathering_open(k->group) &&
			    unbundle_next(&k->in, k->events, &frame);
		taken++)
		if (!gathering_add(k->group, frame, k->st->cfg->history.raw, &why))
			bad_frame(k->st->metrics, k->st->name, why.text);
}

/* A verdict that cannot be sent is made again: the event comes back after its lease. */
static void
report(struct keeper *k, const char *verdict, const char *reason)
{
	uint64_t seqs[GATHERING_EVENTS];

	for (size_t i = 0; i < k->group->n; i++) {
		const size_t n = gathering_seqs(k->group, i, seqs);

		if (n > 0 && !stage_send_verdict(k->verdicts, k->group->events[i].journal, seqs, n,
				     verdict, slice_of(reason), HISTORY_NAME))
			log_warn("verdict not sent", LF_TEXT("verdict", verdict),
				LF_UINT("events", n));
	}
}

static void
count(struct keeper *k, uint64_t start_us)
{
	struct metrics *m = k->st->metrics;

	metric_observe(m, METRIC_FAMILY_COMMIT, "stage=\"history\"",
		(double)(clock_mono_us() - start_us) / 1e6);
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"history\"", (double)k->group->n);
}

static enum store_cause
cause_of(enum store_rc rc)
{
	if (rc == STORE_OK)
		return CAUSE_NONE;
	return rc == STORE_FULL ? CAUSE_FULL : CAUSE_TROUBLE;
}

static void
hold_on(struct keeper *k)
{
	if (!k->paused)
		stage_read_pause(k->reader, k->events);
	k->paused = true;
	stage_call_after(k->again, AGAIN_MS);
}

static void
go_on(struct keeper *k)
{
	if (k->paused)
		stage_read_on(k->reader, k->events);
	k->paused = false;
	stage_call_after(k->go_on, 0);
}

/* What is tried again is answered when it is in. */
static void
answer(struct keeper *k, enum store_rc rc, const struct error *why)
{
	k->held = rc == STORE_FULL;
	if (k->held)
		return;
	report(k, rc == STORE_OK ? "done" : "later", rc == STORE_OK ? "" : why->text);
	gathering_clear(k->group);
}

/* False when nothing has come, or could be kept. */
static bool
keep_group(struct keeper *k)
{
	const uint64_t start_us = clock_mono_us();
	struct error why = {""};
	enum doing before;
	enum store_rc rc;

	if (!k->held)
		gather(k);
	if (k->group->n == 0) {
		gathering_clear(k->group); /* of bad frames */
		return false;
	}
	before = doing(DOING_FLUSH);
	rc = history_append(k->store, k->group->rows, k->group->n, clock_wall_ms(), NULL, &why);
	doing(before);
	trouble_is(&k->trouble, cause_of(rc), &why);
	if (rc == STORE_OK)
		count(k, start_us);
	answer(k, rc, &why);
	return rc == STORE_OK;
}

/* One group a call: the loop must see signals and timers between two, however much comes in. It wakes
 * for a message, not for what is left of one. */
static void
on_events(void *arg)
{
	struct keeper *k = arg;

	if (k->paused)
		return;
	if (!keep_group(k) && k->trouble.cause != CAUSE_NONE)
		hold_on(k);
	else if (k->in.rest.n > 0)
		stage_call_after(k->go_on, 0);
}

/* A second after one that failed: what it holds, or else what comes. */
static void
on_again(void *arg)
{
	struct keeper *k = arg;

	if (k->held && !keep_group(k))
		hold_on(k);
	else
		go_on(k);
}

/* More, the more segments wait to be sealed: else who sends without a pause would fill the disk, for
 * only what is sealed is compressed, and goes when it must. */
static uint64_t
slice_us(const struct keeper *k)
{
	return WORK_US * (k->open < 1 ? 1 : k->open > OPEN_MOST ? OPEN_MOST : k->open);
}

/* What is due beside the events: sealing, merging, what is too old. Little at a time; while there is
 * more, a slice with each group. */
static void
on_work(void *arg)
{
	struct keeper *k = arg;
	struct error why = {""};
	const enum doing before = doing(DOING_COMPACT);
	const enum history_work work = history_work(k->store, clock_wall_ms(), slice_us(k), &why);

	doing(before);
	if (work == HISTORY_FAILED)
		log_warn("history not tidied", LF_TEXT("cause", why.text));
	stage_call_after(k->work, work == HISTORY_MORE ? 1 : WORK_MS);
}

static struct history_limits
limits_of(const struct config *cfg)
{
	return (struct history_limits){
		.keep_ms = cfg->history.keep_ms,
		.max_bytes = cfg->history.max_bytes,
		.plain = !cfg->history.compress,
	};
}

static void
on_second(void *arg)
{
	struct keeper *k = arg;
	struct metrics *m = k->st->metrics;
	const struct history_limits limits = limits_of(k->st->cfg);
	struct history_figures now;

	history_limit(k->store, &limits);
	history_figures(k->store, &now);
	k->open = now.open;
	*metric(m, METRIC_FAMILY_HISTORY_EVENTS, "") += (double)(now.appended - k->counted);
	k->counted = now.appended;
	*metric(m, METRIC_FAMILY_HISTORY_BYTES, "") = (double)now.bytes;
	*metric(m, METRIC_FAMILY_HISTORY_SEGMENTS, "") = (double)now.segments;
	*metric(m, METRIC_FAMILY_HISTORY_KEEP, "") = (double)limits.keep_ms / 1e3;
}

/* What has come already is kept, for a while; the rest comes back to another process, late. */
static void
on_drain(void *arg)
{
	const uint64_t end_ms = clock_mono_ms() + DRAIN_MS;
	struct keeper *k = arg;

	while (clock_mono_ms() < end_ms && keep_group(k))
		;
	if (k->held) /* by no fault of the events */
		report(k, "later", "its disk is full");
	stage_stop(k->st);
}

static void
open_store(struct keeper *k)
{
	const struct history_limits limits = limits_of(k->st->cfg);
	struct error why = {
		"history.keep is 0s, and no destination reads it: there is nothing to do"};
	char folder[4096];

	if (!config_keeps_history(k->st->cfg))
		stage_fail("cannot start", &why);
	snprintf(folder, sizeof folder, "%s/history", k->st->cfg->data_dir);
	k->store = history_open(folder, &limits, &why);
	k->group = k->store ? gathering_new() : NULL;
	if (!k->group)
		stage_fail("cannot open the history", &why);
}

static void
connect_all(struct keeper *k)
{
	const struct config *cfg = k->st->cfg;
	struct error why = {""};
	bool good;

	k->verdicts = wire_connect(cfg, WIRE_VERDICTS, ZMQ_PUSH, NULL, 0, &why);
	k->events = wire_connect(cfg, WIRE_OWN_ROUTE, ZMQ_PULL, HISTORY_NAME, 0, &why);
	good = k->verdicts && k->events;
	for (size_t i = 1; good && i < cfg->processes.router; i++)
		good = wire_connect_more(k->events, cfg, WIRE_OWN_ROUTE, HISTORY_NAME, i, &why);
	if (!good)
		stage_fail("cannot connect", &why);
}

int
main(int argc, char **argv)
{
	struct keeper k = {.st = stage_new("history", NULL, argc, argv)};

	k.trouble = (struct trouble){.st = k.st, .store = "history"};
	open_store(&k);
	connect_all(&k);
	unbundle_open(&k.in);
	k.go_on = stage_call(k.st, on_events, &k);
	k.work = stage_call(k.st, on_work, &k);
	k.again = stage_call(k.st, on_again, &k);
	k.reader = stage_on_read(k.st, k.events, on_events, &k);
	trouble_open(&k.trouble);
	metric_open(k.st->metrics, METRIC_FAMILY_COMMIT, "stage=\"history\"");
	metric_open(k.st->metrics, METRIC_FAMILY_GROUP, "stage=\"history\"");
	on_second(&k);
	stage_every(k.st, SURVEY_MS, on_second, &k);
	stage_on_drain(k.st, on_drain, &k);
	stage_call_after(k.work, WORK_MS);
	stage_yield();
	stage_run(k.st);

	unbundle_close(&k.in);
	zsock_destroy(&k.events);
	zsock_destroy(&k.verdicts);
	gathering_destroy(&k.group);
	history_close(&k.store);
	return stage_destroy(&k.st);
}
