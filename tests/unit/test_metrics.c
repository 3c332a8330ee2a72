/* A process's figures, their way to another process, and the page that Prometheus reads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/json.h"
#include "lib/stage/metrics.h"

static struct metrics *m;
static msgpack_zone zone;

static void
setup(void)
{
	m = metrics_new();
	msgpack_zone_init(&zone, 8192);
}

static void
teardown(void)
{
	metrics_destroy(&m);
	msgpack_zone_destroy(&zone);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static void
page_is(const char *expected)
{
	char *text = metrics_text(m);

	cr_assert_str_eq(text, expected);
	free(text);
}

static void
page_has(const char *line)
{
	char *text = metrics_text(m);

	cr_expect_not_null(strstr(text, line), "%s is not in\n%s", line, text);
	free(text);
}

Test(metrics, a_page_without_figures_is_empty)
{
	page_is("");
}

Test(metrics, a_value_keeps_its_place)
{
	double *first = metric(m, METRIC_FAMILY_ERRORS, "error_type=\"a\"");
	double *plain = metric(m, METRIC_FAMILY_QUEUE, "");
	char labels[64];

	for (int i = 0; i < 1000; i++) {
		snprintf(labels, sizeof labels, "error_type=\"x%d\"", i);
		*metric(m, METRIC_FAMILY_ERRORS, labels) += i;
	}
	cr_assert_eq(first, metric(m, METRIC_FAMILY_ERRORS, "error_type=\"a\""));
	cr_assert_eq(plain, metric(m, METRIC_FAMILY_QUEUE, ""));
	cr_assert_neq(plain, metric(m, METRIC_FAMILY_OLDEST, ""));
	cr_assert_eq(*metric(m, METRIC_FAMILY_ERRORS, "error_type=\"x999\""), 999);
}

Test(metrics, a_family_is_headed_once_and_stands_together)
{
	*metric(m, METRIC_FAMILY_ERRORS, "error_type=\"a\"") = 1;
	*metric(m, METRIC_FAMILY_QUEUE, "") = 12345678901234;
	*metric(m, METRIC_FAMILY_ERRORS, "error_type=\"b\"") = 0.1;
	page_is("# HELP webhook_queue_size Events in the journal without an end\n"
		"# TYPE webhook_queue_size gauge\n"
		"webhook_queue_size 12345678901234\n"
		"# HELP webhook_errors_total Refused requests and failures by kind\n"
		"# TYPE webhook_errors_total counter\n"
		"webhook_errors_total{error_type=\"a\"} 1\n"
		"webhook_errors_total{error_type=\"b\"} 0.1\n");
}

Test(metrics, a_histogram_has_cumulative_buckets_a_sum_and_a_count)
{
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 1);
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 3);
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 4096);
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 5000);
	page_has("# TYPE webhook_group_size histogram\n"
		 "webhook_group_size_bucket{stage=\"validator\",le=\"1\"} 1\n"
		 "webhook_group_size_bucket{stage=\"validator\",le=\"2\"} 1\n"
		 "webhook_group_size_bucket{stage=\"validator\",le=\"4\"} 2\n");
	page_has("webhook_group_size_bucket{stage=\"validator\",le=\"2048\"} 2\n"
		 "webhook_group_size_bucket{stage=\"validator\",le=\"4096\"} 3\n"
		 "webhook_group_size_bucket{stage=\"validator\",le=\"+Inf\"} 4\n"
		 "webhook_group_size_sum{stage=\"validator\"} 9100\n"
		 "webhook_group_size_count{stage=\"validator\"} 4\n");
}

Test(metrics, a_histogram_of_seconds_reaches_from_half_a_millisecond_to_ten_seconds)
{
	metric_observe(m, METRIC_FAMILY_DURATION, "", 0.0005);
	metric_observe(m, METRIC_FAMILY_DURATION, "", 11);
	metric_observe(m, METRIC_FAMILY_DURATION, "", 0.0 / 0.0);
	page_has("webhook_processing_duration_seconds_bucket{le=\"0.0005\"} 1\n");
	page_has("webhook_processing_duration_seconds_bucket{le=\"10\"} 1\n"
		 "webhook_processing_duration_seconds_bucket{le=\"+Inf\"} 2\n"
		 "webhook_processing_duration_seconds_sum 11.0005\n"
		 "webhook_processing_duration_seconds_count 2\n");
}

Test(metrics, a_value_and_a_histogram_are_not_mixed_up)
{
	*metric(m, METRIC_FAMILY_GROUP, "") = 5;
	metric_observe(m, METRIC_FAMILY_QUEUE, "", 5);
	page_is("");
}

Test(metrics, sums_and_counts_are_taken_by_a_part_of_the_labels)
{
	*metric(m, METRIC_FAMILY_EVENTS, "event_type=\"a\",status=\"done\"") = 3;
	*metric(m, METRIC_FAMILY_EVENTS, "event_type=\"b\",status=\"done\"") = 4;
	*metric(m, METRIC_FAMILY_EVENTS, "event_type=\"b\",status=\"dead\"") = 5;
	*metric(m, METRIC_FAMILY_ERRORS, "status=\"done\"") = 100;
	metric_observe(m, METRIC_FAMILY_DURATION, "event_type=\"a\"", 0.5);
	metric_observe(m, METRIC_FAMILY_DURATION, "event_type=\"b\"", 1.5);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_EVENTS, ""), 12);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_EVENTS, "status=\"done\""), 7);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_EVENTS, "status=\"none\""), 0);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_DURATION, ""), 2);
	cr_assert_eq(metrics_count(m, METRIC_FAMILY_DURATION, ""), 2);
	cr_assert_eq(metrics_count(m, METRIC_FAMILY_DURATION, "event_type=\"b\""), 1);
	cr_assert_eq(metrics_count(m, METRIC_FAMILY_EVENTS, ""), 0);
}

Test(metrics, what_is_past_the_limit_is_not_published)
{
	double *spill;
	char labels[64];

	for (int i = 0; i < METRICS_MAX; i++) {
		snprintf(labels, sizeof labels, "error_type=\"x%d\"", i);
		*metric(m, METRIC_FAMILY_ERRORS, labels) = 1;
	}
	spill = metric(m, METRIC_FAMILY_ERRORS, "error_type=\"more\"");
	*spill = 7;
	cr_assert_eq(spill, metric(m, METRIC_FAMILY_QUEUE, ""));
	metric_observe(m, METRIC_FAMILY_GROUP, "", 1);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_ERRORS, ""), METRICS_MAX);
	cr_assert_eq(metrics_count(m, METRIC_FAMILY_GROUP, ""), 0);
}

Test(metrics, labels_that_are_too_long_are_not_published)
{
	char labels[400];

	snprintf(labels, sizeof labels, "error_type=\"%0300d\"", 1);
	*metric(m, METRIC_FAMILY_ERRORS, labels) = 1;
	page_is("");
}

Test(metrics, a_label_is_escaped_and_plain)
{
	char labels[64] = "";

	cr_assert(metric_label(labels, sizeof labels, "a", slice_of("x\"y\\z")));
	cr_assert(metric_label(labels, sizeof labels, "b", (struct slice){"1\n\0\xC3\xBC", 5}));
	cr_assert(metric_label(labels, sizeof labels, "c", slice_of(NULL)));
	cr_assert_str_eq(labels, "a=\"x\\\"y\\\\z\",b=\"1????\",c=\"\"");
}

Test(metrics, a_label_that_does_not_fit_is_left_out)
{
	char labels[14] = "", before[14];

	cr_assert(metric_label(labels, sizeof labels, "a", slice_of("123")));
	memcpy(before, labels, sizeof before);
	cr_assert_not(metric_label(labels, sizeof labels, "b", slice_of("1234")));
	cr_assert_not(metric_label(labels, sizeof labels, "b", slice_of("12\"")));
	cr_assert_str_eq(labels, before);
	cr_assert(metric_label(labels, sizeof labels, "b", slice_of("1")));
	cr_assert_str_eq(labels, "a=\"123\",b=\"1\"");
}

static void
some_figures(void)
{
	*metric(m, METRIC_FAMILY_EVENTS, "event_type=\"email_opened\",status=\"done\"") = 3;
	*metric(m, METRIC_FAMILY_QUEUE, "") = 10;
	*metric(m, METRIC_FAMILY_OLDEST, "") = 0.25;
	*metric(m, METRIC_FAMILY_CONNECTIONS, "") = 2;
	metric_observe(m, METRIC_FAMILY_COMMIT, "stage=\"validator\"", 0.0007);
	metric_observe(m, METRIC_FAMILY_COMMIT, "stage=\"validator\"", 42);
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"x,le=\\\"1\\\"\"", 80);
	metric_observe(m, METRIC_FAMILY_DURATION, "", 1e-9);
}

Test(metrics, the_figures_of_one_process_come_out_of_another_unchanged)
{
	struct metrics *other = metrics_new();
	msgpack_object values;
	char *before, *after;

	some_figures();
	before = metrics_text(m);
	cr_assert(metrics_object(m, &zone, &values));
	metrics_join(other, &values, METRICS_ALL);
	after = metrics_text(other);
	cr_assert_str_eq(before, after);
	metrics_destroy(&other);
	free(before);
	free(after);
}

Test(metrics, counters_are_added_and_facts_of_the_whole_take_the_greatest)
{
	msgpack_object values;

	some_figures();
	cr_assert(metrics_object(m, &zone, &values));
	*metric(m, METRIC_FAMILY_QUEUE, "") = 11;
	metrics_join(m, &values, METRICS_ALL);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_EVENTS, ""), 6);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_CONNECTIONS, ""), 4);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_QUEUE, ""), 11);
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_OLDEST, ""), 0.25);
	cr_assert_eq(metrics_count(m, METRIC_FAMILY_COMMIT, ""), 4);
	page_has("webhook_commit_seconds_bucket{stage=\"validator\",le=\"0.001\"} 2\n");
	page_has("webhook_commit_seconds_bucket{stage=\"validator\",le=\"+Inf\"} 4\n");
}

static void
join_text(const char *text)
{
	struct json_reader *reader = json_reader_new();
	msgpack_object values;
	struct error why;

	cr_assert(json_read(reader, slice_of(text), &zone, &values, &why), "%s", why.text);
	json_reader_destroy(&reader);
	metrics_join(m, &values, METRICS_ALL);
}

Test(metrics, what_is_malformed_or_unknown_is_passed_over)
{
	static const char *const bad[] = {"1", "{}", "[1]", "[[]]",
		"[[\"webhook_queue_size\",\"\"]]", "[[\"webhook_queue_size\",\"\",\"1\"]]",
		"[[\"webhook_queue_size\",1,1]]", "[[1,\"\",1]]",
		"[[\"webhook_queue_size_sum\",\"\",1]]", "[[\"webhook_queue\",\"\",1]]",
		"[[\"webhook_queue_size\",\"\",1,1]]", "[[\"go_threads\",\"\",1]]",
		"[[\"webhook_group_size\",\"\",1]]", "[[\"webhook_group_size_total\",\"\",1]]",
		"[[\"webhook_queue_size\",\"\",[1]]]", "[[\"webhook_group_size\",\"\",[]]]",
		"[[\"webhook_group_size\",\"\",[1,1,1,1,1,1,1,1,1,1,1,1,1,1]]]",
		"[[\"webhook_group_size\",\"\",[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]]",
		"[[\"webhook_group_size\",\"\",[1,1,1,1,1,1,1,1,1,1,1,1,1,1,\"1\"]]]",
		"[[\"webhook_group_size\",\"a\",[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]]",
		"[[\"webhook_group_size_sum\",\"\",1]]", "[[\"webhook_errors_total\",\"a\",1]]",
		"[[\"webhook_errors_total\",\"a=\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\\",\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\\" 1\\nx{\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\n\\\"\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\\\\\\\\\\\\\\"\",1]]",
		"[[\"webhook_errors_total\",\"=\\\"b\\\"\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"\xC3\xBC\\\"\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\\",a=\\\"c\\\"\",1]]",
		"[[\"webhook_errors_total\",\"a=\\\"b\\\\q\\\"\",1]]",
		"[[\"webhook_group_size\",\"le=\\\"1\\\"\",[1,1,1,1,1,1,1,1,1,1,1,1,2,7.5,3]]]",
		"[[\"webhook_queue_size\",\"\",1e300]]", "[[\"webhook_queue_size\",\"\",-1e16]]"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		join_text(bad[i]);
		page_is("");
	}
}

Test(metrics, whole_numbers_from_other_languages_are_joined_too)
{
	join_text("[[\"webhook_errors_total\",\"a=\\\"b\\\\\\\"c\\\"\",3]]");
	page_has("webhook_errors_total{a=\"b\\\"c\"} 3\n");
}

Test(metrics, a_histogram_travels_as_its_numbers)
{
	join_text("[[\"webhook_group_size\",\"\",[1,1,1,1,1,1,1,1,1,1,1,1,2,7.5,3]]]");
	page_has("webhook_group_size_bucket{le=\"2048\"} 1\n");
	page_has("webhook_group_size_bucket{le=\"4096\"} 2\n"
		 "webhook_group_size_bucket{le=\"+Inf\"} 3\n"
		 "webhook_group_size_sum 7.5\n"
		 "webhook_group_size_count 3\n");
}

Test(metrics, joining_is_bounded)
{
	char text[128];

	for (int i = 0; i < 3 * METRICS_MAX; i++) {
		snprintf(text, sizeof text, "[[\"webhook_errors_total\",\"a=\\\"%d\\\"\",1]]", i);
		join_text(text);
	}
	cr_assert_eq(metrics_sum(m, METRIC_FAMILY_ERRORS, ""), METRICS_MAX);
}

/* Exit status of the command, `promtool check metrics`, with the page on its stdin. */
static int
promtool(const char *command, const char *page)
{
	FILE *tool = popen(command, "w");

	cr_assert_not_null(tool);
	cr_assert_geq(fputs(page, tool), 0);
	return WEXITSTATUS(pclose(tool));
}

Test(metrics, promtool_finds_no_fault_in_a_page_with_every_family)
{
	char labels[METRIC_LABELS_MAX + 1] = "", *text;

	metric_label(labels, sizeof labels, "stage", slice_of("odd \"\\\n\xFF"));
	for (size_t i = 0; i < METRIC_FAMILY_COUNT; i++) {
		const enum metric_family family = (enum metric_family)i;

		if (metric_table[i].type == METRIC_HISTOGRAM) {
			metric_observe(m, family, labels, 0.003);
			metric_observe(m, family, "stage=\"b\"", 3000);
		} else {
			*metric(m, family, labels) = 1e18;
			*metric(m, family, "stage=\"b\"") = 0.1 + 0.2;
		}
	}
	text = metrics_text(m);
	cr_assert_eq(promtool("promtool check metrics", text), 0, "promtool refused:\n%s", text);
	free(text);
}

Test(metrics, promtool_would_find_a_fault)
{
	cr_assert_neq(promtool("promtool check metrics 2>/dev/null", "webhook_x{ 1\n"), 0);
}
