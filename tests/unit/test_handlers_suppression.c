/* Who must not be written to, since when and until when. */
#include "handlers/recipient.h"
#include "handlers/suppression.h"
#include "test_handlers.h"

static struct bench b;
static const struct config cfg = {
	.suppression = {.soft_bounces = 5, .soft_bounce_period_ms = 1000}};

static void
open_bench(void)
{
	bench_open(&b);
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(handlers_suppression, .init = open_bench, .fini = close_bench);

Test(handlers_suppression, a_permanent_one_is_never_weakened)
{
	const struct suppression for_good = {100, SUPPRESSED_FOR_GOOD};
	struct suppression next = {200, 5000};

	cr_expect_not(suppression_join(&for_good, &next));
	next = (struct suppression){50, SUPPRESSED_FOR_GOOD};
	cr_expect_not(suppression_join(&for_good, &next));
}

Test(handlers_suppression, a_temporary_one_yields_to_a_longer_one)
{
	const struct suppression now = {100, 1100};
	struct suppression next = {900, 1900};

	cr_expect(suppression_join(&now, &next));
	cr_expect_eq(next.since, 100, "they overlap, so they are one");
	next = (struct suppression){5000, 6000};
	cr_expect(suppression_join(&now, &next));
	cr_expect_eq(next.since, 5000);
	next = (struct suppression){200, SUPPRESSED_FOR_GOOD};
	cr_expect(suppression_join(&now, &next));
	cr_expect_eq(next.since, 200);
	next = (struct suppression){50, 1050};
	cr_expect_not(suppression_join(&now, &next));
}

Test(handlers_suppression, soft_bounces_count_back_to_the_period_or_the_last_delivery)
{
	cr_expect_eq(soft_bounce_floor(5000, 1000, 0), 4000);
	cr_expect_eq(soft_bounce_floor(5000, 1000, 4500), 4500);
	cr_expect_eq(soft_bounce_floor(500, 1000, 0), 0);
}

static struct event
of_ann(uint64_t ts, const char *id)
{
	struct event ev = bench_event(&b, ts, "{\"email\":\"ann@example.com\",\"a\":\"\\u0000\"}");

	ev.id = slice_of(id);
	return ev;
}

static void
bounce_softly(uint64_t ts, const char *id)
{
	struct event ev = of_ann(ts, id);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(suppression_soft_bounce(b.db, &in, &cfg, &b.why), "%s", b.why.text);
}

static void
suppress_for_good(uint64_t ts, enum suppression_cause cause)
{
	struct event ev = of_ann(ts, "evt_1");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(suppression_for_good(b.db, &in, cause, &b.why), "%s", b.why.text);
}

static void
deliver(uint64_t ts)
{
	struct event ev = of_ann(ts, "evt_1");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(recipient_count(b.db, &in, SQL_RECIPIENT_DELIVERED, 0, &b.why));
	cr_assert(suppression_delivered(b.db, &in, &b.why), "%s", b.why.text);
}

/* Commits, looks, and begins again. */
static void
expect_committed(const char *sql, const char *row)
{
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	expect_row(&b, sql, row);
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
}

static void
expect_suppression(const char *row)
{
	expect_committed("SELECT reason, since, until FROM suppressions", row);
}

Test(handlers_suppression, the_fifth_soft_bounce_within_the_period_suppresses_for_a_period)
{
	bounce_softly(100, "e1");
	bounce_softly(200, "e2");
	bounce_softly(300, "e3");
	bounce_softly(400, "e4");
	expect_suppression("");
	bounce_softly(500, "e5");
	expect_suppression("soft_bounces|500|1500");
	bounce_softly(600, "e6");
	expect_suppression("soft_bounces|500|1600");
}

Test(handlers_suppression, soft_bounces_that_are_too_far_apart_do_not_suppress)
{
	bounce_softly(100, "e1");
	bounce_softly(400, "e2");
	bounce_softly(700, "e3");
	bounce_softly(1000, "e4");
	bounce_softly(1100, "e5");
	expect_suppression("");
	expect_row(&b, "SELECT count(*), min(at) FROM soft_bounces", "4|400");
	bounce_softly(1399, "e6");
	expect_suppression("soft_bounces|1399|2399");
}

Test(handlers_suppression, soft_bounces_count_in_whatever_order_they_come)
{
	bounce_softly(500, "e5");
	bounce_softly(100, "e1");
	bounce_softly(300, "e3");
	bounce_softly(200, "e2");
	expect_suppression("");
	bounce_softly(400, "e4");
	expect_suppression("soft_bounces|500|1500");
}

Test(handlers_suppression, five_soft_bounces_of_the_same_instant_are_five)
{
	bounce_softly(100, "e1");
	bounce_softly(100, "e2");
	bounce_softly(100, "e3");
	bounce_softly(100, "e4");
	expect_suppression("");
	bounce_softly(100, "e5");
	expect_suppression("soft_bounces|100|1100");
}

Test(handlers_suppression, a_delivery_begins_the_count_again)
{
	bounce_softly(100, "e1");
	bounce_softly(200, "e2");
	bounce_softly(300, "e3");
	bounce_softly(400, "e4");
	deliver(450);
	expect_committed("SELECT count(*) FROM soft_bounces", "0");
	bounce_softly(500, "e5");
	expect_suppression("");
	bounce_softly(350, "e6");
	expect_committed("SELECT count(*), min(at) FROM soft_bounces", "1|500");
}

Test(handlers_suppression, a_late_delivery_forgives_only_what_was_before_it)
{
	bounce_softly(100, "e1");
	bounce_softly(300, "e3");
	deliver(200);
	expect_suppression("");
	expect_row(&b, "SELECT count(*), min(at) FROM soft_bounces", "1|300");
}

Test(handlers_suppression, a_complaint_lasts_whatever_comes_after_it)
{
	suppress_for_good(100, CAUSE_COMPLAINT);
	suppress_for_good(200, CAUSE_HARD_BOUNCE);
	for (int i = 0; i < 5; i++)
		bounce_softly(300, (const char *[]){"a", "b", "c", "d", "e"}[i]);
	deliver(400);
	expect_suppression("complaint|100|-");
}

Test(handlers_suppression, an_unsubscribe_makes_a_temporary_one_permanent)
{
	for (int i = 0; i < 5; i++)
		bounce_softly(300, (const char *[]){"a", "b", "c", "d", "e"}[i]);
	suppress_for_good(350, CAUSE_UNSUBSCRIBE);
	expect_suppression("unsubscribe|350|-");
}

Test(handlers_suppression, the_compliance_log_has_every_cause_with_all_its_data)
{
	suppress_for_good(100, CAUSE_COMPLAINT);
	suppress_for_good(200, CAUSE_HARD_BOUNCE);
	suppress_for_good(300, CAUSE_UNSUBSCRIBE);
	expect_suppression("complaint|100|-");
	expect_row(&b, "SELECT group_concat(what || ' ' || at) FROM compliance_log",
		"complaint 100,hard_bounce 200,unsubscribe 300");
	expect_row(&b, "SELECT email, source, event_id, detail FROM compliance_log",
		"ann@example.com|email|evt_1|{\"email\":\"ann@example.com\",\"a\":\"\\u0000\"}");
}

/* ---- consent ---- */

struct word {
	bool wanted;
	uint64_t at;
	const char *list; /* or "": of all mail */
};

enum { WORDS = 4 };

static void
say(const char *email, const struct word *word)
{
	char json[128];
	struct event ev;
	struct input in;

	snprintf(json, sizeof json, "{\"email\":\"%s\",\"list\":\"%s\"}", email, word->list);
	ev = bench_event(&b, word->at, json);
	bench_input(&b, &in, &ev);
	cr_assert(word->wanted ? suppression_lift(b.db, &in, &cfg, &b.why)
			       : suppression_opt_out(b.db, &in, &b.why),
		"%s", b.why.text);
}

/* The words in each of their orders, each order to an address of its own. */
static void
say_in_every_order(const struct word words[WORDS])
{
	for (size_t order = 0, rest; order < 24; order++) {
		const struct word *left[WORDS] = {&words[0], &words[1], &words[2], &words[3]};
		char email[32];

		snprintf(email, sizeof email, "p%zu@example.com", order);
		rest = order;
		for (size_t n = WORDS; n > 0; rest /= n--) {
			say(email, left[rest % n]);
			left[rest % n] = left[n - 1];
		}
	}
}

Test(handlers_suppression, returns_to_all_lists_lift_in_whatever_order_the_words_come)
{
	static const struct word words[WORDS] = {
		{false, 100, "a"}, {true, 200, "a"}, {false, 1000, "b"}, {true, 1100, "b"}};

	say_in_every_order(words);
	expect_committed("SELECT count(*) FROM suppressions", "0");
}

Test(handlers_suppression, an_opt_out_that_stands_suppresses_in_whatever_order_the_words_come)
{
	static const struct word words[WORDS] = {
		{false, 100, ""}, {true, 200, ""}, {false, 300, "a"}, {true, 400, "b"}};

	say_in_every_order(words);
	expect_committed("SELECT count(*), min(reason), max(reason) FROM suppressions",
		"24|unsubscribe|unsubscribe");
}

Test(handlers_suppression, a_return_of_all_mail_lifts_in_whatever_order_the_words_come)
{
	static const struct word words[WORDS] = {
		{false, 100, "a"}, {false, 200, ""}, {false, 300, "b"}, {true, 400, ""}};

	say_in_every_order(words);
	expect_committed("SELECT count(*) FROM suppressions", "0");
}

static void
bounce_five_times(uint64_t ts)
{
	for (size_t i = 0; i < 5; i++)
		bounce_softly(ts + i, (const char *[]){"a", "b", "c", "d", "e"}[i]);
}

Test(handlers_suppression, what_soft_bounces_have_made_outlives_an_opt_out_and_its_return)
{
	bounce_five_times(300);
	say("ann@example.com", &(struct word){false, 400, ""});
	expect_suppression("unsubscribe|400|-");
	say("ann@example.com", &(struct word){true, 500, ""});
	expect_suppression("soft_bounces|304|1304");
	expect_row(&b, "SELECT event_id FROM suppressions", "e");
}

Test(handlers_suppression, soft_bounces_behind_an_opt_out_show_with_the_return)
{
	say("ann@example.com", &(struct word){false, 200, ""});
	bounce_five_times(300);
	expect_suppression("unsubscribe|200|-");
	say("ann@example.com", &(struct word){true, 500, ""});
	expect_suppression("soft_bounces|304|1304");
}

Test(handlers_suppression, soft_bounces_whose_period_is_over_do_not_show_with_the_return)
{
	bounce_five_times(300);
	say("ann@example.com", &(struct word){false, 400, ""});
	say("ann@example.com", &(struct word){true, 1304, ""});
	expect_suppression("");
}
