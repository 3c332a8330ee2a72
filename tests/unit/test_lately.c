/* What was taken and what was refused of a source lately, and why. */
#include <criterion/criterion.h>

#include "lib/base/seldom.h"
#include "validator/lately.h"

static struct lately l;
static struct metrics *m;
static uint64_t now_ms;

static void
setup(void)
{
	l = (struct lately){.n = 0};
	m = metrics_new();
	now_ms = 1000000;
	lately_tick(&l, m, now_ms);
}

static void
teardown(void)
{
	metrics_destroy(&m);
}

TestSuite(lately, .init = setup, .fini = teardown);

static void
comes(const char *source, enum refusal refusal)
{
	const struct job job = {.rq.source = slice_of(source), .refusal = refusal};

	lately_job(&l, &job, now_ms);
}

static void
passes(uint64_t seconds)
{
	for (; seconds > 0; seconds--)
		lately_tick(&l, m, now_ms += 1000);
}

static double
told(enum metric_family family, const char *part)
{
	return metrics_sum(m, family, part);
}

Test(lately, what_is_refused_counts_for_20_s)
{
	for (int i = 0; i < 5; i++)
		comes("email", REFUSED_SIGNATURE);
	comes("other", REFUSED_NOT);
	passes(2);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_LATELY, "source=\"email\",cause=\"signature\""), 5);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_LATELY, "other"), 0);
	comes("email", REFUSED_NOT);
	passes(15);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_LATELY, "email"), 5);
	cr_expect_eq(told(METRIC_FAMILY_TAKEN_LATELY, "email"), 1);
	passes(7);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_LATELY, "email"), 0);
	cr_expect_eq(told(METRIC_FAMILY_TAKEN_LATELY, "email"), 0);
}

Test(lately, a_row_ends_with_one_that_is_taken)
{
	for (int i = 0; i < 30; i++) {
		comes("email", REFUSED_STALE);
		passes(60);
	}
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_ROW, "source=\"email\",cause=\"stale\""), 30);
	comes("email", REFUSED_NOT);
	passes(1);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_ROW, "email"), 0);
}

Test(lately, a_row_is_forgotten_when_nothing_comes)
{
	for (int i = 0; i < 30; i++)
		comes("email", REFUSED_SIGNATURE);
	passes(599);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_ROW, "email"), 30);
	passes(3);
	cr_expect_eq(told(METRIC_FAMILY_REFUSED_ROW, "email"), 0);
}

Test(lately, what_is_our_fault_counts_for_nothing)
{
	comes("email", REFUSED_UNAVAILABLE);
	comes("email", REFUSED_LATE);
	passes(1);
	cr_expect_eq(l.n, 0);
}

Test(lately, each_refusal_has_its_cause)
{
	struct candidate events[2] = {{.outcome = OUTCOME_FUTURE}, {.outcome = OUTCOME_OLD}};
	struct job job = {.events = events, .count = 2};

	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_CLOCK);
	events[0].outcome = OUTCOME_MISSING;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_FORMAT);
	events[1].outcome = OUTCOME_DUPLICATE;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_NONE, "one is enough");
	job.refusal = REFUSED_STALE;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_STALE);
	job.ahead = true;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_CLOCK);
	job.refusal = REFUSED_QUARANTINED;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_SIGNATURE);
	job.refusal = REFUSED_JSON;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_FORMAT);
	job.refusal = REFUSED_POLICY;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_POLICY);
	job.refusal = REFUSED_LOOP;
	cr_expect_eq(lately_cause(&job), REFUSAL_CAUSE_LOOP);
}

Test(seldom, a_line_says_how_many_it_is_about)
{
	struct seldom s = {0};

	cr_expect_eq(seldom_due(&s, 1000, 5000), 1);
	for (int i = 0; i < 41; i++)
		cr_expect_eq(seldom_due(&s, 1000, 5999), 0);
	cr_expect_eq(seldom_due(&s, 1000, 6000), 42);
}
