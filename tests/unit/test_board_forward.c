/* What health tells of destinations, from the figures that forward tells of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/stage/board.h"
#include "lib/stage/destinations.h"
#include "scratch.h"

static struct scratch s;
static struct board *b;
static struct metrics *own;

static void
setup(void)
{
	scratch_open(&s, "health: {oldest_age: 60s}\n"
			 "forward:\n  - {name: app, url: \"https://app.example.com/\"}\n"
			 "  - {name: app2, url: \"https://app2.example.com/\"}\n");
	b = board_new(s.cfg, "forward", 0);
	own = metrics_new();
	cr_assert(b && own);
}

static void
teardown(void)
{
	metrics_destroy(&own);
	board_destroy(&b);
	scratch_close(&s);
}

TestSuite(board_forward, .init = setup, .fini = teardown);

static double
now_s(void)
{
	return (double)clock_wall_ms() / 1e3;
}

static void
set(enum metric_family family, double value)
{
	*metric(own, family, "destination=\"app\"") = value;
}

/* The alerts about destinations, all in one text that the next call replaces. */
static const char *
told(void)
{
	static char text[8192];
	const char *from, *to;
	unsigned status;
	char *health;

	health = board_health(b, board_join(b, own, 1000000), 1000000, BOARD_OPERATOR, &status);
	cr_assert_not_null(health);
	text[0] = '\0';
	for (from = health; (from = strstr(from, "\"destination ")); from = to) {
		to = from + 1 + strcspn(from + 1, "\"");
		strncat(text, from + 1, (size_t)(to - from - 1));
		strcat(text, "\n");
	}
	free(health);
	return text;
}

static void
expect_told(const char *part)
{
	const char *text = told();

	cr_expect_not_null(strstr(text, part), "says: %s\nnot:  %s", text, part);
}

Test(board_forward, what_goes_well_or_is_paused_is_no_alert)
{
	cr_expect_str_eq(told(), "");
	set(METRIC_FAMILY_FORWARD_UP, 1);
	set(METRIC_FAMILY_FORWARD_LAG, 30);
	set(METRIC_FAMILY_HISTORY_KEEP, 0);
	cr_expect_str_eq(told(), "");
	set(METRIC_FAMILY_FORWARD_PAUSED, 1);
	set(METRIC_FAMILY_FORWARD_LAG, 3000);
	cr_expect_str_eq(told(), "");
}

Test(board_forward, who_takes_nothing_is_told_with_the_cause_and_since_when)
{
	double *down = metric(own, METRIC_FAMILY_FORWARD_TROUBLE,
		"destination=\"app\",state=\"down\",cause=\"timed out\"");
	double *refused = metric(own, METRIC_FAMILY_FORWARD_TROUBLE,
		"destination=\"app\",state=\"refused\",cause=\"answers 404\"");
	double *gone = metric(own, METRIC_FAMILY_FORWARD_TROUBLE,
		"destination=\"app\",state=\"gone\",cause=\"answers 410\"");

	set(METRIC_FAMILY_FORWARD_LAG_EVENTS, 40);
	set(METRIC_FAMILY_FORWARD_OWED, 2);
	set(METRIC_FAMILY_FORWARD_LAG, 3000);
	*down = 1796000000;
	expect_told("destination app down: it timed out since "
		    "2026-11-30T00:53:20Z, and 40 events wait for it");
	cr_expect_null(strstr(told(), "late"));
	*down = 0;
	*refused = 1796000000;
	expect_told("destination app refused: it answers 404 since 2026-11-30T00:53:20Z");
	*refused = 0;
	*gone = 1796000000;
	expect_told("destination app gone: it answers 410 since 2026-11-30T00:53:20Z");
	expect_told("forward enable app");
	cr_expect_null(strstr(told(), "app2"));
}

Test(board_forward, who_is_late_is_told)
{
	set(METRIC_FAMILY_FORWARD_LAG_EVENTS, 7);
	set(METRIC_FAMILY_FORWARD_LAG, 61);
	expect_told("destination app late: 7 events wait for it, the oldest for 61 s");
}

Test(board_forward, what_history_will_let_go_of_is_told_before_and_after)
{
	*metric(own, METRIC_FAMILY_HISTORY_KEEP, "") = 1000;
	set(METRIC_FAMILY_FORWARD_PAUSED, 1);
	set(METRIC_FAMILY_FORWARD_LAG, 799);
	cr_expect_str_eq(told(), "");
	set(METRIC_FAMILY_FORWARD_LAG, 801);
	expect_told("destination app runs out: in 199 s history lets go of events");
	set(METRIC_FAMILY_FORWARD_LAG, 0);
	set(METRIC_FAMILY_FORWARD_MISSED, 5);
	set(METRIC_FAMILY_FORWARD_MISSED_AT, now_s() - 601);
	cr_expect_str_eq(told(), "");
	set(METRIC_FAMILY_FORWARD_MISSED_AT, now_s() - 1);
	expect_told("destination app missed 5 events");
}

Test(board_forward, dead_letters_and_what_the_guard_refuses_are_told_for_a_while)
{
	set(METRIC_FAMILY_FORWARD_DEAD, 3);
	cr_expect_str_eq(told(), "");
	set(METRIC_FAMILY_FORWARD_DIED_AT, now_s() - 2);
	set(METRIC_FAMILY_FORWARD_GUARDED_AT, now_s() - 2);
	expect_told("destination app dead letters: 3 are in its store");
	expect_told("destination app guarded");
	set(METRIC_FAMILY_FORWARD_DIED_AT, now_s() - 601);
	set(METRIC_FAMILY_FORWARD_GUARDED_AT, now_s() - 601);
	cr_expect_str_eq(told(), "");
}

/* ---- read again ---- */

static void
say(const char *labels, double since_s)
{
	*metric(own, METRIC_FAMILY_FORWARD_TROUBLE, labels) = since_s;
}

Test(board_forward, the_state_is_the_one_whose_time_is_not_0)
{
	struct destination_figures d;

	destination_read(own, "app", &d);
	cr_expect_str_eq(d.state, "");
	set(METRIC_FAMILY_FORWARD_UP, 1);
	destination_read(own, "app", &d);
	cr_expect_str_eq(d.state, "up");
	set(METRIC_FAMILY_FORWARD_UP, 0);
	say("destination=\"app\",state=\"down\",cause=\"timed out\"", 0);
	say("destination=\"app\",state=\"refused\",cause=\"answers 404\"", 1796000000);
	say("destination=\"app2\",state=\"gone\",cause=\"answers 410\"", 1796000001);
	set(METRIC_FAMILY_FORWARD_LAST, 404);
	set(METRIC_FAMILY_FORWARD_DEAD, 6);
	set(METRIC_FAMILY_FORWARD_LAG, 4.5);
	destination_read(own, "app", &d);
	cr_expect_str_eq(d.state, "refused");
	cr_expect_str_eq(d.cause, "answers 404");
	cr_expect(d.since_s == 1796000000 && d.last_status == 404 && d.dead == 6 && d.lag_s == 4.5);
	destination_read(own, "app2", &d);
	cr_expect_str_eq(d.state, "gone");
}
