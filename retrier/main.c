/* retrier - the custodian of the journal: removes what is done, schedules what must be tried again,
 * sends what is due, sends again what lost its lease, hands to the dlq what is given up.
 *
 * In: verdict frames from handlers, advice frames from routers, validators and the dlq. Out: event
 * frames to the routers, dead frames to the dlq, moves in the journal. State: see custodian.h. A
 * kill loses verdicts that were not settled: those events are delivered once more and found to be
 * applied already. */
#include <stdlib.h>

#include "custodian.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/log.h"
#include "lib/ops/agree.h"
#include "lib/stage/bad_frame.h"
#include "lib/stage/heart.h"
#include "lib/stage/parcel.h"
#include "lib/stage/stage.h"
#include "lib/stage/trouble.h"
#include "lib/stage/warden.h"
#include "lib/stage/wire.h"
#include "lib/store/journal_adopt.h"
#include "lib/store/store.h"

enum {
	TICK_MS = 10,
	IDLE_TICK_MS = 50,
	LOOK_MS = 25,
	REST_MOST_MS = 100,
	REST_TIMES = 4,
	SURVEY_MS = 250,
	BURST = 1024
};
enum { BUNDLE_MAX = 128, BUNDLE_BYTES = 256 << 10 };

struct retrier {
	struct stage *st;
	struct journal *journal;
	struct custodian *custodian;
	zsock_t *verdicts, *advice, *events, *dead;
	zsock_t *monitor; /* tells when a router goes away */
	msgpack_zone zone;
	msgpack_sbuffer out;
	struct parcel due[TAKERS]; /* for a router */
	uint64_t rest_until_us;    /* monotonic */
	uint64_t look_us;          /* monotonic: when what is due is looked for again */
	bool troubled;             /* said once until it is over */
	struct trouble trouble;
	struct hook *soon; /* the next turn while there is something to do */
	double *node;      /* the figure that tells which one this is */
};

static void
watch_routers(struct retrier *r)
{
	static const char AT[] = "inproc://routers";

	r->monitor = zsock_new(ZMQ_PAIR);
	if (!r->monitor ||
		zmq_socket_monitor(zsock_resolve(r->events), AT, ZMQ_EVENT_DISCONNECTED) != 0 ||
		zsock_connect(r->monitor, "%s", AT) != 0)
		stage_fail("cannot start", &(struct error){"cannot watch the routers"});
}

static void
open_sockets(struct retrier *r)
{
	const struct config *cfg = r->st->cfg;
	struct error why = {""};

	r->verdicts = wire_bind(cfg, WIRE_VERDICTS, ZMQ_PULL, NULL, 0, &why);
	r->advice = wire_bind(cfg, WIRE_ADVICE, ZMQ_PULL, NULL, 0, &why);
	r->events = wire_connect(cfg, WIRE_EVENTS, ZMQ_PUSH, NULL, 0, &why);
	r->dead = wire_connect(cfg, WIRE_DEAD, ZMQ_PUSH, NULL, 0, &why);
	if (!r->verdicts || !r->advice || !r->events || !r->dead)
		stage_fail("cannot open sockets", &why);
	for (size_t i = 1; i < cfg->processes.router; i++)
		if (!wire_connect_more(r->events, cfg, WIRE_EVENTS, NULL, i, &why))
			stage_fail("cannot connect", &why);
	watch_routers(r);
}

/* The frame with the number of attempts so far in it; as it stands where there were none. */
static struct slice
with_attempts(struct retrier *r, const struct journal_event *ev)
{
	struct event frame;

	if (!ev->tried || ev->last.attempts == 0)
		return ev->frame;
	msgpack_zone_clear(&r->zone);
	msgpack_sbuffer_clear(&r->out);
	if (!frame_unpack(&event_schema, ev->frame.p, ev->frame.n, &r->zone, &frame, NULL))
		return ev->frame;
	frame.attempt = ev->last.attempts;
	if (!frame_pack(&event_schema, &frame, &r->out))
		return ev->frame;
	return (struct slice){r->out.data, r->out.size};
}

static bool
is_readable(struct retrier *r, struct slice bytes)
{
	struct event frame;

	msgpack_zone_clear(&r->zone);
	return frame_unpack(&event_schema, bytes.p, bytes.n, &r->zone, &frame, NULL);
}

/* The sender's id of an event, for the log. */
static struct slice
id_of(const struct journal_event *ev)
{
	struct slice id = {"", 0};

	frame_text(ev->frame.p, ev->frame.n, "id", &id);
	return id;
}

/* An event that is given up. */
static bool
send_dead(struct retrier *r, const struct journal_event *ev)
{
	const struct dead dead = {
		.journal = journal_id(r->journal),
		.seq = ev->delivery,
		.reason = ev->last.reason,
		.handler = ev->last.handler,
		.attempts = ev->last.attempts,
		.death = is_readable(r, ev->frame) ? ev->last.dead : DEATH_UNREADABLE,
		.failed_at = ev->last.at,
		.event = ev->frame,
	};

	msgpack_sbuffer_clear(&r->out);
	if (!frame_pack(&dead_schema, &dead, &r->out) ||
		!wire_send(r->dead, r->out.data, r->out.size))
		return false;
	log_info("bury", LF_UINT("seq", ev->seq), LF_SLICE("id", id_of(ev)),
		LF_SLICE("handler", dead.handler));
	return true;
}

static void
give_back(void *arg, const uint64_t *seqs, size_t n)
{
	struct retrier *r = arg;

	custodian_give_back(r->custodian, seqs, n);
}

/* Sends what is gathered; where no router has room, all of it is given back. */
static bool
flush_due(struct retrier *r, enum taker taker)
{
	const size_t n = r->due[taker].n;

	return parcel_go(&r->due[taker], r->events, give_back, r) == n;
}

static bool
send_event(void *arg, size_t route, const struct journal_event *ev)
{
	const struct config *cfg = ((struct retrier *)arg)->st->cfg;
	const enum taker taker = delivery_taker(ev->delivery);
	struct retrier *r = arg;
	struct slice frame;

	if (route == cfg->handlers_count)
		return send_dead(r, ev);
	if (r->due[taker].n == 0 && !wire_has_room(r->events))
		return false;
	frame = with_attempts(r, ev);
	log_info("resend", LF_UINT("seq", ev->seq), LF_SLICE("id", id_of(ev)),
		LF_TEXT("handler",
			taker == TAKER_HISTORY ? HISTORY_NAME : cfg->handlers[route].name));
	return !parcel_add(&r->due[taker], ev->delivery, frame) || flush_due(r, taker);
}

/* An older copy of one of the two may have been put back. */
static void
compare_stores(struct retrier *r)
{
	struct trouble state = {.st = r->st,
		.store = r->st->cfg->database.kind == DATABASE_POSTGRESQL ? "postgresql"
									  : "state.db"};
	struct error why = {""};
	const enum store_cause cause = stores_agree(r->st->cfg, r->journal, &why);

	if (cause != CAUSE_NONE)
		trouble_found(&state, cause, &why);
}

/* Which node this is; a journal that is gone counts no longer. */
static void
say_node(struct retrier *r)
{
	const struct config *cfg = r->st->cfg;
	char labels[METRIC_LABELS_MAX + 1] = "", number[24];

	snprintf(number, sizeof number, "%llu", (unsigned long long)cfg->node.number);
	metric_label(labels, sizeof labels, "node", slice_of(cfg->node.name));
	metric_label(labels, sizeof labels, "number", slice_of(number));
	metric_label(labels, sizeof labels, "journal", journal_id(r->journal));
	metric_label(labels, sizeof labels, "version", slice_of(TROTLINE_VERSION));
	if (r->node)
		*r->node = 0;
	r->node = metric(r->st->metrics, METRIC_FAMILY_NODE, labels);
	*r->node = 1;
}

static struct retrier *
retrier_new(struct stage *st)
{
	struct retrier *r = calloc(1, sizeof *r);
	struct error why = {"out of memory"};

	if (!r)
		stage_fail("cannot start", &why);
	r->st = st;
	msgpack_zone_init(&r->zone, 8192);
	msgpack_sbuffer_init(&r->out);
	for (unsigned t = 0; t < TAKERS; t++)
		parcel_init(&r->due[t], 1U << t, BUNDLE_MAX, BUNDLE_BYTES);
	r->journal = journal_open(st->cfg, JOURNAL_SETTLE, &why);
	if (!r->journal && journal_is_given(st->cfg, &why))
		stage_refuse("cannot work here", &why);
	if (!r->journal)
		stage_fail("cannot open the journal", &why);
	r->trouble = (struct trouble){.st = st, .store = "journal"};
	trouble_open(&r->trouble);
	journal_renewed(r->journal);
	compare_stores(r);
	say_node(r);
	r->custodian = custodian_new(st->cfg, r->journal, st->metrics, send_event, r);
	if (!r->custodian)
		stage_fail("cannot start", &why);
	open_sockets(r);
	return r;
}

static void
retrier_destroy(struct retrier *r)
{
	zmq_socket_monitor(zsock_resolve(r->events), NULL, 0);
	zsock_destroy(&r->monitor);
	zsock_destroy(&r->verdicts);
	zsock_destroy(&r->advice);
	zsock_destroy(&r->events);
	zsock_destroy(&r->dead);
	custodian_destroy(&r->custodian);
	journal_close(&r->journal);
	msgpack_zone_destroy(&r->zone);
	msgpack_sbuffer_destroy(&r->out);
	for (size_t t = 0; t < TAKERS; t++)
		parcel_destroy(&r->due[t]);
	free(r);
}

/* Trouble with the journal is said once; the work goes on when it is over. */
static void
say_trouble(struct retrier *r, bool good, const struct error *why)
{
	struct error cause;

	if (!good && !r->troubled)
		log_error("journal trouble", LF_TEXT("cause", why->text));
	else if (good && r->troubled)
		log_warn("journal well again", LF_UINT("instance", r->st->instance));
	r->troubled = !good;
	trouble_is(&r->trouble, good ? CAUSE_NONE : journal_cause(r->journal, &cause), &cause);
}

/* What was known of the events is of the journal that is gone. */
static void
begin_anew(struct retrier *r)
{
	const enum doing before = doing(DOING_SCAN);

	trouble_was(&r->trouble, r->trouble.cause, true);
	say_node(r);
	custodian_destroy(&r->custodian);
	r->custodian = custodian_new(r->st->cfg, r->journal, r->st->metrics, send_event, r);
	doing(before);
	if (!r->custodian)
		stage_fail("cannot start", &(struct error){"out of memory"});
}

static void
watch(struct retrier *r, const char *kind, struct slice word, struct slice frame)
{
	if (tap_wanted(r->st->tap, kind))
		tap_send(r->st->tap, kind, word, frame.p, frame.n);
}

static bool
take_verdict(struct retrier *r, struct slice frame, struct error *why)
{
	struct verdict verdict;

	if (!frame_unpack(&verdict_schema, frame.p, frame.n, &r->zone, &verdict, why) ||
		!custodian_take(r->custodian, &verdict, why))
		return false;
	watch(r, "verdict", verdict.verdict, frame);
	return true;
}

static bool
take_advice(struct retrier *r, struct slice frame, struct error *why)
{
	struct advice advice;

	if (!frame_unpack(&advice_schema, frame.p, frame.n, &r->zone, &advice, why) ||
		!custodian_told(r->custodian, &advice, why))
		return false;
	watch(r, "advice", advice.advice, frame);
	return true;
}

static void
on_monitor(void *arg)
{
	struct retrier *r = arg;
	zmsg_t *msg = zmsg_recv(r->monitor);

	zmsg_destroy(&msg);
	log_info("router gone", LF_TEXT("do", "what has no end is sent again"));
	custodian_router_gone(r->custodian);
}

typedef bool take_frame(struct retrier *r, struct slice frame, struct error *why);

static void
take_all(struct retrier *r, zsock_t *sock, take_frame *take)
{
	struct error why = {""};
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST; n++) {
		if (zmq_msg_recv(&msg, zsock_resolve(sock), ZMQ_DONTWAIT) < 0)
			break;
		msgpack_zone_clear(&r->zone);
		if (take(r, (struct slice){zmq_msg_data(&msg), zmq_msg_size(&msg)}, &why))
			continue;
		bad_frame(r->st->metrics, r->st->name, why.text);
	}
	zmq_msg_close(&msg);
}

static void
on_verdicts(void *arg)
{
	struct retrier *r = arg;

	take_all(r, r->verdicts, take_verdict);
	stage_call_after(r->soon, TICK_MS);
}

static void
on_advice(void *arg)
{
	struct retrier *r = arg;

	take_all(r, r->advice, take_advice);
	stage_call_after(r->soon, TICK_MS);
}

/* Accepting waits while the journal is written here; so after each turn at it comes a rest of four
 * times as long, and the verdicts that come meanwhile share the next one's flush. */
static void
rest(struct retrier *r, uint64_t from_us)
{
	const uint64_t now_us = clock_mono_us(), most_us = REST_MOST_MS * 1000;
	const uint64_t rest_us = (now_us - from_us) * REST_TIMES;

	r->rest_until_us = now_us + (rest_us < most_us ? rest_us : most_us);
}

static void
write_journal(struct retrier *r)
{
	const uint64_t from_us = clock_mono_us();
	struct error why = {""};
	bool good;

	if (from_us < r->rest_until_us)
		return;
	good = journal_disown(r->journal, &why) == STORE_OK;
	good = custodian_settle(r->custodian, &why) && good;
	if (from_us >= r->look_us) {
		good = custodian_tick(r->custodian, &why) && good;
		r->look_us = from_us + LOOK_MS * 1000;
	}
	say_trouble(r, good, &why);
	rest(r, from_us);
}

static void
on_tick(void *arg)
{
	struct retrier *r = arg;
	struct error why = {""};

	if (journal_renewed(r->journal))
		begin_anew(r);
	write_journal(r);
	if (!custodian_deliver(r->custodian, &why))
		say_trouble(r, false, &why);
	for (unsigned t = 0; t < TAKERS; t++)
		flush_due(r, t);
	if (custodian_busy(r->custodian))
		stage_call_after(r->soon, TICK_MS);
}

static void
on_survey(void *arg)
{
	struct retrier *r = arg;
	const enum doing before = doing(DOING_SCAN);
	struct error why = {""};

	if (!custodian_survey(r->custodian, &why))
		say_trouble(r, false, &why);
	doing(before);
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("retrier", NULL, argc, argv);
	struct retrier *r;
	struct warden *warden;

	store_catch_faults();
	r = retrier_new(st);
	r->soon = stage_call(st, on_tick, r);
	warden = warden_new(st, HEART_BEATS_OF_WATCHER, "watcher");
	stage_on_read(st, r->verdicts, on_verdicts, r);
	stage_on_read(st, r->advice, on_advice, r);
	stage_on_read(st, r->monitor, on_monitor, r);
	stage_every(st, IDLE_TICK_MS, on_tick, r);
	stage_every(st, SURVEY_MS, on_survey, r);
	stage_yield();
	on_survey(r); /* before ready: what comes from then on is on its first way, not lost */
	stage_run(st);
	on_verdicts(r);
	on_advice(r);
	custodian_settle(r->custodian, NULL);
	warden_destroy(&warden);
	retrier_destroy(r);
	return stage_destroy(&st);
}
