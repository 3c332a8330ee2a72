/* Notices about dead letters: what they say, when they go, and that a notifier that fails or hangs
 * holds nobody up. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dlq/notice.h"
#include "dlq/notify.h"
#include "dlq/notify_way.h"
#include "lib/base/clock.h"
#include "lib/base/field.h"
#include "lib/base/json.h"
#include "scratch.h"

/* ---- what and when: pure */

static struct notice news;

static void
add(uint64_t seq, const char *type, const char *reason, uint64_t failed_at)
{
	const struct dead dead = {
		.journal = slice_of("00000000000000aa"),
		.seq = seq,
		.reason = slice_of(reason),
		.failed_at = failed_at,
	};
	const struct letter letter = {
		.dead = &dead,
		.readable = type != NULL,
		.event = {.type = slice_of(type), .id = slice_of("evt")},
	};

	notice_add(&news, &letter);
}

static void
text_is(const char *expected)
{
	char *text = notice_text(&news,
		&(struct notice_place){"mail.example.com", "/srv/trotline", "/etc/t.yaml", 7});

	cr_expect_str_eq(text, expected);
	free(text);
}

Test(notice, it_says_how_many_of_what_and_why)
{
	add(1, "email_opened", "dry", 2000);
	add(2, "email_opened", "wet", 1000);
	add(3, "email_bounced", "dry", 3000);
	text_is("{\"kind\":\"dead_letters\",\"host\":\"mail.example.com\",\"data_dir\":\"/srv/"
		"trotline\",\"count\":3,\"total\":7,"
		"\"first_failed_at\":\"1970-01-01T00:00:01.000Z\","
		"\"last_failed_at\":\"1970-01-01T00:00:03.000Z\","
		"\"by_type\":[{\"event_type\":\"email_opened\",\"count\":2},"
		"{\"event_type\":\"email_bounced\",\"count\":1}],"
		"\"by_reason\":[{\"error_reason\":\"dry\",\"count\":2},"
		"{\"error_reason\":\"wet\",\"count\":1}],"
		"\"last\":{\"letter\":\"00000000000000aa-3\",\"event_id\":\"evt\"},"
		"\"see\":\"trotline dlq list --since 1970-01-01T00:00:01.000Z -c /etc/t.yaml\"}\n");
}

Test(notice, however_many_reasons_it_stays_short)
{
	char reason[300];
	char *text;

	for (int i = 0; i < 5000; i++) {
		snprintf(reason, sizeof reason, "%d%*s", i, 250, "x");
		add((uint64_t)i + 1, reason, reason, 1000);
	}
	text = notice_text(&news, &(struct notice_place){"h", "/d", NULL, 5000});
	cr_expect_lt(strlen(text), 8192);
	cr_expect_not_null(strstr(text, "{\"error_reason\":null,\"count\":4990}"), "%s", text);
	free(text);
}

Test(notice, two_join_into_one)
{
	struct notice first;

	add(1, "a", "x", 3000);
	first = news;
	memset(&news, 0, sizeof news);
	add(2, "b", "x", 1000);
	notice_join(&first, &news);
	news = first;
	cr_expect_eq(news.count, 2);
	cr_expect_eq(news.first_ms, 1000);
	cr_expect_eq(news.last_ms, 3000);
	cr_expect_eq(news.reasons.n, 1);
	cr_expect_eq(news.reasons.rows[0].count, 2);
	cr_expect_str_eq(news.letter, "00000000000000aa-2");
	notice_join(&first, &(struct notice){0});
	cr_expect_str_eq(first.letter, "00000000000000aa-2");
}

Test(notice, the_first_goes_at_once_and_then_one_an_interval)
{
	struct notice_pace pace = {0};

	cr_expect_eq(notice_wait_ms(&pace, 60000, 5), 0);
	cr_expect(notice_tried(&pace, true, 1000));
	cr_expect_eq(notice_wait_ms(&pace, 60000, 1000), 60000);
	cr_expect_eq(notice_wait_ms(&pace, 60000, 60999), 1);
	cr_expect_eq(notice_wait_ms(&pace, 60000, 61000), 0);
	cr_expect_eq(notice_wait_ms(&pace, 60000, 99000), 0);
}

Test(notice, one_that_fails_is_tried_three_times_in_all)
{
	struct notice_pace pace = {0};

	for (int round = 0; round < 2; round++) {
		cr_expect_not(notice_tried(&pace, false, 1000));
		cr_expect_eq(notice_wait_ms(&pace, 60000, 1000), 60000);
		cr_expect_not(notice_tried(&pace, false, 61000));
		cr_expect(notice_tried(&pace, false, 121000));
	}
	cr_expect_not(notice_tried(&pace, false, 1000));
	cr_expect(notice_tried(&pace, true, 61000));
	cr_expect_not(notice_tried(&pace, false, 121000));
}

/* ---- the ways */

static struct scratch s;
static struct error why;
static atomic_bool stop;

static void
setup(void)
{
	scratch_open(&s, NULL);
}

static void
teardown(void)
{
	scratch_close(&s);
}

TestSuite(notify, .init = setup, .fini = teardown);

static bool
command(const char *what, uint64_t timeout_ms)
{
	char text[512];
	const struct notify_limits limits = {timeout_ms, &stop};

	snprintf(text, sizeof text, "cd %s; %s", s.folder, what);
	return notify_command(text, "{\"count\":1}\n", &limits, &why);
}

static const char *
content_of(const char *file)
{
	static char text[4096];
	FILE *f = fopen(scratch_path(&s, file), "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

	text[n] = 0;
	if (f)
		fclose(f);
	return text;
}

Test(notify, a_command_reads_the_notice_on_its_standard_input)
{
	cr_expect(command("cat > got", 5000), "%s", why.text);
	cr_expect_str_eq(content_of("got"), "{\"count\":1}\n");
}

Test(notify, a_command_that_fails_says_how)
{
	cr_expect_not(command("exit 3", 5000));
	cr_expect_str_eq(why.text, "notify.command exited 3");
	cr_expect_not(command("kill -9 $$", 5000));
	cr_expect_str_eq(why.text, "notify.command was ended by signal 9");
	cr_expect_not(command("/no/such/program 2>/dev/null", 5000));
	cr_expect_str_eq(why.text, "notify.command exited 127");
	cr_expect(command("true # though it reads nothing", 5000));
}

/* Runs, and is not merely waiting for whoever reaps here. */
static bool
runs(pid_t pid)
{
	char path[64], state = 'X';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d %*s %c", &state) != 1)
		state = 'X';
	fclose(f);
	return state != 'Z' && state != 'X';
}

Test(notify, a_command_that_hangs_is_ended_with_all_its_children)
{
	const uint64_t start_ms = clock_mono_ms();
	pid_t child;

	cr_expect_not(command("sleep 60 & echo $! > child; wait", 200));
	cr_expect_str_eq(why.text, "notify.command was ended after 200 ms");
	cr_expect_lt(clock_mono_ms() - start_ms, 1000);
	child = atoi(content_of("child"));
	cr_assert_gt(child, 0);
	for (int i = 0; i < 100 && runs(child); i++)
		usleep(10000);
	cr_expect_not(runs(child));
}

Test(notify, a_command_that_ignores_being_asked_is_killed)
{
	const uint64_t start_ms = clock_mono_ms();

	cr_expect_not(command("trap '' TERM; sleep 60 & wait; sleep 60; :", 100));
	cr_expect_lt(clock_mono_ms() - start_ms, 3000);
}

Test(notify, a_post_to_nobody_says_why)
{
	const struct notify_limits limits = {2000, &stop};

	cr_expect_not(notify_url("http://127.0.0.1:1/hook", "{}\n", &limits, &why));
	cr_expect_not_null(strstr(why.text, "notify.url: "), "%s", why.text);
	cr_expect_not(notify_url("file:///etc/hostname", "{}\n", &limits, &why));
}

static void
wait_figures(struct notify *n, enum notify_way way, uint64_t sent, uint64_t failed)
{
	struct notify_figures figures;

	for (int i = 0; i < 500; i++) {
		notify_look(n, way, &figures);
		if (figures.sent == sent && figures.failed == failed)
			return;
		usleep(10000);
	}
	cr_assert(false, "%s: sent %lu, failed %lu: %s", notify_names[way],
		(unsigned long)figures.sent, (unsigned long)figures.failed, figures.last.text);
}

static void
die(struct notify *n, uint64_t count)
{
	memset(&news, 0, sizeof news);
	for (uint64_t i = 0; i < count; i++)
		add(i + 1, "email_opened", "dry", 1000);
	notify_add(n, &news, count);
}

static struct notify *
notify_with(const char *what, uint64_t interval_ms)
{
	static char text[256];
	struct notify *n;

	snprintf(text, sizeof text, "cd %s; %s", s.folder, what);
	free(s.cfg->notify.command);
	s.cfg->notify.command = strdup(text);
	s.cfg->notify.interval_ms = interval_ms;
	n = notify_new(s.cfg, 300, &why);
	cr_assert_not_null(n, "%s", why.text);
	return n;
}

Test(notify, what_comes_within_the_interval_is_one_summary)
{
	struct notify *n = notify_with("cat >> got", 400);

	die(n, 1);
	wait_figures(n, NOTIFY_COMMAND, 1, 0);
	die(n, 2);
	die(n, 3);
	wait_figures(n, NOTIFY_COMMAND, 2, 0);
	notify_destroy(&n);
	cr_expect_not_null(strstr(content_of("got"), "\"count\":1,"));
	cr_expect_not_null(strstr(content_of("got"), "\"count\":5,"), "%s", content_of("got"));
}

Test(notify, what_has_failed_is_told_with_the_next)
{
	struct notify *n = notify_with("cat >> got; test -e ok", 100);

	die(n, 2);
	wait_figures(n, NOTIFY_COMMAND, 0, 3);
	usleep(250000);
	wait_figures(n, NOTIFY_COMMAND, 0, 3);
	notify_destroy(&n);
}

static bool
fails(struct notify *n)
{
	struct notify_figures figures;

	notify_look(n, NOTIFY_COMMAND, &figures);
	return figures.failing;
}

Test(notify, a_way_fails_until_it_works_again_or_is_looked_after)
{
	struct notify *n = notify_with("test -e ok", 50);

	cr_expect_not(fails(n));
	die(n, 1);
	wait_figures(n, NOTIFY_COMMAND, 0, 3);
	cr_expect(fails(n));
	cr_assert_eq(close(creat(scratch_path(&s, "ok"), 0600)), 0);
	die(n, 1);
	wait_figures(n, NOTIFY_COMMAND, 1, 3);
	cr_expect_not(fails(n));
	cr_assert_eq(unlink(scratch_path(&s, "ok")), 0);
	die(n, 1);
	wait_figures(n, NOTIFY_COMMAND, 1, 6);
	cr_expect(fails(n));
	notify_set(n, s.cfg);
	cr_expect_not(fails(n));
	notify_destroy(&n);
}

Test(notify, a_way_that_hangs_holds_neither_the_caller_nor_the_other_way)
{
	uint64_t start_ms;
	struct notify *n;

	s.cfg->notify.url = strdup("http://127.0.0.1:1/hook");
	n = notify_with("sleep 60; :", 50);
	start_ms = clock_mono_ms();
	for (int i = 0; i < 100; i++)
		die(n, 10);
	cr_expect_lt(clock_mono_ms() - start_ms, 100);
	wait_figures(n, NOTIFY_URL, 0, 3);
	wait_figures(n, NOTIFY_COMMAND, 0, 1);
	start_ms = clock_mono_ms();
	notify_destroy(&n);
	cr_expect_lt(clock_mono_ms() - start_ms, 2000);
}

Test(notify, nobody_to_tell_costs_nothing)
{
	struct notify *n = notify_new(s.cfg, 300, &why);

	die(n, 1);
	usleep(50000);
	wait_figures(n, NOTIFY_COMMAND, 0, 0);
	s.cfg->notify.command = strdup("true");
	notify_set(n, s.cfg);
	usleep(50000);
	wait_figures(n, NOTIFY_COMMAND, 0, 0);
	die(n, 1);
	wait_figures(n, NOTIFY_COMMAND, 1, 0);
	notify_destroy(&n);
}
