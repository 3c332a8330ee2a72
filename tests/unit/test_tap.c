/* The feed for watching: who listens is known, who does not costs nothing, who comes late is found.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/stage/tap.h"

enum { PATIENCE_MS = 10000 };

static char folder[] = "/tmp/trotline-tap-XXXXXX";
static char nowhere[] = "/nonexistent";
static struct config cfg;
static struct error why;

static void
setup(void)
{
	char run[64];

	cr_assert_not_null(mkdtemp(folder));
	snprintf(run, sizeof run, "%s/run", folder);
	cr_assert_eq(mkdir(run, 0700), 0);
	cfg = (struct config){.data_dir = folder};
	cfg.limits.batch_bytes = cfg.limits.event_bytes = 1 << 20;
}

static void
teardown(void)
{
	char command[80];

	snprintf(command, sizeof command, "rm -r %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(tap, .init = setup, .fini = teardown, .timeout = 60);

static struct tap *
open_tap(const char *stage, size_t instance)
{
	struct tap *tap = tap_new(&cfg, stage, instance, &why);

	cr_assert_not_null(tap, "%s", why.text);
	return tap;
}

/* Waits until the tap's mind about the kind is as told; subscriptions travel on their own time. */
static bool
becomes_wanted(struct tap *tap, const char *kind, bool wanted)
{
	const uint64_t end = clock_mono_ms() + PATIENCE_MS;

	while (tap_wanted(tap, kind) != wanted)
		if (clock_mono_ms() > end)
			return false;
	return true;
}

static zsock_t *
watch(const char *file, const char *topic)
{
	zsock_t *sock = zsock_new(ZMQ_SUB);

	zsock_set_linger(sock, 0);
	zsock_set_rcvtimeo(sock, PATIENCE_MS);
	zsock_set_subscribe(sock, topic);
	cr_assert_eq(zsock_connect(sock, "ipc://%s/run/%s", folder, file), 0);
	return sock;
}

/* The next message is `topic frame`. */
static void
receives(zsock_t *sock, const char *expected)
{
	char *topic = NULL, *frame = NULL, both[256];

	zsock_set_rcvtimeo(sock, PATIENCE_MS);
	cr_assert_eq(zstr_recvx(sock, &topic, &frame, NULL), 2);
	snprintf(both, sizeof both, "%s %s", topic, frame);
	cr_assert_str_eq(both, expected);
	zstr_free(&topic);
	zstr_free(&frame);
}

Test(tap, nobody_listens_at_first_and_sending_is_harmless)
{
	struct tap *tap = open_tap("router", 0);

	cr_assert_not(tap_wanted(tap, "event"));
	tap_send(tap, "event", slice_of("email_opened"), "x", 1);
	tap_destroy(&tap);
	cr_assert_null(tap);
}

Test(tap, a_message_is_the_topic_and_the_frame)
{
	struct tap *tap = open_tap("router", 0);
	zsock_t *sock = watch("tap-router.0", "event.email_opened");

	cr_assert(becomes_wanted(tap, "event", true));
	tap_send(tap, "event", slice_of("email_clicked"), "no", 2);
	tap_send(tap, "event", slice_of("email_opened"), "yes", 3);
	receives(sock, "event.email_opened yes");
	zsock_destroy(&sock);
	tap_destroy(&tap);
}

Test(tap, a_kind_is_wanted_if_some_topic_of_it_can_match)
{
	static const struct {
		const char *topic, *kind;
		bool wanted;
	} rows[] = {{"", "event", true}, {"e", "event", true}, {"event", "event", true},
		{"event.", "event", true}, {"event.x", "event", true}, {"events", "event", false},
		{"stats", "event", false}, {"stats.validator", "stats", true},
		{"verdict.dead", "stats", false}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct tap *tap = open_tap("router", i);
		char file[32];
		zsock_t *sock;

		snprintf(file, sizeof file, "tap-router.%zu", i);
		sock = watch(file, rows[i].topic);
		zsock_set_subscribe(sock, "marker.");
		cr_assert(becomes_wanted(tap, "marker", true));
		cr_expect_eq(tap_wanted(tap, rows[i].kind), rows[i].wanted, "%s for %s",
			rows[i].topic, rows[i].kind);
		zsock_destroy(&sock);
		tap_destroy(&tap);
	}
}

Test(tap, the_last_listener_to_leave_ends_the_interest)
{
	struct tap *tap = open_tap("router", 0);
	zsock_t *one = watch("tap-router.0", "event"), *two = watch("tap-router.0", "event");

	zsock_set_subscribe(one, "first");
	zsock_set_subscribe(two, "second");
	cr_assert(becomes_wanted(tap, "first", true));
	cr_assert(becomes_wanted(tap, "second", true));
	zsock_set_unsubscribe(one, "event");
	zsock_set_unsubscribe(one, "first");
	cr_assert(becomes_wanted(tap, "first", false));
	cr_assert(tap_wanted(tap, "event"));
	zsock_destroy(&two);
	cr_assert(becomes_wanted(tap, "event", false));
	zsock_destroy(&one);
	tap_destroy(&tap);
}

Test(tap, each_newcomer_is_told_of_also_for_what_another_listens_to)
{
	struct tap *tap = open_tap("router", 0);
	zsock_t *one = watch("tap-router.0", "stats"), *two;
	zmq_pollitem_t item = {zsock_resolve(tap_sock(tap)), 0, ZMQ_POLLIN, 0};

	cr_assert(becomes_wanted(tap, "stats", true));
	two = watch("tap-router.0", "stats");
	cr_assert_eq(zmq_poll(&item, 1, 10000), 1);
	zsock_destroy(&one);
	zsock_destroy(&two);
	cr_assert(becomes_wanted(tap, "stats", false));
	tap_destroy(&tap);
}

Test(tap, more_subscriptions_than_the_table_holds_want_everything_until_they_end)
{
	struct tap *tap = open_tap("router", 0);
	zsock_t *sock = watch("tap-router.0", "stats");
	char topic[512];

	for (int i = 0; i < 100; i++) {
		snprintf(topic, sizeof topic, "t%d.", i);
		zsock_set_subscribe(sock, topic);
	}
	cr_assert(becomes_wanted(tap, "event", true));
	for (int i = 0; i < 100; i++) {
		snprintf(topic, sizeof topic, "t%d.", i);
		zsock_set_unsubscribe(sock, topic);
	}
	cr_assert(becomes_wanted(tap, "event", false));
	cr_assert(tap_wanted(tap, "stats"));
	snprintf(topic, sizeof topic, "%0400d", 1);
	zsock_set_subscribe(sock, topic);
	cr_assert(becomes_wanted(tap, "event", true));
	zsock_destroy(&sock);
	cr_assert(becomes_wanted(tap, "event", false));
	tap_destroy(&tap);
}

Test(tap, a_detail_of_any_length_and_any_bytes_does_no_harm)
{
	struct tap *tap = open_tap("router", 0);
	zsock_t *sock = watch("tap-router.0", "");
	char detail[2000], *topic = NULL, *frame = NULL;

	memset(detail, 'x', sizeof detail);
	cr_assert(becomes_wanted(tap, "event", true));
	tap_send(tap, "event", (struct slice){detail, sizeof detail}, "1", 1);
	cr_assert_eq(zstr_recvx(sock, &topic, &frame, NULL), 2);
	cr_assert_eq(strlen(topic), 255);
	zstr_free(&topic);
	zstr_free(&frame);
	tap_send(tap, "event", (struct slice){NULL, 0}, "2", 1);
	receives(sock, "event. 2");
	zsock_destroy(&sock);
	tap_destroy(&tap);
}

Test(tap, a_listener_that_does_not_read_holds_nobody_up_and_may_leave_at_any_time)
{
	for (int round = 0; round < 20; round++) {
		struct tap *tap = open_tap("router", 0);
		zsock_t *sock = watch("tap-router.0", "");

		cr_assert(becomes_wanted(tap, "event", true));
		for (int i = 0; i < 10000; i++)
			tap_send(tap, "event", slice_of("email_opened"), folder, sizeof folder);
		zsock_destroy(&sock);
		tap_destroy(&tap);
	}
}

Test(tap, a_folder_that_is_not_there_is_a_clear_error)
{
	struct config bad = cfg;

	bad.data_dir = nowhere;
	cr_assert_null(tap_new(&bad, "router", 0, &why));
	cr_assert_not_null(strstr(why.text, "/nonexistent/run/tap-router.0"));
}

static struct tap_feed *
open_feed(const char *topic)
{
	struct tap_feed *feed = tap_feed_new(&cfg, topic, &why);

	cr_assert_not_null(feed, "%s", why.text);
	return feed;
}

static void
leave_file(const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/run/%s", folder, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fclose(f);
}

Test(tap, a_feed_follows_every_stage_and_passes_other_files_over)
{
	static const char *const others[] = {"tap-", "tap-x", "tap-.0", "tap-x.", "tap-x.1z",
		"tap-stale.7", "verdicts", "tap-x.-1", "events.0"};
	struct tap *router = open_tap("router", 0), *handler = open_tap("handler-a.b", 12);
	struct tap_feed *feed;

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		leave_file(others[i]);
	feed = open_feed("stats");
	cr_assert(becomes_wanted(router, "stats", true));
	cr_assert(becomes_wanted(handler, "stats", true));
	cr_assert_not(tap_wanted(router, "event"));
	tap_send(router, "stats", slice_of("router"), "1", 1);
	receives(tap_feed_sock(feed), "stats.router 1");
	tap_send(handler, "stats", slice_of("handler"), "2", 1);
	receives(tap_feed_sock(feed), "stats.handler 2");
	tap_feed_destroy(&feed);
	cr_assert_null(feed);
	cr_assert(becomes_wanted(router, "stats", false));
	tap_destroy(&router);
	tap_destroy(&handler);
}

Test(tap, a_feed_finds_a_stage_that_starts_later_and_connects_to_it_once)
{
	struct tap_feed *feed = open_feed("stats");
	struct tap *tap = open_tap("router", 0);

	cr_assert_not(tap_wanted(tap, "stats"));
	for (int i = 0; i < 5; i++)
		tap_feed_refresh(feed);
	cr_assert(becomes_wanted(tap, "stats", true));
	tap_send(tap, "stats", slice_of("a"), "1", 1);
	tap_send(tap, "stats", slice_of("b"), "2", 1);
	receives(tap_feed_sock(feed), "stats.a 1");
	receives(tap_feed_sock(feed), "stats.b 2");
	tap_feed_destroy(&feed);
	tap_destroy(&tap);
}

Test(tap, a_feed_comes_back_to_a_stage_that_was_started_again)
{
	const uint64_t end = clock_mono_ms() + PATIENCE_MS;
	struct tap *tap = open_tap("router", 0);
	struct tap_feed *feed = open_feed("stats");

	cr_assert(becomes_wanted(tap, "stats", true));
	tap_destroy(&tap);
	tap = open_tap("router", 0);
	while (!tap_wanted(tap, "stats")) {
		/* A SUB socket subscribes again only while it is being read. */
		cr_assert_eq(zsock_events(tap_feed_sock(feed)) & ZMQ_POLLIN, 0);
		cr_assert_lt(clock_mono_ms(), end);
	}
	tap_send(tap, "stats", slice_of("a"), "1", 1);
	receives(tap_feed_sock(feed), "stats.a 1");
	tap_feed_destroy(&feed);
	tap_destroy(&tap);
}

Test(tap, a_feed_connects_to_what_a_killed_stage_left_behind_when_it_is_back)
{
	struct tap_feed *feed;
	struct tap *tap;

	leave_file("tap-router.0");
	feed = open_feed("stats");
	tap = open_tap("router", 0);
	cr_assert(becomes_wanted(tap, "stats", true));
	tap_feed_destroy(&feed);
	tap_destroy(&tap);
}

Test(tap, a_feed_without_a_folder_waits_for_it)
{
	struct config bad = cfg;
	struct tap_feed *feed;

	bad.data_dir = nowhere;
	feed = tap_feed_new(&bad, "", &why);
	cr_assert_not_null(feed);
	tap_feed_refresh(feed);
	tap_feed_destroy(&feed);
}

/* One that does not read at all; another gets what it can take, and figures of the stage go on. */
Test(tap, a_watcher_that_is_too_slow_is_counted_and_holds_nobody_up)
{
	enum { MANY = 20000 };
	struct tap *tap = open_tap("router", 0);
	zsock_t *slow = watch("tap-router.0", "event"), *quick = watch("tap-router.0", "stats");
	char frame[1000] = "x";

	cr_assert(becomes_wanted(tap, "event", true));
	cr_assert(becomes_wanted(tap, "stats", true));
	cr_expect_eq(tap_dropped(tap), 0);
	for (int i = 0; i < MANY; i++)
		tap_send(tap, "event", slice_of("email_opened"), frame, sizeof frame);
	cr_expect_gt(tap_dropped(tap), 0);
	cr_expect_lt(tap_dropped(tap), MANY);
	tap_send(tap, "stats", slice_of("router"), "yes", 4);
	receives(quick, "stats.router yes");
	zsock_destroy(&slow);
	zsock_destroy(&quick);
	tap_destroy(&tap);
}
