/* The router's door: what every engine behind it must keep, by one suite for all of them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sys/stat.h>

#include "lib/stage/wire.h"
#include "proto/bundle.h"
#include "router/outlet.h"
#include "scratch.h"

enum { EVENTS_MOST = 20000, WAIT_MS = 5000 };

/* An engine, and how its takers come and what has reached them. */
struct world {
	const struct outlet_engine *engine;
	bool has_takers; /* else what is sent is done */
	void (*come)(size_t taker);
	void (*receive)(size_t taker);
};

static struct scratch s;
static struct outlet *o;
static zloop_t *loop;
static zsock_t *handlers[CONFIG_HANDLERS_MAX];
static const struct world *w;
static size_t own, foreign; /* takers: one that `up` starts, and one that it does not */
static unsigned gone[CONFIG_HANDLERS_MAX];

/* How often each event met an end. */
static struct {
	unsigned back, done, arrived;
} ends[EVENTS_MOST];

static void
on_back(void *arg, size_t taker, const uint64_t *seqs, size_t n)
{
	cr_assert(arg == &s && taker < s.cfg->handlers_count);
	for (size_t i = 0; i < n; i++)
		ends[seqs[i]].back++;
}

static void
on_done(void *arg, size_t taker, const uint64_t *seqs, size_t n)
{
	cr_assert(arg == &s && taker < s.cfg->handlers_count);
	for (size_t i = 0; i < n; i++)
		ends[seqs[i]].done++;
}

static int
stop(zloop_t *l, int timer, void *arg)
{
	(void)l;
	(void)timer;
	(void)arg;
	return -1;
}

static void
on_gone(void *arg, size_t taker)
{
	cr_assert_eq(arg, &s);
	gone[taker]++;
	zloop_timer(loop, 0, 1, stop, NULL);
}

/* ---- the worlds ---- */

static void
nobody_comes(size_t taker)
{
	(void)taker;
}

/* A handler, once a frame that proves its connection has reached it. */
static void
handler_comes(size_t taker)
{
	const struct event probe = {.seq = 0};
	zsock_t **sock = &handlers[taker];

	*sock = wire_connect(s.cfg, taker == own ? WIRE_OWN_ROUTE : WIRE_ROUTE, ZMQ_PULL,
		s.cfg->handlers[taker].name, 0, &s.why);
	cr_assert_not_null(*sock, "%s", s.why.text);
	zsock_set_rcvtimeo(*sock, 20);
	for (int i = 0; i < WAIT_MS / 20; i++) {
		zframe_t *frame;

		if (w->engine->send(o, taker, &probe, slice_of("0")))
			w->engine->flush(o);
		frame = zframe_recv(*sock);
		if (frame) {
			zframe_destroy(&frame);
			break;
		}
	}
	ends[0].back = ends[0].done = 0;
}

static void
arrive(struct slice frame)
{
	char text[16];

	snprintf(text, sizeof text, "%.*s", SLICE_ARG(frame));
	ends[strtoul(text, NULL, 10)].arrived++;
}

static void
handler_receives(size_t taker)
{
	zframe_t *message;

	while (handlers[taker] && (message = zframe_recv(handlers[taker]))) {
		struct slice rest = {(const char *)zframe_data(message), zframe_size(message)};
		struct slice frame;

		if (taker != own)
			arrive(rest);
		else
			while (bundle_next(&rest, &frame))
				arrive(frame);
		zframe_destroy(&message);
	}
}

static const struct world worlds[] = {
	{&outlet_none, false, nobody_comes, nobody_comes},
	{&outlet_zmq, true, handler_comes, handler_receives},
};
enum { NONE, ZMQ };

static void
begin(int world)
{
	const struct outlet_calls calls = {&s, on_back, on_done, on_gone};
	struct error why = {""};

	w = &worlds[world];
	scratch_open(&s, "handlers:\n  - name: foreign\n    types: [odd]\n    processes: 0\n");
	own = config_route(s.cfg, slice_of("email_opened"));
	foreign = config_route(s.cfg, slice_of("odd"));
	mkdir(scratch_path(&s, "run"), 0700);
	zsys_handler_set(NULL);
	loop = zloop_new();
	o = w->engine->open(s.cfg, 0, loop, &calls, &why);
	cr_assert_not_null(o, "%s", why.text);
}

static void
end(void)
{
	w->engine->close(&o);
	cr_expect_null(o);
	for (size_t i = 0; i < CONFIG_HANDLERS_MAX; i++)
		zsock_destroy(&handlers[i]);
	zloop_destroy(&loop);
	scratch_close(&s);
}

#define FOR_EACH_ENGINE(test)                                                                      \
	ParameterizedTestParameters(outlet, test)                                                  \
	{                                                                                          \
		static int numbers[] = {NONE, ZMQ};                                                \
                                                                                                   \
		return cr_make_param_array(int, numbers, sizeof worlds / sizeof *worlds);          \
	}                                                                                          \
	ParameterizedTest(int *number, outlet, test, .timeout = 60)

/* Sends the event, whose frame is its number; what does not fit comes back by the answer. */
static bool
send_to(size_t taker, uint64_t seq)
{
	const struct event ev = {.seq = seq, .journal = slice_of("0123456789abcdef")};
	char text[16];

	snprintf(text, sizeof text, "%llu", (unsigned long long)seq);
	return w->engine->send(o, taker, &ev, slice_of(text));
}

static unsigned
ends_of(uint64_t seq)
{
	return ends[seq].back + ends[seq].done + ends[seq].arrived;
}

FOR_EACH_ENGINE(after_a_flush_every_event_that_was_taken_has_one_end)
{
	bool taken[100];

	begin(*number);
	w->come(own);
	w->come(foreign);
	for (uint64_t seq = 1; seq < 100; seq++)
		taken[seq] = send_to(seq % 2 ? own : foreign, seq);
	w->engine->flush(o);
	w->receive(own);
	w->receive(foreign);
	for (uint64_t seq = 1; seq < 100; seq++) {
		cr_expect_eq(ends_of(seq), taken[seq], "%d", (int)seq);
		cr_expect(!w->has_takers || ends[seq].arrived, "%d: there is room", (int)seq);
	}
	end();
}

FOR_EACH_ENGINE(where_nobody_is_an_event_comes_back_or_is_never_taken)
{
	begin(*number);
	for (uint64_t seq = 1; seq < 100; seq++) {
		const bool taken = send_to(seq % 2 ? own : foreign, seq);

		if (seq % 10 == 0)
			w->engine->flush(o);
		cr_expect(taken || ends_of(seq) == 0, "no call for what was not taken");
		ends[seq].back += !taken;
	}
	w->engine->flush(o);
	for (uint64_t seq = 1; seq < 100; seq++) {
		cr_expect_eq(ends_of(seq), 1, "%d", (int)seq);
		cr_expect(!w->has_takers || ends[seq].back, "%d", (int)seq);
	}
	end();
}

FOR_EACH_ENGINE(one_that_takes_no_more_holds_up_nobody_else)
{
	uint64_t seq = 1;
	bool full = false;

	begin(*number);
	w->come(own);
	w->come(foreign);
	for (; !full && seq < EVENTS_MOST - 1; seq++) {
		full = !send_to(own, seq);
		full |= ends[seq].back > 0;
	}
	cr_assert(full, "memory is bounded");
	cr_assert(send_to(foreign, seq));
	w->engine->flush(o);
	w->receive(foreign);
	cr_expect_eq(ends_of(seq), 1);
	cr_expect_eq(ends[seq].back, 0);
	end();
}

FOR_EACH_ENGINE(a_flush_of_nothing_does_nothing)
{
	begin(*number);
	w->engine->flush(o);
	send_to(own, 1);
	w->engine->flush(o);
	w->engine->flush(o);
	cr_expect_eq(ends_of(1), 1);
	end();
}

FOR_EACH_ENGINE(closing_makes_no_call)
{
	begin(*number);
	send_to(own, 1);
	end();
	cr_expect_eq(ends_of(1), 0);
}

Test(outlet, a_handler_that_goes_is_told_of, .timeout = 60)
{
	begin(ZMQ);
	w->come(own);
	w->come(foreign);
	zsock_destroy(&handlers[foreign]);
	zloop_timer(loop, WAIT_MS, 1, stop, NULL);
	zloop_start(loop);
	cr_expect_eq(gone[foreign], 1);
	cr_expect_eq(gone[own], 0);
	end();
}
