/* What a process has counted outlives it: its file, who goes on from there, and what a page adds up. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/stage/board.h"
#include "lib/stage/metrics.h"
#include "scratch.h"

static struct scratch s;
static char path[4200];
static struct metrics *m;
static struct error why;

/* The file of a process of a stage. */
static const char *
file_of(const char *stage, unsigned instance)
{
	cr_assert(file_make_folder(s.cfg->data_dir, &why), "%s", why.text);
	snprintf(path, sizeof path, "%s/run", s.cfg->data_dir);
	cr_assert(file_make_folder(path, &why), "%s", why.text);
	snprintf(path, sizeof path, "%s/run/%s.%u.figures", s.cfg->data_dir, stage, instance);
	return path;
}

static void
setup(void)
{
	scratch_open(&s, "");
	file_of("validator", 0);
	m = metrics_new();
}

static void
teardown(void)
{
	metrics_destroy(&m);
	scratch_close(&s);
}

TestSuite(figures_kept, .init = setup, .fini = teardown);

static void
begins_anew(enum metrics_before expected)
{
	metrics_destroy(&m);
	m = metrics_new();
	cr_assert_eq(metrics_keep(m, path, &why), expected, "%s", why.text);
}

static double
accepted(const struct metrics *of)
{
	return metrics_sum(of, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
}

Test(figures_kept, a_process_goes_on_from_the_one_before)
{
	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
	*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") += 7;
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 3);
	*metric(m, METRIC_FAMILY_QUEUE, "") = 5;
	begins_anew(METRICS_ENDED);
	cr_expect_eq(accepted(m), 7);
	cr_expect_eq(metrics_count(m, METRIC_FAMILY_GROUP, ""), 1);
	cr_expect_eq(metrics_sum(m, METRIC_FAMILY_QUEUE, ""), 0, "what is so now is not kept");
	++*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 4);
	begins_anew(METRICS_ENDED);
	cr_expect_eq(accepted(m), 8);
	cr_expect_eq(metrics_sum(m, METRIC_FAMILY_GROUP, ""), 7);
}

Test(figures_kept, what_is_stored_outlives_a_kill)
{
	const pid_t child = fork();
	int status;

	if (child == 0) {
		if (metrics_keep(m, path, &why) != METRICS_NOBODY)
			_exit(1);
		for (int i = 0; i < 1500; i++)
			++*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
		if (!metrics_counted(m) || !metrics_stored(m, 5000) || metrics_counted(m))
			_exit(2);
		++*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
		kill(getpid(), SIGKILL);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));
	begins_anew(METRICS_CUT_OFF);
	cr_expect_eq(accepted(m), 1500);
}

Test(figures_kept, many_series_find_room)
{
	char labels[64];

	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
	for (int i = 0; i < METRICS_MAX; i++) {
		snprintf(labels, sizeof labels, "error_type=\"x%d\"", i);
		*metric(m, METRIC_FAMILY_ERRORS, labels) = i + 1;
	}
	begins_anew(METRICS_ENDED);
	for (int i = 0; i < METRICS_MAX; i += 97) {
		snprintf(labels, sizeof labels, "error_type=\"x%d\"", i);
		cr_expect_eq(*metric(m, METRIC_FAMILY_ERRORS, labels), i + 1);
	}
	cr_expect_eq(metrics_sum(m, METRIC_FAMILY_ERRORS, ""),
		(double)METRICS_MAX * (METRICS_MAX + 1) / 2);
}

static void
write_over(off_t at, const char *bytes, size_t n)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

/* At worst it counts anew. */
Test(figures_kept, a_damaged_file_is_begun_anew)
{
	static const off_t at[] = {0, 8, 32, 36, 38};

	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
	for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
		*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 7;
		metrics_destroy(&m);
		write_over(at[i], "\xFF\xFF", 2);
		m = metrics_new();
		cr_expect_not(metrics_join_file(m, AT_FDCWD, path));
		cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
		cr_expect_eq(accepted(m), 0);
	}
	*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 7;
	metrics_destroy(&m);
	m = metrics_new();
	cr_assert_eq(truncate(path, 40), 0);
	cr_expect_not(metrics_join_file(m, AT_FDCWD, path));
	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
}

Test(figures_kept, without_a_place_all_is_counted_in_memory)
{
	cr_assert_eq(metrics_keep(m, "/nowhere/at/all", &why), METRICS_UNKEPT);
	cr_expect(strstr(why.text, "/nowhere/at/all"), "%s", why.text);
	*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 7;
	cr_expect_eq(accepted(m), 7);
}

/* ---- the page ---- */

static struct board *
board_of(const char *self, unsigned instance)
{
	struct board *b = board_new(s.cfg, self, instance);

	cr_assert(b);
	return b;
}

static double
on_page_of(struct board *b, struct metrics *own)
{
	return accepted(board_join(b, own, 1000));
}

Test(figures_kept, a_page_counts_those_that_have_ended_and_those_not_heard_yet)
{
	struct board *b = board_of("ingress", 0);
	struct metrics *second = metrics_new(), *own = metrics_new();

	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
	cr_assert_eq(metrics_keep(second, file_of("validator", 1), &why), METRICS_NOBODY);
	cr_assert_eq(metrics_keep(own, file_of("ingress", 0), &why), METRICS_NOBODY);
	*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 755;
	*metric(second, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 745;
	*metric(own, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 1;
	metrics_stored(m, 5000);
	metrics_stored(second, 5000);
	cr_expect_eq(on_page_of(b, own), 1501, "its own once");
	metrics_destroy(&m);
	cr_expect_eq(on_page_of(b, own), 1501);
	++*metric(second, METRIC_FAMILY_EVENTS, "status=\"accepted\"");
	metrics_stored(second, 5000);
	cr_expect_eq(on_page_of(b, own), 1502, "as it is now");
	metrics_destroy(&second);
	metrics_destroy(&own);
	board_destroy(&b);
}

/* A process of another number is gone, and its file with it: what was shown stays. */
Test(figures_kept, what_was_shown_is_not_taken_back)
{
	struct board *b = board_of("ingress", 0);

	cr_assert_eq(metrics_keep(m, path, &why), METRICS_NOBODY, "%s", why.text);
	*metric(m, METRIC_FAMILY_EVENTS, "status=\"accepted\"") = 755;
	metric_observe(m, METRIC_FAMILY_GROUP, "stage=\"validator\"", 3);
	metrics_stored(m, 5000);
	cr_expect_eq(on_page_of(b, NULL), 755);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(on_page_of(b, NULL), 755);
	cr_expect_eq(metrics_count(board_join(b, NULL, 1000), METRIC_FAMILY_GROUP, ""), 1);
	board_destroy(&b);
}

/* What one has shown the other does not take back, though its own page is not old yet. */
Test(figures_kept, no_process_shows_an_older_page_than_another_has_shown)
{
	struct board *one = board_of("ingress", 0), *two = board_of("ingress", 1);
	struct metrics *own[2] = {metrics_new(), metrics_new()};
	unsigned status;
	char *text;

	cr_assert_eq(metrics_keep(own[0], file_of("ingress", 0), &why), METRICS_NOBODY);
	cr_assert_eq(metrics_keep(own[1], file_of("ingress", 1), &why), METRICS_NOBODY);
	free(board_page(one, BOARD_METRICS, own[0], 1000, &status));
	*metric(own[0], METRIC_FAMILY_RESENT, "") = 5;
	metrics_stored(own[0], 5000);
	text = board_page(two, BOARD_METRICS, own[1], 1250, &status);
	cr_expect(strstr(text, "webhook_resent_total 5\n"), "%s", text);
	free(text);
	text = board_page(one, BOARD_METRICS, own[0], 1251, &status);
	cr_expect(strstr(text, "webhook_resent_total 5\n"), "%s", text);
	free(text);
	*metric(own[0], METRIC_FAMILY_RESENT, "") = 6;
	text = board_page(one, BOARD_METRICS, own[0], 1300, &status);
	cr_expect(strstr(text, "webhook_resent_total 5\n"), "made four times a second in all");
	free(text);
	for (int i = 0; i < 2; i++)
		metrics_destroy(&own[i]);
	board_destroy(&one);
	board_destroy(&two);
}
