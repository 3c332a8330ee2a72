/* What all processes say of themselves, joined, and what health tells from it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/stage/board.h"
#include "scratch.h"

static struct scratch s;
static struct board *b;
static struct metrics *own; /* of this process, an ingress */
static uint64_t now_ms;

static void
setup(void)
{
	scratch_open(&s, "handlers:\n  - name: opened\n    processes: 2\n"
			 "  - name: by-hand\n    types: [odd]\n    processes: 0\n"
			 "health:\n  queue_size: 100\n  oldest_age: 60s\n");
	b = board_new(s.cfg, "ingress", 0);
	own = metrics_new();
	cr_assert(b && own);
	now_ms = 1000000;
}

static void
teardown(void)
{
	metrics_destroy(&own);
	board_destroy(&b);
	cr_expect_null(b);
	scratch_close(&s);
}

TestSuite(board, .init = setup, .fini = teardown);

static void
hears(struct stats stats, struct metrics *m)
{
	struct metrics *none = metrics_new();
	msgpack_sbuffer out;
	msgpack_zone zone;

	msgpack_sbuffer_init(&out);
	msgpack_zone_init(&zone, 4096);
	cr_assert(metrics_object(m ? m : none, &zone, &stats.metrics));
	cr_assert(frame_pack(&stats_schema, &stats, &out));
	board_hear(b, out.data, out.size, now_ms, NULL);
	msgpack_zone_destroy(&zone);
	msgpack_sbuffer_destroy(&out);
	metrics_destroy(&none);
	metrics_destroy(&m);
}

/* What a process of the stage says of itself; m may be NULL. */
static void
says(const char *stage, uint64_t instance, struct metrics *m)
{
	hears((struct stats){.stage = slice_of(stage), .instance = instance, .pid = 1}, m);
}

static void
says_it_drains(const char *stage, uint64_t instance)
{
	hears(
		(struct stats){
			.stage = slice_of(stage), .instance = instance, .pid = 1, .draining = true},
		NULL);
}

static struct metrics *
figure(enum metric_family family, const char *labels, double value)
{
	struct metrics *m = metrics_new();

	*metric(m, family, labels) = value;
	return m;
}

/* Every stage of the configuration, but for one. */
static void
all_but(const char *missing)
{
	static const char *const stages[] = {
		"validator", "router", "retrier", "dlq", "admin", "watcher"};
	char name[80];

	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (strcmp(stages[i], missing) != 0)
			says(stages[i], 0, NULL);
	for (size_t i = 0; i < s.cfg->handlers_count; i++) {
		snprintf(name, sizeof name, "handler-%s", s.cfg->handlers[i].name);
		for (uint64_t k = 0; k < s.cfg->handlers[i].processes; k++)
			if (strcmp(name, missing) != 0)
				says(name, k, NULL);
	}
}

static double
joined(enum metric_family family, const char *part)
{
	const struct metrics *all = board_join(b, own, now_ms);
	const double sum = metrics_sum(all, family, part);

	return sum;
}

static void
sample(void)
{
	const struct metrics *all = board_join(b, own, now_ms);

	board_sample(b, all, now_ms);
}

/* The health answer; good until the next call. */
static const char *
health(unsigned *status)
{
	static char text[16384];
	const struct metrics *all = board_join(b, own, now_ms);
	char *answer = board_health(b, all, now_ms, BOARD_OPERATOR, status);

	cr_assert_not_null(answer);
	snprintf(text, sizeof text, "%s", answer);
	free(answer);
	return text;
}

static bool
health_is(const char *expected, unsigned status)
{
	char text[64];
	const char *answer;
	unsigned given;

	snprintf(text, sizeof text, "{\"status\":\"%s\"", expected);
	answer = health(&given);
	if (given != status || strncmp(answer, text, strlen(text)) != 0) {
		cr_log_warn("%u %s", given, answer);
		return false;
	}
	return true;
}

static bool
health_has(const char *part)
{
	unsigned status;

	return strstr(health(&status), part) != NULL;
}

Test(board, with_all_stages_alive_and_nothing_to_complain_of_it_is_healthy)
{
	unsigned status;

	all_but("");
	cr_expect_str_eq(health(&status),
		"{\"status\":\"healthy\",\"metrics\":{\"total_events\":0,\"error_rate_percent\":0."
		"0,"
		"\"avg_processing_time_seconds\":0.0,\"current_queue_size\":0},\"alerts\":[]}");
	cr_expect_eq(status, 200);
}

Test(board, without_a_validator_nothing_can_be_accepted)
{
	all_but("validator");
	cr_expect(health_is("critical", 503));
	cr_expect(health_has("stage validator has no live process"));
}

struct lacking {
	char name[32];
};

ParameterizedTestParameters(board, without_any_other_stage_events_are_only_late)
{
	static struct lacking stages[] = {
		{"router"}, {"retrier"}, {"dlq"}, {"handler-bounced"}, {"handler-opened"}};

	return cr_make_param_array(struct lacking, stages, sizeof stages / sizeof *stages);
}

ParameterizedTest(struct lacking *stage, board, without_any_other_stage_events_are_only_late)
{
	char text[80];

	all_but(stage->name);
	snprintf(text, sizeof text, "stage %s has no live process", stage->name);
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has(text));
}

Test(board, a_process_that_is_not_heard_for_five_seconds_is_gone)
{
	all_but("");
	now_ms += 4999;
	cr_expect(health_is("healthy", 200));
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, "stage=\"router\""), 1);
	now_ms += 1;
	cr_expect(health_is("critical", 503));
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, "stage=\"router\""), 0);
	all_but("");
	cr_expect(health_is("healthy", 200));
}

Test(board, one_process_of_two_is_an_alert)
{
	all_but("handler-opened");
	says("handler-opened", 1, NULL);
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("stage handler-opened has 1 of 2 processes"));
}

Test(board, a_handler_started_by_hand_is_missed_only_when_events_wait_for_it)
{
	all_but("");
	cr_expect(health_is("healthy", 200));
	says("retrier", 0, figure(METRIC_FAMILY_WAITING, "handler=\"by-hand\"", 3));
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("handler by-hand: 3 events wait and nobody takes them"));
}

Test(board, figures_of_all_processes_are_summed_and_gauges_of_one_thing_are_not)
{
	says("validator", 0, figure(METRIC_FAMILY_EVENTS, "status=\"accepted\"", 5));
	says("validator", 1, figure(METRIC_FAMILY_EVENTS, "status=\"accepted\"", 7));
	says("retrier", 0, figure(METRIC_FAMILY_QUEUE, "", 9));
	*metric(own, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 1;
	cr_expect_eq(joined(METRIC_FAMILY_EVENTS, ""), 13);
	cr_expect_eq(joined(METRIC_FAMILY_QUEUE, ""), 9);
	says("validator", 1, figure(METRIC_FAMILY_EVENTS, "status=\"accepted\"", 8));
	cr_expect_eq(joined(METRIC_FAMILY_EVENTS, ""), 14, "the last word counts");
}

Test(board, what_a_process_has_counted_outlives_it_and_what_it_does_ends_with_it)
{
	struct metrics *m = figure(METRIC_FAMILY_REQUESTS, "status=\"202\"", 5);

	*metric(m, METRIC_FAMILY_CONNECTIONS, "") = 3;
	*metric(m, METRIC_FAMILY_RELOADED, "") = 0;
	says("ingress", 1, m);
	m = figure(METRIC_FAMILY_RELOADED, "", 1);
	says("ingress", 2, m);
	cr_expect_eq(joined(METRIC_FAMILY_CONNECTIONS, ""), 3);
	cr_expect_eq(joined(METRIC_FAMILY_RELOADED, ""), 0, "the least");
	now_ms += 5000;
	m = figure(METRIC_FAMILY_RELOADED, "", 1);
	says("ingress", 2, m);
	cr_expect_eq(joined(METRIC_FAMILY_REQUESTS, ""), 5);
	cr_expect_eq(joined(METRIC_FAMILY_CONNECTIONS, ""), 0);
	cr_expect_eq(joined(METRIC_FAMILY_RELOADED, ""), 1);
}

Test(board, a_bad_frame_is_an_alert_for_a_minute)
{
	const double now_s = (double)clock_wall_ms() / 1e3;

	all_but("");
	cr_expect_not(health_has("bad frames"));
	says("retrier", 0, figure(METRIC_FAMILY_BAD_FRAME_AT, "stage=\"retrier\"", now_s - 61));
	cr_expect_not(health_has("bad frames"));
	says("retrier", 0, figure(METRIC_FAMILY_BAD_FRAME_AT, "stage=\"retrier\"", now_s - 50));
	cr_expect(health_has("bad frames: retrier refused one"));
}

Test(board, what_this_process_says_on_the_tap_is_not_counted_twice)
{
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"") = 4;
	says("ingress", 0, figure(METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"", 4));
	says("ingress", 1, figure(METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"", 3));
	cr_expect_eq(joined(METRIC_FAMILY_REQUESTS, ""), 7);
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, "stage=\"ingress\""), 2);
}

Test(board, frames_that_are_none_are_passed_over)
{
	struct error why = {""};

	cr_expect_not(board_hear(b, "rubbish", 7, now_ms, &why));
	cr_expect_not(board_hear(b, "", 0, now_ms, &why));
	cr_expect(strstr(why.text, "stats frame"));
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, ""), 1);
}

Test(board, a_name_cannot_break_the_page)
{
	static const char name[] = "x\"} 1\nforged_total{a=\"\\";
	static const char longest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct metrics *all;
	char *text;

	for (int i = 0; i < 3; i++) {
		says(name, 0, NULL);
		says(longest, 0, NULL);
	}
	all = board_join(b, own, now_ms);
	text = metrics_text(all);
	cr_expect(
		strstr(text,
			"\nwebhook_stage_processes{stage=\"x\\\"} 1?forged_total{a=\\\"\\\\\"} 1\n"),
		"%s", text);
	cr_expect_not(strstr(text, "\nforged_total"));
	cr_expect_eq(metrics_sum(all, METRIC_FAMILY_PROCESSES, longest), 1, "it is one process");
	free(text);
}

Test(board, of_too_many_processes_those_go_that_are_gone)
{
	for (uint64_t i = 0; i < 600; i++)
		says("forged", i, NULL);
	says("validator", 0, NULL);
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, "validator"), 0, "all live");
	now_ms += 6000;
	says("validator", 0, NULL);
	cr_expect_eq(joined(METRIC_FAMILY_PROCESSES, "validator"), 1);
}

Test(board, it_remembers_so_many_processes_and_no_more)
{
	for (uint64_t i = 0; i < 2000; i++)
		says("handler-opened", i, NULL);
	cr_expect_leq(joined(METRIC_FAMILY_PROCESSES, "handler-opened"), 512);
}

/* So many POSTs in a minute, of which so many failed. */
static void
minute(double good, double failed)
{
	all_but("");
	sample();
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"") += good;
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"503\"") += failed;
	now_ms += 1000;
	all_but("");
}

/* Four seconds with so many POSTs each that have got that status. */
static void
seconds(const char *status, double n)
{
	char labels[64];

	snprintf(labels, sizeof labels, "method=\"POST\",%s", status);
	for (int i = 0; i < 4; i++) {
		sample();
		*metric(own, METRIC_FAMILY_REQUESTS, labels) += n;
		now_ms += 1000;
		all_but("");
	}
}

Test(board, failures_up_to_the_threshold_are_healthy)
{
	minute(95, 5);
	cr_expect(health_is("healthy", 200));
}

Test(board, more_failures_are_degraded_and_many_more_critical)
{
	minute(94, 6);
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("errors: 6.0 % of the last minute's POSTs were answered 5xx"));
	seconds("status=\"503\"", 100);
	cr_expect(health_is("critical", 503));
}

Test(board, as_long_as_some_are_taken_it_is_not_critical)
{
	minute(1, 100);
	seconds("status=\"503\"", 100);
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"") += 1;
	cr_expect(health_is("degraded", 200));
}

Test(board, what_a_crowd_is_refused_is_not_critical)
{
	minute(1, 0);
	seconds("status=\"503\"", 100);
	cr_expect(health_is("critical", 503));
	*metric(own, METRIC_FAMILY_UNABLE, "cause=\"out of connections\"") += 400;
	cr_expect(health_is("degraded", 200));
}

Test(board, posts_for_no_source_are_told_where_none_is_taken)
{
	all_but("");
	seconds("status=\"404\"", 5);
	cr_expect(health_has("unknown source: 20 POSTs of the last 20 s"));
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"202\"") += 1;
	cr_expect_not(health_has("unknown source"));
}

Test(board, who_stood_still_calls_nobody_dead)
{
	all_but("");
	board_time(b, now_ms);
	now_ms += 20000;
	board_time(b, now_ms);
	cr_expect(health_is("healthy", 200));
	for (int i = 0; i < 6; i++)
		board_time(b, now_ms += 1000);
	cr_expect(health_has("stage router has no live process"));
}

Test(board, health_says_thousandths)
{
	minute(2, 1);
	cr_expect(health_has("\"error_rate_percent\":33.333,"));
}

Test(board, what_senders_do_wrong_is_no_failure_of_ours)
{
	minute(1, 0);
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"401\"") += 1000;
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"400\"") += 1000;
	cr_expect(health_is("healthy", 200));
}

Test(board, asking_for_health_while_it_is_critical_does_not_keep_it_so)
{
	minute(100, 0);
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"GET\",status=\"503\"") += 1000;
	cr_expect(health_is("healthy", 200));
}

Test(board, failures_are_forgotten_after_a_minute)
{
	minute(0, 100);
	cr_expect(health_is("critical", 503));
	for (int i = 0; i < 61; i++) {
		all_but("");
		sample();
		now_ms += 1000;
	}
	all_but("");
	cr_expect(health_is("healthy", 200));
}

Test(board, a_process_that_counts_from_zero_again_is_no_failure)
{
	all_but("");
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"503\"") = 500;
	sample();
	*metric(own, METRIC_FAMILY_REQUESTS, "method=\"POST\",status=\"503\"") = 0;
	now_ms += 1000;
	all_but("");
	cr_expect(health_is("healthy", 200));
}

struct limit {
	char stage[16];
	enum metric_family family;
	double value, limit;
	enum metric_family limit_family;
	char status[16];
	unsigned code;
	char part[40];
};

ParameterizedTestParameters(board, figures_beyond_their_limits_are_alerts)
{
	static struct limit rows[] = {
		{"retrier", METRIC_FAMILY_QUEUE, 100, 0, 0, "healthy", 200, "\"alerts\":[]"},
		{"retrier", METRIC_FAMILY_QUEUE, 101, 0, 0, "degraded", 200, "queue: 101 events"},
		{"retrier", METRIC_FAMILY_OLDEST, 60, 0, 0, "healthy", 200, "\"alerts\":[]"},
		{"retrier", METRIC_FAMILY_OLDEST, 61, 0, 0, "degraded", 200, "oldest: "},
		{"retrier", METRIC_FAMILY_JOURNAL_BYTES, 80, 100, METRIC_FAMILY_JOURNAL_LIMIT,
			"healthy", 200, "\"alerts\":[]"},
		{"retrier", METRIC_FAMILY_JOURNAL_BYTES, 81, 100, METRIC_FAMILY_JOURNAL_LIMIT,
			"degraded", 200, "journal: 81 %"},
		{"retrier", METRIC_FAMILY_JOURNAL_BYTES, 100, 100, METRIC_FAMILY_JOURNAL_LIMIT,
			"critical", 503, "journal full"},
		{"dlq", METRIC_FAMILY_DEAD_BYTES, 91, 100, METRIC_FAMILY_DEAD_LIMIT, "degraded",
			200, "dead letter store: 91 %"},
		{"dlq", METRIC_FAMILY_FAILING, 0, 0, 0, "healthy", 200, "\"alerts\":[]"},
		{"dlq", METRIC_FAMILY_FAILING, 1, 0, 0, "degraded", 200, "notices: "},
	};

	return cr_make_param_array(struct limit, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(struct limit *row, board, figures_beyond_their_limits_are_alerts)
{
	struct metrics *m = figure(row->family, "", row->value);

	if (row->limit > 0)
		*metric(m, row->limit_family, "") = row->limit;
	all_but(row->stage);
	says(row->stage, 0, m);
	cr_expect(health_is(row->status, row->code), "%s", row->part);
	cr_expect(health_has(row->part), "%s", row->part);
}

Test(board, the_disk_is_looked_at)
{
	all_but("");
	board_look(b, own);
	cr_expect_gt(joined(METRIC_FAMILY_DISK, ""), 0);
	cr_expect_leq(joined(METRIC_FAMILY_DISK, ""), 1);
	*metric(own, METRIC_FAMILY_DISK, "") = 0.96;
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("disk: 4.0 %"));
}

/* Can POSTs be taken? If not, the cause is as expected. */
static bool
is_open(const char *cause)
{
	struct error why = {""};
	const struct metrics *all = board_join(b, own, now_ms);
	const bool open = board_open(b, all, now_ms, &why);

	cr_expect_str_eq(why.text, cause);
	return open;
}

Test(board, posts_can_be_taken_with_a_validator_and_room_in_the_journal)
{
	struct metrics *m = figure(METRIC_FAMILY_JOURNAL_BYTES, "", 100);

	cr_expect_not(is_open("stage validator has no live process"));
	says("validator", 0, NULL);
	cr_expect(is_open(""));
	*metric(m, METRIC_FAMILY_JOURNAL_LIMIT, "") = 100;
	says("retrier", 0, m);
	cr_expect_not(is_open("journal full"));
}

Test(board, a_stage_whose_only_process_drains_takes_no_more_posts)
{
	says("validator", 0, NULL);
	says_it_drains("validator", 0);
	cr_expect_not(is_open("stage validator is draining"));
	cr_expect(health_is("degraded", 200), "it lives all the same");
	now_ms += 5000;
	cr_expect_not(is_open("stage validator has no live process"));
}

Test(board, beside_one_that_drains_another_takes_posts)
{
	says_it_drains("validator", 0);
	says("validator", 1, NULL);
	cr_expect(is_open(""));
	says_it_drains("validator", 1);
	cr_expect_not(is_open("stage validator is draining"));
	says("validator", 0, NULL);
	cr_expect(is_open(""), "a new process under the old one's number");
}

Test(board, an_ingress_that_drains_is_not_open_to_those_who_ask_elsewhere)
{
	board_destroy(&b);
	b = board_new(s.cfg, "admin", 0);
	says("validator", 0, NULL);
	says_it_drains("ingress", 0);
	cr_expect_not(is_open("stage ingress is draining"));
	says("ingress", 1, NULL);
	cr_expect(is_open(""));
}

/* ---- pages ---- */

static const char *
page(enum board_page which, unsigned expected)
{
	static char text[65536];
	unsigned status = 0;
	char *made = board_page(b, which, own, now_ms, &status);

	cr_assert_not_null(made);
	cr_expect_eq(status, expected);
	snprintf(text, sizeof text, "%s", made);
	free(made);
	return text;
}

Test(board, a_page_is_made_four_times_a_second_at_most)
{
	*metric(own, METRIC_FAMILY_RESENT, "") = 1;
	cr_expect(strstr(page(BOARD_METRICS, 200), "webhook_resent_total 1\n"));
	++*metric(own, METRIC_FAMILY_RESENT, "");
	now_ms += BOARD_PAGE_MS - 1;
	cr_expect(strstr(page(BOARD_METRICS, 200), "webhook_resent_total 1\n"));
	now_ms++;
	cr_expect(strstr(page(BOARD_METRICS, 200), "webhook_resent_total 2\n"));
	cr_expect_str_eq(
		page(BOARD_READY, 503), "{\"error\":\"stage validator has no live process\"}");
	says("validator", 0, NULL);
	cr_expect(strstr(page(BOARD_READY, 503), "no live process"));
	now_ms += BOARD_PAGE_MS;
	cr_expect_str_eq(page(BOARD_READY, 200), "{\"status\":\"ready\"}");
}

Test(board, strangers_are_told_no_path)
{
	all_but("retrier");
	*metric(own, METRIC_FAMILY_DISK, "") = 0.99;
	*metric(own, METRIC_FAMILY_FAILING, "way=\"url\"") = 1;
	cr_expect(strstr(page(BOARD_HEALTH, 200), s.cfg->data_dir));
	cr_expect(strstr(page(BOARD_HEALTH, 200), "alerts"));
	cr_expect_not(strstr(page(BOARD_HEALTH_SHOWN, 200), s.cfg->data_dir));
	cr_expect(strstr(page(BOARD_HEALTH_SHOWN, 200),
		"stage retrier has no live process: see its log in data_dir/log"));
	cr_expect(strstr(page(BOARD_HEALTH_SHOWN, 200), "% of data_dir is free"));
	cr_expect(strstr(page(BOARD_HEALTH_SHOWN, 200), "data_dir/log/dlq.0.log tells why"));
}

Test(board, failures_that_are_over_are_not_critical_for_long)
{
	minute(0, 100);
	cr_expect(health_is("critical", 503));
	for (int i = 0; i < 4; i++) {
		all_but("");
		sample();
		now_ms += 1000;
	}
	all_but("");
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("errors: 100.0 % of the last minute's POSTs"));
}

/* What the watcher says of a stage. */
static void
watcher_says(const char *stage, const char *doing, double n)
{
	char labels[160];

	snprintf(labels, sizeof labels, "stage=\"%s\",doing=\"%s\"", stage, doing);
	says("watcher", 0, figure(METRIC_FAMILY_DOING, labels, n));
}

Test(board, one_that_hangs_is_called_so)
{
	all_but("validator");
	watcher_says("validator", "hung", 1);
	cr_expect(health_is("critical", 503));
	cr_expect(health_has("stage validator has 0 of 1 processes that go on: 1 hung (to be ended "
			     "and started again): see its logs"));
	cr_expect_not(health_has("no live process"));
}

Test(board, one_that_waits_is_not_called_dead)
{
	all_but("handler-opened");
	watcher_says("handler-opened", "waiting for the disk", 2);
	cr_expect(health_has(
		"stage handler-opened has 0 of 2 processes that go on: 2 waiting for the disk"));
	cr_expect_not(health_has("no live process"));
}

Test(board, deaths_in_a_row_are_told)
{
	all_but("");
	says("watcher", 0, figure(METRIC_FAMILY_DEATHS, "stage=\"router\"", 4));
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("repeated deaths: router has died 4 times in a row"));
}

Test(board, one_that_was_ended_for_it_hung_is_told_for_a_minute)
{
	struct metrics *m = metrics_new();
	const double now_s = (double)clock_wall_ms() / 1e3;

	all_but("");
	*metric(m, METRIC_FAMILY_HUNG_AT, "stage=\"router\"") = now_s - 5;
	*metric(m, METRIC_FAMILY_HUNG_AT, "stage=\"dlq\"") = now_s - 90;
	says("watcher", 0, m);
	cr_expect(health_has("hung: a process of router was silent and was ended 5 s ago"));
	cr_expect_not(health_has("hung: a process of dlq"));
}

/* Of the source `email`, within the last 20 s. */
static void
source_had(double taken, double refused, double in_a_row, double accepted_ago_s)
{
	struct metrics *m = metrics_new();

	all_but("");
	*metric(m, METRIC_FAMILY_TAKEN_LATELY, "source=\"email\"") = taken;
	*metric(m, METRIC_FAMILY_REFUSED_LATELY, "source=\"email\",cause=\"signature\"") = refused;
	*metric(m, METRIC_FAMILY_REFUSED_ROW, "source=\"email\",cause=\"signature\"") = in_a_row;
	*metric(m, METRIC_FAMILY_ACCEPTED, "source=\"email\"") =
		(double)clock_wall_ms() / 1e3 - accepted_ago_s;
	says("validator", 0, m);
}

Test(board, a_source_of_which_nearly_all_is_refused_is_told_with_the_cause)
{
	source_had(2, 38, 30, 1);
	cr_expect(health_is("degraded", 200));
	cr_expect(health_has("source email: refused: signature: 38 of the last 20 s' 40 requests"));
	source_had(0, 1, 12, 100);
	cr_expect(health_has("source email: refused: signature: all of the last 12 requests"));
}

Test(board, some_refusals_among_good_requests_are_not_told)
{
	source_had(10, 38, 12, 1);
	cr_expect(health_is("healthy", 200));
	source_had(0, 9, 9, 100);
	cr_expect(health_is("healthy", 200), "too few to tell");
	source_had(0, 0, 30, 5);
	cr_expect(health_is("healthy", 200), "one was accepted a moment ago");
}

Test(board, our_own_refusals_are_told_with_their_cause)
{
	minute(0, 100);
	*metric(own, METRIC_FAMILY_UNABLE_AT, "cause=\"limits.memory used up\"") =
		(double)clock_wall_ms() / 1e3;
	cr_expect(health_has("were answered 5xx, for limits.memory used up: see the logs"));
}

Test(board, no_more_handlers_are_advised_while_their_store_is_in_trouble)
{
	struct metrics *m = figure(METRIC_FAMILY_QUEUE, "", 101);

	all_but("");
	says("retrier", 0, m);
	cr_expect(health_has("more handler processes may help"));
	*metric(own, METRIC_FAMILY_TROUBLE,
		"stage=\"handler-opened\",store=\"state.db\",cause=\"locked\"") = 1;
	cr_expect_not(health_has("more handler processes may help"));
	cr_expect(health_has("state.db locked"));
}
