/* The way from the journal to the dead letters and back, as the custodian goes it: nothing is lost
 * between the two, however late a message comes. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "retrier/custodian.h"
#include "scratch.h"

static struct scratch s;
static struct journal *journal;
static struct custodian *custodian;
static struct metrics *metrics;
static struct error why;

/* What was sent last. */
static struct {
	unsigned to_dlq, to_handlers;
	uint64_t failed_at;
	size_t route;
	char reason[64];
} sent;

static bool
take_sent(void *arg, size_t route, const struct journal_event *ev)
{
	(void)arg;
	if (route == s.cfg->handlers_count) {
		sent.to_dlq++;
		sent.failed_at = ev->last.at;
		snprintf(sent.reason, sizeof sent.reason, "%.*s", SLICE_ARG(ev->last.reason));
	} else {
		sent.to_handlers++;
		sent.route = route;
	}
	return true;
}

static void
setup(void)
{
	scratch_open(&s, "journal: {lease: 1s}\n");
	journal = scratch_journal(&s);
	metrics = metrics_new();
	custodian = custodian_new(s.cfg, journal, metrics, take_sent, NULL);
	cr_assert_not_null(custodian);
}

static void
teardown(void)
{
	custodian_destroy(&custodian);
	metrics_destroy(&metrics);
	journal_close(&journal);
	scratch_close(&s);
}

TestSuite(burial, .init = setup, .fini = teardown);

/* A few rounds of what the retrier does, each 100 ms after the one before. */
static void
work(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		scratch_skip_ms(100);
		cr_assert(custodian_settle(custodian, &why), "%s", why.text);
		cr_assert(custodian_survey(custodian, &why), "%s", why.text);
		cr_assert(custodian_tick(custodian, &why), "%s", why.text);
		cr_assert(custodian_deliver(custodian, &why), "%s", why.text);
	}
}

static void
say(uint64_t seq, const char *verdict, const char *reason, const char *handler)
{
	const struct verdict v = {
		.journal = journal_id(journal),
		.seqs = {&seq, 1},
		.verdict = slice_of(verdict),
		.reason = slice_of(reason),
		.handler = slice_of(handler),
	};

	cr_assert(custodian_take(custodian, &v, &why), "%s", why.text);
	cr_assert(custodian_settle(custodian, &why), "%s", why.text);
}

static void
tell(uint64_t seq, const char *advice, uint64_t failed_at, const char *who)
{
	const struct advice a = {
		.journal = journal_id(journal),
		.seqs = {&seq, 1},
		.advice = slice_of(advice),
		.failed_at = failed_at,
		.who = slice_of(who),
	};

	cr_assert(custodian_told(custodian, &a, &why), "%s", why.text);
	cr_assert(custodian_settle(custodian, &why), "%s", why.text);
}

static void
say_buried(uint64_t seq, uint64_t failed_at)
{
	tell(seq, "buried", failed_at, "dlq");
}

static bool
is_there(uint64_t seq)
{
	struct journal_event ev;
	bool found;

	cr_assert(journal_read_begin(journal, &why));
	found = journal_event_at(journal, seq, &ev);
	journal_read_end(journal);
	return found;
}

static void
put_back(uint64_t seq)
{
	cr_assert_eq(journal_revive(journal, seq,
			     scratch_frame(journal_id(journal), seq, "email_opened", "a"), &why),
		STORE_OK);
}

Test(burial, a_dead_event_goes_to_the_dlq_and_leaves_with_its_burial)
{
	const uint64_t seq = scratch_accept(&s, journal, "email_opened", "a");

	say(seq, "dead", "no luck", "opened");
	work(2);
	cr_assert_eq(sent.to_dlq, 1);
	cr_expect_str_eq(sent.reason, "no luck");
	cr_expect(is_there(seq));
	say_buried(seq, sent.failed_at);
	cr_expect_not(is_there(seq));
	work(30);
	cr_expect_eq(sent.to_dlq, 1);
	cr_expect_eq(sent.to_handlers, 0);
}

Test(burial, without_an_answer_it_is_offered_again_once_a_lease)
{
	const uint64_t seq = scratch_accept(&s, journal, "email_opened", "a");

	say(seq, "dead", "no luck", "opened");
	work(35);
	cr_expect(sent.to_dlq >= 3 && sent.to_dlq <= 4, "%u", sent.to_dlq);
	say_buried(seq, sent.failed_at);
	cr_expect_not(is_there(seq));
}

Test(burial, a_late_one_takes_no_event_away_that_has_died_again)
{
	const uint64_t seq = scratch_accept(&s, journal, "email_opened", "a");
	uint64_t first_death;

	say(seq, "dead", "no luck", "opened");
	work(2);
	first_death = sent.failed_at;
	put_back(seq);
	tell(seq, "returned", 0, "replay");
	work(2);
	cr_expect_eq(sent.to_handlers, 1, "back to its handler");
	say(seq, "dead", "no luck again", "opened");
	say_buried(seq, first_death);
	cr_expect(is_there(seq), "its second letter is not stored yet");
	work(2);
	cr_expect_str_eq(sent.reason, "no luck again");
	say_buried(seq, sent.failed_at);
	cr_expect_not(is_there(seq));
}

Test(burial, one_that_was_put_back_before_its_burial_goes_to_its_handler)
{
	const uint64_t seq = scratch_accept(&s, journal, "email_opened", "a");

	say(seq, "dead", "no luck", "opened");
	work(2);
	put_back(seq);
	say_buried(seq, sent.failed_at);
	cr_expect(is_there(seq));
	work(25);
	cr_expect_eq(sent.to_dlq, 1);
	cr_expect_geq(sent.to_handlers, 1);
	cr_expect_eq(sent.route, config_route(s.cfg, slice_of("email_opened")));
	say(seq, "done", "", "opened");
	cr_expect_not(is_there(seq));
}

Test(burial, one_that_nobody_can_read_is_given_up_and_leaves_like_any_other)
{
	const struct journal_key key = scratch_key(&s, journal, "junk", 1);
	struct journal_event ev;
	uint64_t seq;

	cr_assert_eq(journal_begin(journal, &why), STORE_OK);
	seq = journal_next(journal);
	cr_assert_eq(
		journal_append(journal, &key, slice_of("no frame"), key.now_ms, &why), STORE_OK);
	cr_assert_eq(journal_commit(journal, &why), STORE_OK);
	work(25);
	cr_assert_geq(sent.to_dlq, 1);
	cr_expect_eq(sent.to_handlers, 0);
	cr_expect_str_eq(sent.reason, "the event frame cannot be read");
	cr_assert(journal_read_begin(journal, &why) && journal_event_at(journal, seq, &ev));
	cr_expect(ev.tried && ev.last.dead);
	journal_read_end(journal);
	say_buried(seq, sent.failed_at);
	cr_expect_not(is_there(seq));
}
