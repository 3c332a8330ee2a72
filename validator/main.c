/* validator - the only stage that reads secrets: verifies, parses, checks, deduplicates, stores,
 * answers.
 *
 * In: request frames from every ingress. Out: rows in the journal, then answer frames to the
 * ingress that asked, then event frames to the routers. State: none but the journal. A kill before
 * the commit leaves nothing (ingress asks another or answers 503), after it everything (ingress
 * asks again and is told "accepted"; the retrier sends what the routers did not get). */
#include <stdlib.h>

#include "departed.h"
#include "errands.h"
#include "group.h"
#include "intake.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/ops/fingerprints.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/store/journal_adopt.h"
#include "lib/store/quarantine.h"
#include "lib/store/store.h"
#include "notices.h"
#include "onward.h"
#include "providers/source_keys.h"
#include "refusals.h"
#include "remains.h"
#include "replies.h"
#include "report.h"
#include "waiting.h"

enum {
	GROUP_MAX = 512,
	GROUP_BYTES = 16 << 20,
	GROUP_US = 10000,
	DRAIN_GROUPS = 64,
};
enum { SECOND_MS = 1000, LOOK_MS = 5000 };

/* So long a request waits for another node that is storing an event of it. */
enum { BUSY_MS = 1000 };

struct validator {
	struct stage *st;
	struct journal *journal;
	struct trouble trouble; /* at the journal */
	struct trouble quarantine_trouble;
	struct claims claims;
	struct seen_home home;
	struct trouble redis_trouble;
	uint64_t conflicts, elsewhere; /* of the claims, as counted so far */
	struct waiting waiting;
	struct hook *again;            /* for claims and waiting */
	struct quarantine *quarantine; /* opened at the first need */
	struct remains remains;
	struct errands *errands; /* what SNS has us fetch */
	struct notices *notices;
	struct report_state reports;
	struct seldom not_set_aside;
	struct json_reader *json;
	struct provider_source *keys[CONFIG_SOURCES_MAX]; /* in the order of cfg->sources */
	struct departed departed;
	struct intake in;
	struct replies replies;
	struct onward onward;
	struct refused_feed refused;
	struct job jobs[GROUP_MAX];
	struct job *group[GROUP_MAX];
	size_t made; /* jobs that were ever in use */
	size_t count;
	msgpack_sbuffer frames; /* of the events of the group */
};

static void on_requests(void *arg);

static void
drop_keys(struct provider_source **keys)
{
	for (size_t i = 0; i < CONFIG_SOURCES_MAX; i++)
		provider_source_destroy(&keys[i]);
}

static bool
make_keys(const struct config *cfg, struct provider_source **keys, struct error *why)
{
	for (size_t i = 0; i < cfg->sources_count; i++) {
		keys[i] = source_keys(&cfg->sources[i], why);
		if (keys[i])
			continue;
		drop_keys(keys);
		return false;
	}
	return true;
}

/* For the operator's look at other nodes; nothing else goes by them. */
static void
say_fingerprints(const struct config *cfg)
{
	struct error why;

	if (!fingerprints_write(cfg, &why))
		log_warn("no fingerprints of secrets", LF_TEXT("cause", why.text));
}

/* The loop calls it between two groups, so every request meets one set of secrets. */
static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct validator *v = arg;
	struct provider_source *keys[CONFIG_SOURCES_MAX] = {NULL};

	if (!make_keys(next, keys, why))
		return false;
	departed_take(&v->departed, v->st->cfg, next, v->keys);
	drop_keys(v->keys);
	memcpy(v->keys, keys, sizeof keys);
	journal_set_windows(v->journal, next);
	remains_reload(&v->remains);
	quarantine_close(&v->quarantine); /* its shares may be others */
	report_open(v->st->metrics, next);
	say_fingerprints(next);
	return true;
}

static void
open_claims(struct validator *v)
{
	const struct seen_engine *engine = claims_engine(v->st->cfg);
	struct error why;

	v->home = (struct seen_home){v->st->cfg, v->journal, v->st->instance};
	if (!claims_open(&v->claims, engine, &v->home, &why))
		stage_fail("cannot ask for duplicates", &why);
	v->claims.patience_ms = BUSY_MS;
	v->redis_trouble = (struct trouble){.st = v->st, .store = "redis"};
	v->again = stage_call(v->st, on_requests, v);
	if (claims_state(&v->claims))
		trouble_open(&v->redis_trouble);
}

static struct validator *
validator_new(struct stage *st)
{
	struct validator *v = calloc(1, sizeof *v);
	struct error why = {"out of memory"};

	if (!v)
		stage_fail("cannot start", &why);
	v->st = st;
	v->trouble = (struct trouble){.st = st, .store = "journal"};
	trouble_open(&v->trouble);
	v->quarantine_trouble = (struct trouble){.st = st, .store = "quarantine"};
	trouble_open(&v->quarantine_trouble);
	for (size_t i = 0; i < GROUP_MAX; i++)
		v->group[i] = &v->jobs[i];
	msgpack_sbuffer_init(&v->frames);
	if (!make_keys(st->cfg, v->keys, &why))
		stage_fail("cannot verify signatures", &why);
	v->json = json_reader_new();
	v->journal = v->json ? journal_open(st->cfg, JOURNAL_ACCEPT, &why) : NULL;
	if (!v->journal && journal_is_given(st->cfg, &why))
		stage_refuse("cannot work here", &why);
	if (!v->journal)
		stage_fail("cannot open the journal", &why);
	open_claims(v);
	if (!journal_prepare(v->journal, &why))
		log_warn("journal not ready yet", LF_TEXT("cause", why.text));
	v->errands = errands_new(st->cfg, st->instance);
	v->notices = notices_new(st->metrics);
	if (!v->errands || !v->notices)
		stage_fail("cannot start", &(struct error){"out of memory"});
	if (!intake_open(&v->in, st, &why) || !replies_open(&v->replies, st->cfg, &why) ||
		!onward_open(&v->onward, st, v->journal, &why))
		stage_fail("cannot connect", &why);
	return v;
}

static void
validator_destroy(struct validator *v)
{
	onward_close(&v->onward);
	refused_close(&v->refused);
	replies_close(&v->replies);
	intake_close(&v->in);
	for (size_t i = 0; i < v->made; i++)
		job_free(&v->jobs[i]);
	drop_keys(v->keys);
	departed_forget(&v->departed, UINT64_MAX);
	json_reader_destroy(&v->json);
	waiting_close(&v->waiting);
	claims_close(&v->claims);
	journal_close(&v->journal);
	quarantine_close(&v->quarantine);
	remains_close(&v->remains);
	errands_destroy(&v->errands);
	notices_destroy(&v->notices);
	msgpack_sbuffer_destroy(&v->frames);
	free(v);
}

/* Keeps a buffer that one huge group has blown up from staying so. */
static void
shrink(msgpack_sbuffer *buffer)
{
	if (buffer->alloc <= 2 * (size_t)GROUP_BYTES)
		return;
	msgpack_sbuffer_destroy(buffer);
	msgpack_sbuffer_init(buffer);
}

/* Sets the job's source. Its keys, or NULL. */
static struct provider_source *
find_source(struct validator *v, struct job *job)
{
	const struct config *cfg = v->st->cfg;
	const struct departed_source *departed;

	job->source = config_source_find(cfg, job->rq.source);
	errands_of(v->errands, job->source ? (size_t)(job->source - cfg->sources) : 0);
	if (job->source)
		return v->keys[job->source - cfg->sources];
	departed = departed_find(&v->departed, job->rq.source);
	job->source = departed ? departed->source : NULL;
	return departed ? departed->keys : NULL;
}

static void
judge(struct validator *v, struct job *job, uint64_t now_ms)
{
	const struct judge judge = {v->st->cfg, v->json, errands_certificate,
		errands_certificate_known, v->errands, clock_mono_ms()};
	struct provider_source *keys = find_source(v, job);

	if (!keys) {
		error_set(&job->why, "no source of that name");
		job->refusal = REFUSED_SOURCE;
		return;
	}
	job_judge(job, keys, &judge, now_ms);
}

/* The place behind those that are taken. */
static struct job *
next_job(struct validator *v)
{
	struct job *job = &v->jobs[v->count];

	if (v->count == v->made) {
		job_init(job);
		v->made++;
	} else {
		job_reset(job);
	}
	return job;
}

/* Those come again that wait for another node; the configuration may have changed meanwhile. */
static void
gather_waiting(struct validator *v)
{
	const uint64_t now_ms = clock_mono_ms();

	while (v->count < GROUP_MAX && waiting_due(&v->waiting, now_ms) &&
		waiting_next(&v->waiting, now_ms, next_job(v))) {
		struct job *job = &v->jobs[v->count++];

		if (find_source(v, job))
			continue;
		error_set(&job->why, "no source of that name");
		job->refusal = REFUSED_SOURCE;
	}
}

/* Takes and judges everything that has queued up meanwhile, and what comes while it does so, within
 * the group's limits: the more there are in one commit, the less its flush costs each. */
static void
gather(struct validator *v, uint64_t now_ms)
{
	const uint64_t end_us = clock_mono_us() + GROUP_US;
	struct slice frame;
	size_t bytes = 0;
	struct error why;

	v->count = 0;
	gather_waiting(v);
	while (v->count < GROUP_MAX && bytes < GROUP_BYTES && clock_mono_us() < end_us &&
		intake_next(&v->in, &frame)) {
		struct job *job = next_job(v);

		bytes += frame.n;
		if (job_open(job, frame, &why)) {
			judge(v, job, now_ms);
			v->count++;
		} else {
			report_bad_frame(v->st->metrics, &why);
		}
	}
}

/* Also what is answered 400 for good, though a newer version may read it. */
static bool
is_set_aside(const struct job *job)
{
	return job->refusal == REFUSED_QUARANTINED ||
	       (job->refusal == REFUSED_JSON && job->source->quarantine);
}

/* What was to be set aside and is not: in the order of the jobs. */
static void
refuse_quarantined(struct validator *v, const struct quarantine_new *items, const struct error *why)
{
	for (size_t i = 0; i < v->count; i++) {
		struct job *job = &v->jobs[i];

		if (!is_set_aside(job) || (items && !items++->full))
			continue;
		job->refusal = REFUSED_UNAVAILABLE;
		job->untold = true;
		job->unable = items ? UNABLE_QUARANTINE : UNABLE_STORE;
		job->why = *why;
		if (items)
			error_set(&job->why,
				"the quarantine's share of this source is full (quarantine.max_size)");
	}
}

/* What is answered 200 without being accepted is on disk before the answer, too. */
static void
set_aside(struct validator *v)
{
	struct quarantine_new items[GROUP_MAX];
	struct error why = {""};
	uint64_t times;
	size_t n = 0;
	bool put;

	for (size_t i = 0; i < v->count; i++)
		if (is_set_aside(&v->jobs[i]))
			items[n++] = (struct quarantine_new){.source = v->jobs[i].rq.source,
				.frame = {v->jobs[i].frame.data, v->jobs[i].frame.size}};
	if (n == 0)
		return;
	if (!v->quarantine)
		v->quarantine = quarantine_open(v->st->cfg, QUARANTINE_KEEP, &why);
	put = v->quarantine && quarantine_put(v->quarantine, items, n, &why);
	refuse_quarantined(v, put ? items : NULL, &why);
	trouble_met(&v->quarantine_trouble, put ? CAUSE_NONE : store_last_cause(), &why);
	if (put)
		return;
	quarantine_close(&v->quarantine); /* which is opened anew */
	times = seldom_due(&v->not_set_aside, SECOND_MS, clock_mono_ms());
	if (times > 0)
		log_error("cannot set aside", LF_TEXT("store", "quarantine"),
			LF_TEXT("cause", why.text), LF_UINT("times", times));
}

/* A subscription that is answered 200 will be confirmed: that it shall be is on disk before. */
static void
promise_confirmations(struct validator *v)
{
	for (size_t i = 0; i < v->count; i++) {
		struct job *job = &v->jobs[i];

		if (job->refusal == REFUSED_NOT && job->confirm_url.p &&
			!errands_confirm(v->errands, job->confirm_url, &job->why))
			job->refusal = REFUSED_UNAVAILABLE;
	}
}

static void
say_trouble(struct validator *v)
{
	struct error why;
	const enum store_cause cause = journal_cause(v->journal, &why);

	if (cause != v->trouble.cause && (cause == CAUSE_REMOVED || cause == CAUSE_REPLACED))
		trouble_was(&v->trouble, cause, true);
	trouble_is(&v->trouble, cause, &why);
}

static void
swap_jobs(struct job *a, struct job *b)
{
	const struct job kept = *a;

	*a = *b;
	*b = kept;
}

/* Those that another node is storing leave the group. Who finds no room is refused, and keeps no claim. */
static void
set_waiting(struct validator *v)
{
	for (size_t i = v->count; i-- > 0;) {
		struct job *job = &v->jobs[i];

		if (!job->busy.now)
			continue;
		if (waiting_take(&v->waiting, job)) {
			swap_jobs(job, &v->jobs[--v->count]);
			continue;
		}
		job->busy.now = false;
		job->refusal = REFUSED_UNAVAILABLE;
		job->unable = UNABLE_BUSY;
		error_set(&job->why, "another node is storing one of these events");
		claims_tell(&v->claims, &job, 1);
	}
}

/* What is to be told to other nodes goes in time, and who waits for them asks again. */
static void
look_again(struct validator *v)
{
	uint64_t ms = claims_tick(&v->claims);
	const uint64_t waiting_for_ms = waiting_ms(&v->waiting, clock_mono_ms());

	if (waiting_for_ms > 0 && (ms == 0 || waiting_for_ms < ms))
		ms = waiting_for_ms;
	if (ms > 0)
		stage_call_after(v->again, ms);
}

static void
handle_group(struct validator *v)
{
	struct metrics *m = v->st->metrics;
	const uint64_t now_ms = clock_wall_ms();
	uint64_t start_us;
	size_t events;

	gather(v, now_ms);
	if (v->count == 0)
		return;
	set_aside(v);
	promise_confirmations(v);
	remains_keep(&v->remains, v->group, v->count, REMAINS_PROVED);
	start_us = clock_mono_us();
	events = group_commit(v->journal, &v->claims, v->group, v->count, &v->frames);
	set_waiting(v);
	say_trouble(v);
	if (events > 0) {
		metric_observe(m, METRIC_FAMILY_COMMIT, "stage=\"validator\"",
			(double)(clock_mono_us() - start_us) / 1e6);
		metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", (double)events);
	}
	remains_keep(&v->remains, v->group, v->count, REMAINS_ENTERED);
	replies_send(&v->replies, v->jobs, v->count, now_ms);
	for (size_t i = 0; i < v->count; i++) {
		onward_take(&v->onward, &v->jobs[i], v->frames.data);
		report_job(m, &v->reports, v->notices, v->st->cfg, &v->jobs[i]);
		refusals_tell(&v->refused, v->st->tap, &v->jobs[i], now_ms);
	}
	onward_go_in_time(&v->onward);
	shrink(&v->frames);
}

/* The loop wakes for a message, not for what is left of one: that is finished before. */
static void
on_requests(void *arg)
{
	struct validator *v = arg;

	handle_group(v);
	v->in.finishing = true;
	while (v->in.rest.n > 0)
		handle_group(v);
	v->in.finishing = false;
	look_again(v);
}

/* Where health is 503 a balancer sends nobody, who would find that all is well again. */
static void
try_again(struct validator *v)
{
	struct error why = {""};

	if (v->trouble.cause == CAUSE_NONE)
		return;
	journal_try(v->journal, &why);
	say_trouble(v);
}

/* What is set aside; a store that nobody has needed is not made for that. */
static void
survey_quarantine(struct validator *v)
{
	struct metrics *m = v->st->metrics;
	struct quarantine *q = v->quarantine;
	uint64_t count = 0, oldest_ms = 0;
	struct error why;

	if (!q)
		q = quarantine_open(v->st->cfg, QUARANTINE_WATCH, &why);
	if (q)
		quarantine_survey(q, &count, &oldest_ms);
	if (q != v->quarantine)
		quarantine_close(&q);
	*metric(m, METRIC_FAMILY_QUARANTINED, "") = (double)count;
	*metric(m, METRIC_FAMILY_QUARANTINED_AGE, "") = (double)oldest_ms / 1e3;
}

static void
on_look(void *arg)
{
	survey_quarantine(arg);
}

/* Of those who know what other nodes have. */
static void
report_claims(struct validator *v)
{
	const struct seen_state *state = claims_state(&v->claims);
	struct metrics *m = v->st->metrics;
	char server[32];

	if (!state)
		return;
	for (size_t i = 0; i < state->servers; i++) {
		snprintf(server, sizeof server, "server=\"%zu\"", i);
		*metric(m, METRIC_FAMILY_REDIS_UP, server) = state->up[i];
	}
	*metric(m, METRIC_FAMILY_CONFLICTS, "") += (double)(state->conflicts - v->conflicts);
	*metric(m, METRIC_FAMILY_ELSEWHERE, "") += (double)(v->claims.told - v->elsewhere);
	v->conflicts = state->conflicts;
	v->elsewhere = v->claims.told;
	trouble_is(&v->redis_trouble, state->cause, &state->why);
}

static void
on_second(void *arg)
{
	struct validator *v = arg;

	try_again(v);
	look_again(v);
	report_claims(v);
	errands_tick(v->errands);
	departed_forget(&v->departed, clock_mono_ms());
	remains_tick(&v->remains);
	trouble_rest(&v->quarantine_trouble);
	lately_tick(&v->reports.lately, v->st->metrics, clock_mono_ms());
}

/* What ingress has sent already is answered before the end. */
static void
on_drain(void *arg)
{
	struct validator *v = arg;

	v->waiting.hasten = true;
	v->claims.patience_ms = 0;
	for (int i = 0; i < DRAIN_GROUPS && (i == 0 || v->count > 0); i++)
		on_requests(v);
	stage_stop(v->st);
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("validator", source_keys_load_alone, argc, argv);
	struct validator *v;

	store_catch_faults();
	v = validator_new(st);
	report_open(st->metrics, st->cfg);
	say_fingerprints(st->cfg);
	remains_open(&v->remains, st, v->json);
	notices_open(v->notices, st->cfg);
	metric_open(st->metrics, METRIC_FAMILY_COMMIT, "stage=\"validator\"");
	metric_open(st->metrics, METRIC_FAMILY_GROUP, "stage=\"validator\"");
	survey_quarantine(v);
	report_claims(v);
	stage_on_read(st, v->in.requests, on_requests, v);
	stage_every(st, SECOND_MS, on_second, v);
	stage_every(st, LOOK_MS, on_look, v);
	stage_on_reload(st, on_reload, v);
	stage_on_drain(st, on_drain, v);
	stage_run(st);
	validator_destroy(v);
	return stage_destroy(&st);
}
