/* admin - what an operator asks over HTTP: health, figures, the fate of an event, dead letters.
 *
 * In: HTTP on the address of its own, for operators only; the stages' figures from the tap. Out:
 * answers; dead letters put back into the journal or dropped. State: the figures last heard. A
 * process of its own, so that ingress, which strangers reach, can touch neither journal nor
 * letters. A kill costs the requests under way: a replay that was cut is simply asked for again. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "letters.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "pages.h"

enum { TICK_MS = 50, SECOND_MS = 1000, RUNS = 64, BURST = 512 };

/* ---- the figures ---- */

static void
on_feed(void *arg)
{
	struct admin *a = arg;
	void *sock = zsock_resolve(tap_feed_sock(a->feed));
	zmq_msg_t msg;

	zmq_msg_init(&msg);
	for (int n = 0; n < BURST && zmq_msg_recv(&msg, sock, ZMQ_DONTWAIT) >= 0; n++)
		if (!zmq_msg_more(&msg))
			board_hear(
				a->board, zmq_msg_data(&msg), zmq_msg_size(&msg), clock_mono_ms());
	zmq_msg_close(&msg);
}

static void
on_second(void *arg)
{
	struct admin *a = arg;
	struct metrics *all;

	tap_feed_refresh(a->feed);
	board_look(a->board, a->st->metrics);
	all = board_join(a->board, a->st->metrics, clock_mono_ms());
	if (all)
		board_sample(a->board, all, clock_mono_ms());
	metrics_destroy(&all);
	listener_sweep(a->listener, clock_mono_ms());
}

/* ---- HTTP ---- */

static struct answer_page
refused(unsigned status, const char *allow)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
		{401, "Bearer token missing or wrong"},
		{403, "Not for browsers"},
		{404, "Not found"},
		{405, "Method not allowed"},
	};
	struct answer_page page = {.status = status};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].status == status)
			page = page_error(status, texts[i].text);
	page.allow = allow;
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

static void
count(struct admin *a, const char *method, unsigned status)
{
	char labels[80];

	snprintf(
		labels, sizeof labels, "method=\"%s\",status=\"%u\"", method_label(method), status);
	++*metric(a->st->metrics, METRIC_FAMILY_ADMIN, labels);
}

static void
handle(void *arg, struct listener_request *rq, struct answer_page *page)
{
	struct admin *a = arg;
	const struct admin_route route = route_of(request_method(rq), request_path(rq));
	const unsigned status = guard_check(&a->guard, request_header(rq, "Authorization"),
		request_header(rq, "Origin"), request_header(rq, "Host"));

	if (status)
		*page = refused(status, NULL);
	else if (route.kind == ROUTE_NONE)
		*page = refused(route.status, route.allow);
	else
		*page = admin_answer(a, rq, &route);
	if (page->status != LISTENER_LATER)
		count(a, request_method(rq), page->status);
}

/* The epoll descriptor tells of new events only, so the library runs until it has no more to do. */
static void
run_http(void *arg)
{
	struct admin *a = arg;
	bool more = true;

	for (int i = 0; more && i < RUNS; i++)
		more = listener_run(a->listener);
	if (more)
		eventfd_write(a->again, 1);
}

static void
on_again(void *arg)
{
	struct admin *a = arg;
	eventfd_t seen;

	eventfd_read(a->again, &seen);
	run_http(a);
}

static void
on_tick(void *arg)
{
	letters_replay_tick(arg);
	run_http(arg);
}

/* ---- life ---- */

static struct admin *
admin_new(struct stage *st)
{
	struct admin *a = calloc(1, sizeof *a);
	struct error why = {"out of memory"};

	if (!a)
		stage_fail("cannot start", &why);
	a->st = st;
	a->again = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	a->board = board_new(st->cfg, "admin", st->instance);
	if (a->again < 0 || !a->board)
		stage_fail("cannot start", &why);
	a->feed = tap_feed_new(st->cfg, "stats", &why);
	if (!a->feed)
		stage_fail("cannot open sockets", &why);
	if (!guard_load(&a->guard, st->cfg->admin.token_file, &why))
		stage_fail("cannot read the token", &why);
	a->listener = listener_new(st->cfg, handle, a, &why);
	if (!a->listener)
		stage_fail("cannot listen", &why);
	return a;
}

static void
admin_destroy(struct admin *a)
{
	letters_replay_end(a);
	listener_destroy(&a->listener);
	admin_close_stores(a);
	tap_feed_destroy(&a->feed);
	board_destroy(&a->board);
	close(a->again);
	free(a);
}

/* A new token counts from the next request on. */
static bool
on_reload(void *arg, const struct config *next, struct error *why)
{
	struct admin *a = arg;
	struct guard guard;

	if (!guard_load(&guard, next->admin.token_file, why))
		return false;
	a->guard = guard;
	return true;
}

int
main(int argc, char **argv)
{
	struct stage *st = stage_new("admin", NULL, argc, argv);
	struct admin *a;

	if (!st->cfg->admin.listen)
		stage_fail("nothing to do", &(struct error){"admin.listen is off"});
	a = admin_new(st);
	stage_on_fd(st, listener_fd(a->listener), run_http, a);
	stage_on_fd(st, a->again, on_again, a);
	stage_on_read(st, tap_feed_sock(a->feed), on_feed, a);
	stage_every(st, TICK_MS, on_tick, a);
	stage_every(st, SECOND_MS, on_second, a);
	stage_on_reload(st, on_reload, a);
	stage_run(st);
	admin_destroy(a);
	return stage_destroy(&st);
}
