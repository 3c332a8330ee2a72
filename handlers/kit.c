/* kit - see kit.h.
 *
 * In: bundles of event frames from every router. Out: rows in the state database, then verdicts to
 * the retrier. State: none but the group and the bundle in hand. A kill before the commit loses
 * nothing but time: the retrier sends those events again after their lease; after it too, and then
 * they are found applied and reported done. The one event that was in hand is reported as RETRY by
 * the next process. */
#include "kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "group.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/stage/unbundle.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/wire.h"

enum { REPORT_MS = 100, DRAIN_MS = 1000, LOOK_MS = 1000, TELL_MS = 1000, TIMES = 5 };

/* Why a group is applied again at once, as a label. */
#define DEADLOCK "reason=\"deadlock\""
#define SPOILT "reason=\"event\""

struct kit {
	struct stage *stage;
	const char *name; /* of the handler, as in verdicts */
	handler_fn *fn;
	struct state *db;
	struct event_group *group;
	size_t limit; /* events in a group */
	struct hand *hand;
	zsock_t *events, *verdicts;
	struct unbundle in;  /* the events in hand */
	struct hook *go_on;  /* with what is left */
	uint64_t started_ms; /* monotonic */
	char label[96];      /* of this stage's figures */
	char handler_label[80];
	struct trouble trouble;
	uint64_t told_ms; /* when that was last logged, monotonic */
};

/* Takes what has come, up to a group's limit, without waiting. */
static void
gather(struct kit *k)
{
	struct error why = {""};
	struct slice frame;

	for (int taken = 0; taken < GROUP_EVENTS && group_open(k->group, k->limit) &&
			    unbundle_next(&k->in, k->events, &frame);
		taken++)
		if (!group_add(k->group, frame, &why))
			bad_frame(k->stage->metrics, k->stage->name, why.text);
}

static bool
commit(struct kit *k, struct error *why)
{
	const uint64_t start_us = clock_mono_us();

	if (!state_commit(k->db, why))
		return false;
	metric_observe(k->stage->metrics, METRIC_FAMILY_COMMIT, k->label,
		(double)(clock_mono_us() - start_us) / 1e6);
	metric_observe(k->stage->metrics, METRIC_FAMILY_GROUP, k->label, (double)k->group->n);
	*metric(k->stage->metrics, METRIC_FAMILY_KNOWN, "") += (double)group_known(k->group);
	return true;
}

/* Twice as many as come in: the entries that may go are caught up with, at a bounded cost. */
static bool
forget(struct kit *k, struct error *why)
{
	const uint64_t before = group_forget_before(
		clock_wall_ms(), clock_mono_ms() - k->started_ms, k->stage->cfg->journal.lease_ms);

	return before == 0 || state_forget(k->db, before, 2 * k->group->n, why);
}

/* The whole group in one transaction. Waiting for the turn is time in which more has come. */
static bool
apply_once(struct kit *k, struct error *why)
{
	const size_t limit = k->limit;
	uint64_t start_ms;
	bool good;

	if (!state_begin(k->db, why))
		return false;
	gather(k);
	start_ms = clock_mono_ms();
	good = group_apply(k->group, k->db, k->fn, k->stage->cfg, k->hand, why);
	k->limit = group_limit(k->limit, clock_mono_ms() - start_ms);
	good = good && forget(k, why) && commit(k, why);
	if (!good) /* a server that is too slow for so many must not be asked for as many again */
		k->limit = group_limit(limit, clock_mono_ms() - start_ms);
	return good;
}

/* What another process was in the way of goes again at once, and so does what one event has spoilt, each
 * apart, which tells whose fault it was. */
static bool
apply(struct kit *k, struct error *why)
{
	for (int left = TIMES; left > 0; left--) {
		enum state_failure failure;

		if (apply_once(k, why))
			return true;
		failure = state_failure(k->db);
		state_rollback(k->db);
		if (failure == STATE_BLAMED)
			group_doubt(k->group);
		else if (failure != STATE_AGAIN)
			return false;
		++*metric(k->stage->metrics, METRIC_FAMILY_GROUP_RETRIES,
			failure == STATE_AGAIN ? DEADLOCK : SPOILT);
	}
	return false;
}

/* A verdict that cannot be sent is made again: the event comes back after its lease. */
static void
send_verdict(struct kit *k, struct slice journal, const uint64_t *seqs, size_t n,
	const struct outcome *o)
{
	const char *verdict = o->later ? "later" : verdict_name(o->kind);

	if (!stage_send_verdict(
		    k->verdicts, journal, seqs, n, verdict, slice_of(o->why.text), k->name))
		log_warn("verdict not sent", LF_TEXT("verdict", verdict), LF_UINT("events", n));
}

static void
report(struct kit *k)
{
	const struct event_group *g = k->group;
	uint64_t seqs[GROUP_EVENTS];

	for (size_t i = 0; i < g->n; i++) {
		const struct outcome *o = &g->outcomes[i];
		size_t n;

		if (o->kind != DONE)
			send_verdict(k, g->events[i].journal, &g->events[i].seq, 1, o);
		else if ((n = group_done(g, i, seqs)) > 0)
			send_verdict(k, g->events[i].journal, seqs, n, o);
	}
}

static void
log_outcomes(const struct event_group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct event *ev = &g->events[i];
		const struct outcome *o = &g->outcomes[i];

		if (o->kind == DONE)
			log_info("handled", LF_UINT("seq", ev->seq), LF_SLICE("id", ev->id),
				LF_SLICE("type", ev->type), LF_TEXT("verdict", "done"));
		else
			log_info("handled", LF_UINT("seq", ev->seq), LF_SLICE("id", ev->id),
				LF_SLICE("type", ev->type),
				LF_TEXT("verdict", verdict_name(o->kind)),
				LF_TEXT("reason", o->why.text));
	}
}

/* Once a second: what is tried again and again must not fill the log. */
static void
say_trouble(struct kit *k, const struct error *why)
{
	const uint64_t now_ms = clock_mono_ms();

	trouble_is(&k->trouble, state_cause(k->db), why);
	if (k->told_ms && now_ms - k->told_ms < TELL_MS)
		return;
	k->told_ms = now_ms;
	log_error("group not applied", LF_TEXT("store", state_name(k->db)),
		LF_TEXT("it_is", cause_table[k->trouble.cause].word), LF_TEXT("cause", why->text),
		LF_UINT("events", k->group->n));
}

/* Who waits lives, and says for what. */
static void
on_wait(void *arg, enum store_cause held)
{
	struct kit *k = arg;

	if (held != CAUSE_NONE)
		trouble_is(&k->trouble, held, &(struct error){"another program holds it"});
	stage_beat(k->stage);
}

static void
say_news(struct kit *k)
{
	bool lost;
	const enum store_cause news = state_news(k->db, &lost);

	if (news != CAUSE_NONE)
		trouble_was(&k->trouble, news, lost);
}

/* False when nothing has come. */
static bool
handle_group(struct kit *k)
{
	const uint64_t start_us = clock_mono_us();
	struct error why = {""};

	gather(k);
	if (k->group->n == 0) {
		group_clear(k->group); /* of bad frames */
		return false;
	}
	if (apply(k, &why)) {
		trouble_is(&k->trouble, CAUSE_NONE, &why);
	} else {
		say_trouble(k, &why);
		group_retry(k->group, &why);
	}
	say_news(k);
	report(k);
	metric_observe(k->stage->metrics, METRIC_FAMILY_HANDLER, k->handler_label,
		(double)(clock_mono_us() - start_us) / 1e6);
	log_outcomes(k->group);
	group_clear(k->group);
	return true;
}

/* One group a call: the loop must see signals and timers between two, however much comes in. It
 * wakes for a message, not for what is left of one. */
static void
on_events(void *arg)
{
	struct kit *k = arg;

	handle_group(k);
	if (k->in.rest.n > 0)
		stage_call_after(k->go_on, 0);
}

static void
survey(struct kit *k)
{
	struct metrics *m = k->stage->metrics;
	uint64_t file, log;

	if (k->stage->instance > 0)
		return;
	state_sizes(k->db, &file, &log);
	*metric(m, METRIC_FAMILY_STATE_BYTES, "file=\"state.db\"") = (double)file;
	*metric(m, METRIC_FAMILY_STATE_BYTES, "file=\"state.db-wal\"") = (double)log;
}

static void
open_figures(struct kit *k)
{
	struct metrics *m = k->stage->metrics;

	snprintf(k->handler_label, sizeof k->handler_label, "handler=\"%s\"", k->name);
	metric_open(m, METRIC_FAMILY_COMMIT, k->label);
	metric_open(m, METRIC_FAMILY_GROUP, k->label);
	metric_open(m, METRIC_FAMILY_HANDLER, k->handler_label);
	metric_open(m, METRIC_FAMILY_KNOWN, "");
	metric_open(m, METRIC_FAMILY_GROUP_RETRIES, DEADLOCK);
	metric_open(m, METRIC_FAMILY_GROUP_RETRIES, SPOILT);
	trouble_open(&k->trouble);
	survey(k);
}

/* Also where nothing comes in. */
static void
on_look(void *arg)
{
	struct kit *k = arg;
	const bool was_open = state_is_open(k->db);
	struct error why = {""};

	survey(k);
	if (!state_look(k->db, &why))
		trouble_is(&k->trouble, state_cause(k->db), &why);
	else if (!was_open || k->trouble.cause == CAUSE_AWAY || k->trouble.cause >= CAUSE_REMOVED)
		trouble_is(&k->trouble, CAUSE_NONE, &why);
	say_news(k);
}

/* What has come already is handled, for a while; the rest comes back to another process, late. */
static void
on_drain(void *arg)
{
	const uint64_t end_ms = clock_mono_ms() + DRAIN_MS;
	struct kit *k = arg;

	while (clock_mono_ms() < end_ms && handle_group(k))
		;
	stage_stop(k->stage);
}

/* Until the retrier has been reached: what the process before had in hand when it ended. */
static void
report_left(void *arg)
{
	static const char reason[] = "the handler ended or ran out of time while it had this event";
	struct kit *k = arg;
	struct slice journal;
	uint64_t seq;

	if (!hand_left(k->hand, &journal, &seq) ||
		!stage_send_verdict(k->verdicts, journal, &seq, 1, verdict_name(RETRY),
			slice_of(reason), k->name))
		return;
	hand_reported(k->hand);
	log_warn("event left in hand", LF_UINT("seq", seq), LF_TEXT("verdict", verdict_name(RETRY)),
		LF_TEXT("reason", reason));
}

static void
connect_all(struct kit *k)
{
	const struct config *cfg = k->stage->cfg;
	struct error why = {""};
	bool good;

	k->verdicts = wire_connect(cfg, WIRE_VERDICTS, ZMQ_PUSH, NULL, 0, &why);
	k->events = wire_connect(cfg, WIRE_OWN_ROUTE, ZMQ_PULL, k->name, 0, &why);
	good = k->verdicts && k->events;
	for (size_t i = 1; good && i < cfg->processes.router; i++)
		good = wire_connect_more(k->events, cfg, WIRE_OWN_ROUTE, k->name, i, &why);
	if (!good)
		stage_fail("cannot connect", &why);
	k->started_ms = clock_mono_ms();
}

static void
open_state(struct kit *k)
{
	const struct stage *st = k->stage;
	struct error why = {""};
	char path[4096];

	snprintf(
		path, sizeof path, "%s/run/%s.%zu.hand", st->cfg->data_dir, st->name, st->instance);
	k->hand = hand_open(path, &why);
	if (!k->hand)
		stage_fail("cannot start", &why);
	k->db = state_start(k->stage->cfg, &why);
	if (!k->db)
		stage_fail("cannot open the state database", &why);
	k->trouble = (struct trouble){.st = k->stage, .store = state_name(k->db)};
	state_on_wait(k->db, on_wait, k);
	if (!state_is_open(k->db))
		trouble_is(&k->trouble, state_cause(k->db), &why);
	k->group = group_new();
	if (!k->group)
		stage_fail("cannot start", &(struct error){"out of memory"});
}

int
handler_main(int argc, char **argv, const char *name, handler_fn *fn)
{
	struct kit k = {.name = name, .fn = fn, .limit = 1};
	char stage_name[80];

	snprintf(stage_name, sizeof stage_name, "handler-%s", name);
	snprintf(k.label, sizeof k.label, "stage=\"%s\"", stage_name);
	k.stage = stage_new(stage_name, NULL, argc, argv);
	open_state(&k);
	open_figures(&k);
	connect_all(&k);
	unbundle_open(&k.in);
	k.go_on = stage_call(k.stage, on_events, &k);
	stage_on_read(k.stage, k.events, on_events, &k);
	if (hand_left(k.hand, &(struct slice){0}, &(uint64_t){0}))
		stage_every(k.stage, REPORT_MS, report_left, &k);
	stage_every(k.stage, LOOK_MS, on_look, &k);
	stage_on_drain(k.stage, on_drain, &k);
	stage_yield();
	stage_run(k.stage);

	unbundle_close(&k.in);
	zsock_destroy(&k.events);
	zsock_destroy(&k.verdicts);
	group_destroy(&k.group);
	hand_close(&k.hand);
	state_close(&k.db);
	return stage_destroy(&k.stage);
}
