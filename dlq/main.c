/* dlq - keeps events that were given up, for good, until an operator acts.
 *
 * In: dead frames from the retrier. Out: rows in the store; "buried" advices, which leave only
 * after the store's commit: then the retrier takes the event out of the journal; notices to the
 * operators (notify.h). State: the store. A kill before the answer leaves the letter in the journal
 * as given up; it is handed over again. So does a store without room: what finds none is not
 * answered, waits in the journal, and is offered again once a lease. */
#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/heart.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/stage/verdicts.h"
#include "lib/stage/warden.h"
#include "lib/stage/wire.h"
#include "lib/store/letters.h"
#include "lib/store/store.h"
#include "notify.h"

enum { GROUP_MAX = 64, COUNT_MS = 1000, COMPACT_MS = 60000, FORGET_MS = 3600000 };

static const uint64_t MONTH_MS = 30 * UINT64_C(86400000);

struct dlq {
	struct stage *st;
	struct letters *store;
	struct notify *notify;
	zsock_t *dead, *advice;
	zmq_msg_t msgs[GROUP_MAX];
	struct dead letters[GROUP_MAX];
	bool stored[GROUP_MAX]; /* is on disk */
	bool known[GROUP_MAX];  /* was there before */
	size_t count;
	msgpack_zone zone;
	struct notice news;
	uint64_t total;
	uint64_t told[NOTIFY_WAYS]; /* failed notices that the log knows of */
	uint64_t sent[NOTIFY_WAYS]; /* sent ones that the figures know of */
	bool full;                  /* a letter has found no room */
	struct trouble trouble;     /* at the store */
	uint64_t changes;           /* of the store, when it was last looked at */
};

/* Free pages are given back, and old notes about dropped letters go. */
static void
compact(void *arg)
{
	struct dlq *d = arg;
	struct error why = {""};
	uint64_t saved;

	if (!letters_compact(d->store, &saved, &why))
		log_error("store not compacted", LF_TEXT("cause", why.text));
	else if (saved)
		log_warn("store compacted", LF_UINT("saved_bytes", saved));
	if (saved)
		d->changes = 0;
}

/* Of an event that is forgotten by then nobody can ask; where little comes in, the journal forgets
 * late. */
static void
forget(void *arg)
{
	struct dlq *d = arg;
	const struct config *cfg = d->st->cfg;
	const uint64_t now_ms = clock_wall_ms();
	struct error why = {""};
	struct letters_stat stat;
	uint64_t longest_ms = 0, keep_ms;

	for (size_t i = 0; i < cfg->sources_count; i++)
		if (cfg->sources[i].dedup_window_ms > longest_ms)
			longest_ms = cfg->sources[i].dedup_window_ms;
	keep_ms = longest_ms + MONTH_MS;
	if (!letters_stat(d->store, &stat) || stat.dropped == 0 || keep_ms > now_ms)
		return;
	if (!letters_begin(d->store, &why) || !letters_forget(d->store, now_ms - keep_ms, &why) ||
		!letters_commit(d->store, &why))
		log_error("dropped letters not forgotten", LF_TEXT("cause", why.text));
}

static struct dlq *
dlq_new(struct stage *st)
{
	struct dlq *d = calloc(1, sizeof *d);
	struct error why = {"out of memory"};

	if (!d)
		stage_fail("cannot start", &why);
	d->st = st;
	d->trouble = (struct trouble){.st = st, .store = "dlq"};
	trouble_open(&d->trouble);
	msgpack_zone_init(&d->zone, 8192);
	for (size_t i = 0; i < GROUP_MAX; i++)
		zmq_msg_init(&d->msgs[i]);
	d->store = letters_open(st->cfg, LETTERS_KEEP, &why);
	if (!d->store)
		stage_fail("cannot open the store", &why);
	d->notify = notify_new(st->cfg, NOTIFY_TIMEOUT_MS, &why);
	if (!d->notify)
		stage_fail("cannot start", &why);
	d->dead = wire_bind(st->cfg, WIRE_DEAD, ZMQ_PULL, NULL, 0, &why);
	d->advice = wire_connect(st->cfg, WIRE_ADVICE, ZMQ_PUSH, NULL, 0, &why);
	if (!d->dead || !d->advice)
		stage_fail("cannot open sockets", &why);
	return d;
}

static void
dlq_destroy(struct dlq *d)
{
	for (size_t i = 0; i < GROUP_MAX; i++)
		zmq_msg_close(&d->msgs[i]);
	zsock_destroy(&d->dead);
	zsock_destroy(&d->advice);
	notify_destroy(&d->notify);
	letters_close(&d->store);
	msgpack_zone_destroy(&d->zone);
	free(d);
}

static void
gather(struct dlq *d)
{
	struct error why;

	d->count = 0;
	msgpack_zone_clear(&d->zone);
	while (d->count < GROUP_MAX) {
		zmq_msg_t *msg = &d->msgs[d->count];

		if (zmq_msg_recv(msg, zsock_resolve(d->dead), ZMQ_DONTWAIT) < 0)
			return;
		if (frame_unpack(&dead_schema, zmq_msg_data(msg), zmq_msg_size(msg), &d->zone,
			    &d->letters[d->count], &why)) {
			d->count++;
			continue;
		}
		bad_frame(d->st->metrics, d->st->name, why.text);
	}
}

/* One that is handed over again, because the answer was lost, is no news. */
static bool
store_one(struct dlq *d, size_t i, struct error *why)
{
	const struct slice frame = {zmq_msg_data(&d->msgs[i]), zmq_msg_size(&d->msgs[i])};
	const struct dead *letter = &d->letters[i];
	struct dead old;

	d->known[i] = letters_find(d->store, letter->journal, letter->seq, &old) &&
		      old.failed_at == letter->failed_at;
	return letters_put(d->store, letter, frame, why);
}

/* Those from first on, n of them, in one commit: all or none. */
static bool
store(struct dlq *d, size_t first, size_t n, struct error *why)
{
	if (!letters_begin(d->store, why))
		return false;
	for (size_t i = first; i < first + n; i++)
		if (!store_one(d, i, why))
			return false;
	if (!letters_commit(d->store, why))
		return false;
	for (size_t i = first; i < first + n; i++)
		d->stored[i] = true;
	return true;
}

/* Where not all find room, each is tried by itself: a small one may. */
static bool
store_all(struct dlq *d, struct error *why)
{
	bool good = true;

	memset(d->stored, 0, sizeof d->stored);
	if (store(d, 0, d->count, why))
		return true;
	if (letters_result(d->store) != STORE_FULL)
		return false;
	for (size_t i = 0; i < d->count; i++)
		good = store(d, i, 1, why) && good;
	return good;
}

/* The cause is logged once until it is over. */
static void
say_full(struct dlq *d, bool full, const struct error *why)
{
	if (full && !d->full)
		log_error("no room for dead letters; they stay in the journal",
			LF_TEXT("cause", why->text));
	else if (!full && d->full)
		log_warn("room for dead letters again", LF_UINT("instance", d->st->instance));
	d->full = full;
}

static void
say_trouble(struct dlq *d, const struct error *why)
{
	++*metric(d->st->metrics, METRIC_FAMILY_ERRORS, "error_type=\"dead_letters\"");
	trouble_is(&d->trouble, store_last_cause(), why);
	if (letters_result(d->store) == STORE_FULL)
		say_full(d, true, why);
	else
		log_error("dead letters not stored; they stay in the journal",
			LF_UINT("count", d->count), LF_TEXT("cause", why->text));
}

static double *
died(struct dlq *d, const char *word)
{
	char labels[64];

	snprintf(labels, sizeof labels, "reason_class=\"%s\"", word);
	return metric(d->st->metrics, METRIC_FAMILY_DIED, labels);
}

static void
open_figures(struct dlq *d)
{
#define DEATH_OPEN(name, number, word, what) died(d, word);
	DEATHS(DEATH_OPEN)
	metric(d->st->metrics, METRIC_FAMILY_ERRORS, "error_type=\"dead_letters\"");
}

static void
report(struct dlq *d, size_t i)
{
	const struct dead *dead = &d->letters[i];
	struct letter letter;
	const struct advice buried = {
		.journal = dead->journal,
		.seqs = {&dead->seq, 1},
		.advice = slice_of("buried"),
		.failed_at = dead->failed_at,
		.who = slice_of(d->st->name),
	};

	stage_send_advice(d->advice, &buried);
	if (d->known[i])
		return;
	letter_open(dead, &d->zone, &letter);
	notice_add(&d->news, &letter);
	++*died(d, death_word(dead->death));
	log_warn("dead letter", LF_UINT("seq", dead->seq), LF_SLICE("id", letter.event.id),
		LF_SLICE("type", letter.event.type), LF_SLICE("handler", dead->handler),
		LF_SLICE("reason", dead->reason));
}

static void
on_dead(void *arg)
{
	struct dlq *d = arg;
	struct error why = {""};
	size_t fresh = 0;

	gather(d);
	if (d->count == 0)
		return;
	if (store_all(d, &why)) {
		trouble_is(&d->trouble, CAUSE_NONE, &why);
		say_full(d, false, &why);
	} else {
		say_trouble(d, &why);
	}
	memset(&d->news, 0, sizeof d->news);
	for (size_t i = 0; i < d->count; i++) {
		if (d->stored[i])
			report(d, i);
		fresh += d->stored[i] && !d->known[i];
	}
	d->total += fresh;
	notify_add(d->notify, &d->news, d->total);
}

/* A failed notice is logged here: only this thread may. */
static void
survey_notices(struct dlq *d)
{
	struct notify_figures figures;
	char labels[64];

	for (size_t way = 0; way < NOTIFY_WAYS; way++) {
		notify_look(d->notify, way, &figures);
		snprintf(labels, sizeof labels, "way=\"%s\",status=\"sent\"", notify_names[way]);
		*metric(d->st->metrics, METRIC_FAMILY_NOTICES, labels) +=
			(double)(figures.sent - d->sent[way]);
		snprintf(labels, sizeof labels, "way=\"%s\",status=\"failed\"", notify_names[way]);
		*metric(d->st->metrics, METRIC_FAMILY_NOTICES, labels) +=
			(double)(figures.failed - d->told[way]);
		snprintf(labels, sizeof labels, "way=\"%s\"", notify_names[way]);
		*metric(d->st->metrics, METRIC_FAMILY_FAILING, labels) = figures.failing;
		if (figures.failed > d->told[way])
			log_error("operators not told", LF_TEXT("way", notify_names[way]),
				LF_TEXT("cause", figures.last.text));
		d->told[way] = figures.failed;
		d->sent[way] = figures.sent;
	}
}

/* A store that has refused a letter counts as used up, whatever is left between its pages, until it
 * takes one: the retrier offers it again after a lease. */
static void
on_count(void *arg)
{
	struct dlq *d = arg;
	struct metrics *m = d->st->metrics;
	struct letters_stat st;

	survey_notices(d);
	if (!letters_stat(d->store, &st))
		return;
	if (st.changes < d->changes)
		trouble_was(&d->trouble, CAUSE_REPLACED, true);
	d->changes = st.changes;
	d->total = st.count;
	*metric(m, METRIC_FAMILY_DEAD, "") = (double)st.count;
	*metric(m, METRIC_FAMILY_DEAD_BYTES, "") =
		(double)(d->full ? st.limit_bytes : st.used_bytes);
	*metric(m, METRIC_FAMILY_DEAD_LIMIT, "") = (double)st.limit_bytes;
}

static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct dlq *d = arg;

	(void)why;
	letters_limit(d->store, next);
	notify_set(d->notify, next);
	return true;
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("dlq", NULL, argc, argv);
	struct warden *warden;
	struct dlq *d;

	store_catch_faults();
	d = dlq_new(st);
	warden = warden_new(st, HEART_BEATS_OF_WATCHER_TOO, "watcher");
	open_figures(d);
	compact(d);
	forget(d);
	on_count(d);
	stage_on_read(st, d->dead, on_dead, d);
	stage_every(st, COUNT_MS, on_count, d);
	stage_every(st, COMPACT_MS, compact, d);
	stage_every(st, FORGET_MS, forget, d);
	stage_on_reload(st, on_reload, d);
	stage_yield();
	stage_run(st);
	on_dead(d);
	warden_destroy(&warden);
	dlq_destroy(d);
	return stage_destroy(&st);
}
