/* admin - what an operator asks over HTTP: health, figures, the fate of an event, dead letters; and
 * what senders ask about their batches.
 *
 * In: HTTP on the address of its own, for operators only, unless that is off; the stages' figures
 * from the tap; questions from ingress. Out: answers; dead letters put back into the journal or
 * dropped. State: the figures last heard. A process of its own, so that ingress, which strangers
 * reach, can touch neither journal nor letters. A kill costs the requests under way: a replay that
 * was cut is simply asked for again. */
#include <stdlib.h>

#include "asked.h"
#include "letters.h"
#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/log.h"
#include "lib/stage/bad_frame.h"
#include "lib/store/store.h"
#include "page.h"
#include "pages.h"
#include "questions.h"

enum { TICK_MS = 50, SECOND_MS = 1000, BURST = 512 };
enum { CONNECTIONS = 64, HEADERS = 16384, IDLE_MS = 30000, HEAD_MS = 5000, REQUEST_MS = 10000 };
enum { BODY_MAX = 65536, BODY_READ = 16 * BODY_MAX };

/* ---- the figures ---- */

static void
on_feed(void *arg)
{
	struct admin *a = arg;
	void *sock = zsock_resolve(tap_feed_sock(a->feed));
	struct error why;
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST && zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) >= 0; n++)
		if (!zmq_msg_more(&msg) && !board_hear(a->board, zmq_msg_data(&msg),
						   zmq_msg_size(&msg), clock_mono_ms(), &why))
			bad_frame(a->st->metrics, a->st->name, why.text);
	zmq_msg_close(&msg);
}

static void
on_second(void *arg)
{
	struct admin *a = arg;
	const uint64_t now_ms = clock_mono_ms();
	const struct metrics *all;

	board_time(a->board, now_ms);
	tap_feed_refresh(a->feed);
	board_look(a->board, a->st->metrics);
	all = board_join(a->board, a->st->metrics, now_ms);
	if (all)
		board_sample(a->board, all, now_ms);
	listener_sweep(a->listener, now_ms, &(struct listener_times){IDLE_MS, HEAD_MS, REQUEST_MS});
	trace_rest(&a->trace, now_ms);
}

/* ---- HTTP ---- */

/* What nobody is shown, and the log tells. */
static struct answer_page
refused(struct admin *a, const struct listener_request *rq, unsigned status, const char *text)
{
	trace_refused(&a->trace, rq, status, text, clock_mono_ms());
	return page_error(status, text);
}

static struct answer_page
not_there(const struct admin_route *route)
{
	struct answer_page page = page_error(
		route->status, route->status == 405 ? "Method not allowed" : "Not found");

	page.allow = route->allow;
	return page;
}

static const char *
method_label(const char *method)
{
	static const char *const known[] = {"GET", "HEAD", "POST", "DELETE"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(method, known[i]) == 0)
			return known[i];
	return "other";
}

static double *
requests(struct admin *a, const char *method, unsigned status)
{
	char labels[80];

	snprintf(
		labels, sizeof labels, "method=\"%s\",status=\"%u\"", method_label(method), status);
	return metric(a->st->metrics, METRIC_FAMILY_ADMIN, labels);
}

static void
send_page(struct admin *a, struct listener_request *rq, struct answer_page page)
{
	++*requests(a, rq->method, page.status);
	page_send(rq, page);
}

static bool
on_begin(void *arg, struct listener_request *rq)
{
	(void)arg;
	(void)rq;
	return true;
}

/* A body that a page takes is kept; of the others, and of too long a one, the rest is read to be refused, or
 * cut when it does not end. */
static bool
on_body(void *arg, struct listener_request *rq, struct slice bytes)
{
	(void)arg;
	if (route_takes_body(route_of(rq->method, rq->path).kind) && rq->body <= BODY_MAX &&
		!asked_keep(rq, bytes))
		return false;
	return rq->body <= BODY_READ;
}

static enum guard_refusal
check(struct admin *a, const struct listener_request *rq, enum route_kind kind, unsigned *wait_s)
{
	const enum guard_refusal refusal = guard_check(
		&a->guard, &(struct guard_request){
				   .authorization = listener_header(rq, "Authorization"),
				   .host = listener_header(rq, "Host"),
				   .origin = listener_header(rq, "Origin"),
				   .fetch_site = listener_header(rq, "Sec-Fetch-Site"),
				   .shown = route_is_shown(kind),
			   });

	return refusal == GUARD_WRONG_TOKEN &&
			       tries_wrong(&a->tries, listener_from(rq), clock_mono_ms(), wait_s)
		       ? GUARD_TRIES
		       : refusal;
}

static struct answer_page
page_for(struct admin *a, struct listener_request *rq)
{
	const struct admin_route route = route_of(rq->method, rq->path);
	enum doing before;
	unsigned wait_s = 0;
	const enum guard_refusal refusal = check(a, rq, route.kind, &wait_s);
	struct answer_page page;

	if (refusal) {
		page = refused(a, rq, guard_status(refusal), guard_text(refusal));
		page.wait_s = wait_s;
		return page;
	}
	if ((rq->probe && !route_is_shown(route.kind)) || rq->crowded)
		return page_error(503, "Too many connections");
	if (rq->body > BODY_MAX)
		return page_error(413, "Body too large");
	if (route.kind == ROUTE_NONE)
		return not_there(&route);
	before = doing(DOING_SCAN);
	page = admin_answer(a, rq, &route);
	doing(before);
	return page;
}

static void
on_complete(void *arg, struct listener_request *rq)
{
	struct admin *a = arg;
	struct answer_page page;

	page = rq->fault ? refused(a, rq, head_status(rq->fault), head_text(rq->fault))
			 : page_for(a, rq);
	if (page.status == PAGE_LATER) {
		listener_wait(rq);
		return;
	}
	send_page(a, rq, page);
}

static void
on_over(void *arg, struct listener_request *rq)
{
	(void)arg;
	asked_free(rq);
}

static void
on_tick(void *arg)
{
	struct admin *a = arg;

	letters_replay_tick(a);
	listener_run(a->listener);
}

/* ---- life ---- */

static void
listen_for(struct admin *a)
{
	const struct listener_calls calls = {a, on_begin, on_body, on_complete, on_over, NULL};
	const struct listener_options options = {
		.listen = a->st->cfg->admin.listen,
		.address = a->st->cfg->admin.address,
		.port = a->st->cfg->admin.port,
		.connections = CONNECTIONS,
		.each = CONNECTIONS, /* operators come from one */
		.header_bytes = HEADERS,
		.silent_ms = IDLE_MS,
	};
	struct error why = {""};

	a->listener = listener_new(a->st, &options, &calls, &why);
	if (!a->listener)
		stage_fail("cannot listen", &why);
}

/* data_dir and the address stay as they are while it runs. */
static bool
load_guard(struct admin *a, const char *file, struct error *why)
{
	const struct config *cfg = a->st->cfg;

	return guard_load(
		&a->guard, file, cfg->data_dir, config_is_loopback(cfg->admin.address), why);
}

/* A new token counts from the next request on. */
static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct admin *a = arg;

	if (!load_guard(a, next->admin.token_file, why))
		return false;
	a->tries = (struct tries){.rows = {{.until_ms = 0}}};
	return true;
}

static void
serve_operators(struct admin *a)
{
	struct stage *st = a->st;
	struct error why = {""};

	a->board = board_new(st->cfg, st->name, st->instance);
	if (!a->board)
		stage_fail("cannot start", &(struct error){"out of memory"});
	a->feed = tap_feed_new(st->cfg, "stats", &why);
	if (!a->feed)
		stage_fail("cannot open sockets", &why);
	if (!load_guard(a, st->cfg->admin.token_file, &why))
		stage_fail("cannot read the token", &why);
	board_look(a->board, st->metrics);
	requests(a, "GET", 200);
	listen_for(a);
	stage_on_read(st, tap_feed_sock(a->feed), on_feed, a);
	stage_every(st, TICK_MS, on_tick, a);
	stage_every(st, SECOND_MS, on_second, a);
	stage_on_reload(st, on_reload, a);
}

static struct admin *
admin_new(struct stage *st)
{
	struct admin *a = calloc(1, sizeof *a);
	struct error why = {"out of memory"};

	if (!a)
		stage_fail("cannot start", &why);
	a->st = st;
	a->questions = questions_new(a);
	if (st->cfg->admin.listen)
		serve_operators(a);
	return a;
}

static void
admin_destroy(struct admin *a)
{
	letters_replay_end(a);
	listener_destroy(&a->listener);
	questions_destroy(&a->questions);
	admin_close_stores(a);
	tap_feed_destroy(&a->feed);
	board_destroy(&a->board);
	free(a);
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("admin", NULL, argc, argv);
	struct admin *a;

	store_catch_faults();
	a = admin_new(st);
	stage_run(st);
	admin_destroy(a);
	return stage_destroy(&st);
}
