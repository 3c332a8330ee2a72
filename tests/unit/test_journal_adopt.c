/* A journal is given away, and what stands in it enters another one as it stood. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "journal_kit.h"
#include "lib/base/clock.h"
#include "lib/store/journal_adopt.h"
#include "proto/origin.h"

TestSuite(journal_adopt, .init = journal_kit_open, .fini = journal_kit_close);

static const char OTHER[] = "fedcba9876543210";

static struct journal *
open_to_give(void)
{
	return journal_open(s.cfg, JOURNAL_GIVE, &why);
}

Test(journal_adopt, one_that_is_given_away_is_opened_for_a_look_alone)
{
	struct journal *there;

	take_number(1);
	journal_close(&j);
	cr_assert_not(journal_is_given(s.cfg, &why));
	there = open_to_give();
	cr_assert_eq(journal_give(there, slice_of(OTHER), &why), STORE_OK);
	cr_expect_eq(journal_give(there, slice_of(OTHER), &why), STORE_OK, "twice is once");
	cr_expect_eq(journal_give(there, slice_of("0123456789abcdef"), &why), STORE_FAILED);
	cr_expect_not_null(strstr(why.text, OTHER));
	journal_close(&there);
	cr_expect_null(journal_open(s.cfg, JOURNAL_ACCEPT, &why));
	cr_expect_null(journal_open(s.cfg, JOURNAL_SETTLE, &why));
	cr_expect_not_null(strstr(why.text, "adopted"));
	cr_expect(journal_is_given(s.cfg, &why));
	there = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_expect_not_null(there, "%s", why.text);
	journal_close(&there);
}

Test(journal_adopt, one_that_is_kept_after_all_works_again)
{
	struct journal *there;

	journal_close(&j);
	there = open_to_give();
	cr_assert_eq(journal_give(there, slice_of(OTHER), &why), STORE_OK);
	cr_assert_eq(journal_keep(there, &why), STORE_OK);
	journal_close(&there);
	cr_expect_not(journal_is_given(s.cfg, &why));
	j = scratch_journal(&s);
	cr_expect_not_null(j);
}

Test(journal_adopt, how_far_it_is_is_of_one_commit_with_what_enters)
{
	struct journal_adoption a;

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	journal_adoption(j, slice_of(OTHER), &a);
	cr_expect_eq(a.seq + a.began_ms + a.done_ms + a.pos, 0);
	a.seq = 17;
	cr_assert_eq(journal_adoption_put(j, slice_of(OTHER), &a, &why), STORE_OK);
	journal_abort(j);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	journal_adoption(j, slice_of(OTHER), &a);
	cr_expect_eq(a.seq, 0, "what was given up is not there");
	a.seq = 18;
	cr_assert_eq(journal_adoption_put(j, slice_of(OTHER), &a, &why), STORE_OK);
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	reopen();
	cr_assert(journal_read_begin(j, &why));
	journal_adoption(j, slice_of(OTHER), &a);
	cr_expect_eq(a.seq, 18);
	journal_adoption(j, slice_of("0123456789abcdef"), &a);
	cr_expect_eq(a.seq, 0, "each has its own");
	journal_read_end(j);
}

static uint64_t
adopt(const char *id, const struct journal_try *last, uint64_t at_ms)
{
	struct journal_incoming in = {.owed = OWED_HANDLER,
		.at_ms = at_ms,
		.received_ms = 5,
		.frame = slice_of("frame"),
		.tries = {[TAKER_HANDLER] = last}};
	uint64_t seq = 0;
	bool good = journal_begin(j, &why) == STORE_OK;

	if (good) {
		seq = journal_next(j);
		in.hash = journal_hash(j, slice_of("email"), slice_of(id));
		good = journal_adopt(j, &in, &why) == STORE_OK &&
		       journal_commit(j, &why) == STORE_OK;
	}
	cr_assert(good, "%s", why.text);
	return seq;
}

Test(journal_adopt, what_enters_stands_as_it_stood)
{
	const struct journal_try scheduled = {.attempts = 3,
					 .due = 99,
					 .reason = slice_of("r"),
					 .handler = slice_of("h")},
				 dead = {.attempts = 2,
					 .dead = DEATH_TRIES,
					 .at = 7,
					 .reason = slice_of("r"),
					 .handler = slice_of("h")};
	const uint64_t plain = adopt("a", NULL, 1), waits = adopt("b", &scheduled, 1),
		       died = adopt("c", &dead, 1);
	struct journal_event ev;

	cr_expect_eq(state_of(plain), ACCEPTED);
	cr_expect_eq(state_of(waits), SCHEDULED);
	cr_expect_eq(state_of(died), DEAD);
	cr_expect_eq(due_rows(), 1);
	cr_assert(journal_read_begin(j, &why));
	cr_assert(journal_event_at(j, waits, &ev));
	cr_expect_eq(ev.last.attempts, 3);
	cr_expect_eq(ev.received_ms, 5);
	journal_read_end(j);
}

Test(journal_adopt, an_id_is_the_same_event_only_within_its_window)
{
	const uint64_t now_ms = clock_wall_ms();
	struct hash128 hash;

	take("mine");
	adopt("theirs", NULL, now_ms);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	hash = scratch_key(&s, j, "mine", 1).hash;
	cr_expect(journal_has_own(j, hash, now_ms, DAY_MS));
	cr_expect_not(journal_has_own(j, hash, now_ms - 2 * (uint64_t)DAY_MS, DAY_MS));
	hash = journal_hash(j, slice_of("email"), slice_of("theirs"));
	cr_expect_not(journal_has_own(j, hash, now_ms, DAY_MS), "that came from elsewhere");
	journal_abort(j);
}
