/* What an event may make of a message. */
#include "handlers/message.h"
#include "test_handlers.h"

static struct bench b;

static void
open_bench(void)
{
	bench_open(&b);
}

static void
close_bench(void)
{
	bench_close(&b);
}

TestSuite(handlers_message, .init = open_bench, .fini = close_bench);

static int message_number;

static void
enter(enum statement which, const char *id, const char *status, int64_t at, const char *event)
{
	cr_assert(state_run(b.db, which,
			  STATE_VALUES(SV_TEXT(slice_of(id)), SV_TEXT(slice_of("a@example.com")),
				  SV_NULL, SV_NULL, SV_TEXT(slice_of(status)), SV_INT(at), SV_NULL,
				  SV_NULL, SV_NULL, SV_TEXT(slice_of(event))),
			  &b.why),
		"%s", b.why.text);
}

static bool
replaces_as(enum statement which, const char *status, int64_t at, const char *old, int64_t old_at)
{
	char id[24], query[128];

	snprintf(id, sizeof id, "m%d", ++message_number);
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
	enter(SQL_MESSAGE_NOTE, id, old, old_at, "old");
	enter(which, id, status, at, "new");
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
	snprintf(query, sizeof query, "SELECT event_id FROM messages WHERE message_id = '%s'", id);
	return strcmp(bench_row(&b, query), "new") == 0;
}

#define NAME(status, name, rank) name,
static const char *const names[] = {MESSAGE_STATUSES(NAME)};

static bool
replaces(enum message_status status, int64_t at, const char *old, int64_t old_at)
{
	return replaces_as(SQL_MESSAGE_NOTE, names[status], at, old, old_at);
}

Test(handlers_message, a_bounce_outranks_a_delivery_however_late_either_comes)
{
	cr_expect(replaces(MESSAGE_BOUNCED, 100, "delivered", 200));
	cr_expect(replaces(MESSAGE_BOUNCED, 300, "delivered", 200));
	cr_expect_not(replaces(MESSAGE_DELIVERED, 300, "bounced", 200));
	cr_expect_not(replaces(MESSAGE_OPENED, 300, "bounced", 200));
	cr_expect_not(replaces(MESSAGE_CLICKED, 300, "complained", 200));
}

Test(handlers_message, the_same_status_is_replaced_by_a_newer_one_only)
{
	cr_expect(replaces(MESSAGE_DEFERRED, 201, "deferred", 200));
	cr_expect_not(replaces(MESSAGE_DEFERRED, 200, "deferred", 200));
	cr_expect_not(replaces(MESSAGE_DEFERRED, 199, "deferred", 200));
}

Test(handlers_message, every_status_of_the_table_yields_to_those_below_it_and_to_no_other)
{
	for (int next = 0; next < MESSAGE_STATUS_COUNT; next++)
		for (int now = 0; now < MESSAGE_STATUS_COUNT; now++) {
			cr_expect_eq(replaces((enum message_status)next, 1, names[now], 2),
				next > now, "late %s over %s", names[next], names[now]);
			cr_expect_eq(replaces((enum message_status)next, 2, names[now], 1),
				next >= now, "newer %s over %s", names[next], names[now]);
		}
}

Test(handlers_message, an_implied_status_raises_the_rank_but_does_not_renew)
{
	cr_expect(replaces_as(SQL_MESSAGE_IMPLY, "delivered", 300, "deferred", 400));
	cr_expect_not(replaces_as(SQL_MESSAGE_IMPLY, "delivered", 300, "delivered", 200));
	cr_expect_not(replaces_as(SQL_MESSAGE_IMPLY, "delivered", 300, "opened", 200));
}

Test(handlers_message, a_status_from_elsewhere_is_kept)
{
	cr_expect_not(replaces(MESSAGE_COMPLAINED, 300, "recalled", 200));
	cr_expect_not(replaces(MESSAGE_COMPLAINED, 300, "", 200));
}

static void
note(uint64_t ts, const char *json, enum message_status status)
{
	struct event ev = bench_event(&b, ts, json);
	struct input in;

	bench_input(&b, &in, &ev);
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
	cr_assert(message_is(b.db, &in, status, &b.why), "%s", b.why.text);
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
}

#define M1 "\"email\":\"Ann@example.com\",\"message_id\":\"m1\""

Test(handlers_message, a_late_delivery_leaves_a_bounce_but_fills_in_what_was_not_known)
{
	note(200, "{" M1 ",\"reason\":\"no such user\",\"smtp_code\":550}", MESSAGE_BOUNCED);
	note(100, "{" M1 ",\"campaign_id\":\"spring\",\"user_id\":7}", MESSAGE_DELIVERED);
	note(300, "{" M1 ",\"campaign_id\":\"autumn\"}", MESSAGE_OPENED);
	expect_row(&b,
		"SELECT status, status_at, detail, smtp_code, campaign_id, user_id, email,"
		" (SELECT count(*) FROM messages) FROM messages",
		"bounced|200|no such user|550|spring|7|ann@example.com|1");
}

Test(handlers_message, each_recipient_of_a_message_has_a_fate_of_its_own)
{
	note(100, "{" M1 "}", MESSAGE_DELIVERED);
	note(200, "{\"email\":\"bob@example.com\",\"message_id\":\"m1\"}", MESSAGE_BOUNCED);
	expect_row(&b, "SELECT status FROM messages WHERE email='ann@example.com'", "delivered");
	expect_row(&b, "SELECT status FROM messages WHERE email='bob@example.com'", "bounced");
}

Test(handlers_message, an_event_that_names_no_message_makes_no_row)
{
	note(100, "{\"email\":\"ann@example.com\"}", MESSAGE_DELIVERED);
	expect_row(&b, "SELECT count(*) FROM messages", "0");
}

Test(handlers_message, ids_that_differ_after_a_nul_are_two_messages)
{
	note(100, "{\"email\":\"ann@example.com\",\"message_id\":\"m\\u0000a\"}",
		MESSAGE_DELIVERED);
	note(100, "{\"email\":\"ann@example.com\",\"message_id\":\"m\\u0000b\"}", MESSAGE_BOUNCED);
	expect_row(&b, "SELECT count(*), count(DISTINCT message_id) FROM messages", "2|2");
}
