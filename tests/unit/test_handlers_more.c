/* What providers tell beyond delivery: taken, refused, failed, subscribed again, seen by machines,
 * mail that came in. */
#include "handlers/archive.h"
#include "handlers/message.h"
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

TestSuite(handlers_more, .init = open_bench, .fini = close_bench);

static const char ANN[] = "{\"email\":\"ann@example.com\",\"message_id\":\"m1\"}";

/* Enters what became of Ann's message. */
static void
became(enum message_status status, uint64_t at)
{
	struct event ev = bench_event(&b, at, ANN);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(message_is(b.db, &in, status, &b.why), "%s", b.why.text);
}

static void
expect_status(const char *status)
{
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	expect_row(&b, "SELECT status FROM messages", status);
}

Test(handlers_more, accepted_is_a_beginning)
{
	became(MESSAGE_ACCEPTED, 100);
	expect_status("accepted");
}

Test(handlers_more, accepted_never_takes_a_message_back)
{
	became(MESSAGE_DEFERRED, 100);
	became(MESSAGE_ACCEPTED, 900);
	expect_status("deferred");
}

Test(handlers_more, rejected_and_failed_outrank_the_way_there_and_yield_to_arrival)
{
	became(MESSAGE_DEFERRED, 500);
	became(MESSAGE_REJECTED, 100);
	became(MESSAGE_BLOCKED, 600);
	became(MESSAGE_ACCEPTED, 700);
	expect_status("rejected");
	cr_assert(state_begin(b.db, &b.why));
	became(MESSAGE_FAILED, 50);
	expect_status("failed");
	cr_assert(state_begin(b.db, &b.why));
	became(MESSAGE_DELIVERED, 10);
	became(MESSAGE_REJECTED, 900);
	expect_status("delivered");
}

static void
suppressed(const char *reason, int64_t since)
{
	const struct state_value row[] = {SV_TEXT(slice_of("ann@example.com")),
		SV_TEXT(slice_of(reason)), SV_INT(since), SV_NULL, SV_TEXT(slice_of("evt_0"))};

	cr_assert(state_run(b.db, SQL_SUPPRESSION_SET, row, sizeof row / sizeof *row, &b.why), "%s",
		b.why.text);
}

static void
subscribed(uint64_t at)
{
	struct event ev = bench_event(&b, at, ANN);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(suppression_lift(b.db, &in, &cfg, &b.why), "%s", b.why.text);
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
}

Test(handlers_more, subscribed_ends_an_older_unsubscription_and_is_proved)
{
	suppressed("unsubscribe", 100);
	subscribed(200);
	expect_row(&b, "SELECT count(*) FROM suppressions", "0");
	expect_row(&b,
		"SELECT group_concat(what) FROM compliance_log WHERE email = 'ann@example.com'",
		"subscribe,lifted");
}

Test(handlers_more, subscribed_that_comes_late_leaves_a_newer_unsubscription)
{
	suppressed("unsubscribe", 300);
	subscribed(200);
	expect_row(&b, "SELECT reason FROM suppressions", "unsubscribe");
}

Test(handlers_more, subscribed_lifts_neither_a_bounce_nor_a_complaint)
{
	suppressed("hard_bounce", 100);
	subscribed(200);
	expect_row(&b, "SELECT reason FROM suppressions", "hard_bounce");
	cr_assert(state_begin(b.db, &b.why));
	suppressed("complaint", 100);
	subscribed(300);
	expect_row(&b, "SELECT reason FROM suppressions", "complaint");
}

static void
by_machine(enum engagement what, uint64_t at)
{
	struct event ev = bench_event(&b, at,
		"{\"email\":\"ann@example.com\",\"message_id\":\"m1\",\"campaign_id\":\"c1\","
		"\"machine\":true}");
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(engagement_by_machine(b.db, &in, what, &b.why), "%s", b.why.text);
}

Test(handlers_more, a_machine_that_opens_proves_arrival_and_scores_nothing)
{
	became(MESSAGE_DEFERRED, 100);
	by_machine(ENGAGEMENT_MACHINE_OPEN, 200);
	expect_status("delivered");
	expect_row(&b, "SELECT count(*) FROM recipients WHERE score != 0", "0");
	expect_row(&b, "SELECT group_concat(kind) FROM engagements", "machine_open");
	expect_row(&b, "SELECT count(*) FROM interests WHERE weight != 0", "0");
}

Test(handlers_more, a_machine_that_clicks_takes_no_bounce_back)
{
	became(MESSAGE_BOUNCED, 100);
	by_machine(ENGAGEMENT_MACHINE_CLICK, 200);
	expect_status("bounced");
	expect_row(&b, "SELECT group_concat(kind) FROM engagements", "machine_click");
}

Test(handlers_more, mail_that_came_in_is_kept_whole)
{
	struct event ev = bench_event(&b, 100, "{\"raw\":{\"subject\":\"hello\"}}");

	ev.type = slice_of("email_received");
	cr_assert(archive_event(b.db, &ev, SQL_RECEIVED_ADD, &b.why), "%s", b.why.text);
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	expect_row(&b, "SELECT type, at, source, event_id, data FROM received_events",
		"email_received|100|email|evt_1|{\"raw\":{\"subject\":\"hello\"}}");
}
