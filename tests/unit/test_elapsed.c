/* What is remembered is remembered for as long as it should be, whatever the wall clock does. */
#include <criterion/criterion.h>

#include "lib/store/journal_private.h"
#include "lib/store/quarantine.h"
#include "scratch.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS };

static struct scratch s;
static struct journal *j;
static struct error why;

static void
setup(void)
{
	scratch_open(&s, NULL);
	j = scratch_journal(&s);
}

static void
teardown(void)
{
	journal_close(&j);
	scratch_close(&s);
}

TestSuite(elapsed, .init = setup, .fini = teardown, .timeout = 120);

static void
take(const char *id)
{
	scratch_accept(&s, j, "email_opened", id);
}

/* More than one commit trims away. */
static void
take_many(const char *name)
{
	char id[64];

	for (size_t i = 0; i < 40; i++) {
		snprintf(id, sizeof id, "%s-%zu", name, i);
		take(id);
	}
}

static enum journal_seen
seen(const char *id)
{
	return scratch_seen(&s, j, id);
}

static uint64_t
notes(void)
{
	uint64_t n;

	cr_assert_eq(journal_begin(j, &why), STORE_OK, "%s", why.text);
	n = lmdb_rows(j->write, j->clock);
	journal_abort(j);
	return n;
}

Test(elapsed, two_days_ahead_and_back_forget_nothing)
{
	take("a");
	scratch_jump_ms(2 * DAY_MS);
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	take_many("ahead");
	scratch_jump_ms(-2 * DAY_MS);
	take_many("back");
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	cr_expect_eq(seen("ahead-0"), SEEN_DUPLICATE);
	cr_expect_eq(seen("back-0"), SEEN_DUPLICATE);
}

Test(elapsed, two_days_back_and_ahead_remember_nothing_too_long)
{
	take("a");
	scratch_jump_ms(-2 * DAY_MS);
	take("back");
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	scratch_skip_ms(DAY_MS - MINUTE_MS);
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	cr_expect_eq(seen("back"), SEEN_DUPLICATE);
	scratch_skip_ms(2 * MINUTE_MS);
	cr_expect_eq(seen("a"), SEEN_NEW);
	cr_expect_eq(seen("back"), SEEN_NEW);
	scratch_jump_ms(2 * DAY_MS);
	cr_expect_eq(seen("back"), SEEN_NEW);
}

Test(elapsed, a_clock_that_was_set_ends_no_window_early_nor_late)
{
	take("a");
	scratch_jump_ms(30 * (int64_t)DAY_MS);
	take("b");
	scratch_skip_ms(DAY_MS - MINUTE_MS);
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	scratch_skip_ms(2 * MINUTE_MS);
	cr_expect_eq(seen("a"), SEEN_NEW);
	cr_expect_eq(seen("b"), SEEN_NEW);
}

Test(elapsed, another_process_knows_it_too)
{
	take("a");
	scratch_jump_ms(2 * DAY_MS);
	journal_close(&j);
	j = scratch_journal(&s);
	take_many("ahead");
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	scratch_jump_ms(-2 * DAY_MS);
	journal_close(&j);
	j = scratch_journal(&s);
	cr_expect_eq(seen("a"), SEEN_DUPLICATE);
	cr_expect_eq(seen("ahead-0"), SEEN_DUPLICATE);
}

/* In doubt an id is kept: nobody knows whether the clock is right, so the time off does not count. */
Test(elapsed, a_reboot_forgets_nothing_whatever_the_clock_says)
{
	static const int64_t hours_off[] = {0, 48, -48, 24 * 365};

	for (size_t i = 0; i < sizeof hours_off / sizeof *hours_off; i++) {
		char id[32];

		snprintf(id, sizeof id, "a-%zu", i);
		take(id);
		scratch_skip_ms(HOUR_MS);
		take_many(id);
		scratch_reboot((uint64_t)(hours_off[i] * HOUR_MS));
		take("after");
		cr_expect_eq(seen(id), SEEN_DUPLICATE, "%d", (int)hours_off[i]);
		scratch_skip_ms(23 * HOUR_MS - MINUTE_MS);
		cr_expect_eq(seen(id), SEEN_DUPLICATE, "%d", (int)hours_off[i]);
		scratch_skip_ms(2 * MINUTE_MS);
		cr_expect_eq(seen(id), SEEN_NEW, "%d", (int)hours_off[i]);
		scratch_skip_ms(DAY_MS);
	}
}

Test(elapsed, what_was_set_is_noted_once_and_forgotten_with_its_rows)
{
	take("a");
	cr_expect_eq(notes(), 1);
	take_many("b");
	scratch_jump_ms(500);
	take("c");
	cr_expect_eq(notes(), 1);
	for (size_t i = 0; i < 5; i++) {
		scratch_jump_ms(DAY_MS);
		take_many("d");
		take("e");
	}
	cr_expect_eq(notes(), 6);
	for (size_t i = 0; i < 30; i++) {
		scratch_skip_ms(DAY_MS + MINUTE_MS);
		take_many("f");
	}
	cr_expect_eq(notes(), 1);
}

/* A token may come again as long as its time is inside the window by the wall clock. */
Test(elapsed, a_proof_is_not_forgotten_by_a_clock_that_was_ahead)
{
	const struct journal_proof first = {{1, 1}, {2, 2}, {3, 3}, 0};
	struct journal_proof proof = first;
	enum journal_proved proved;

	take("a");
	proof.signed_ms = elapsed_read().wall_ms;
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	journal_prove(j, &proof, &proved, &why);
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	scratch_jump_ms(2 * DAY_MS);
	take_many("ahead");
	scratch_jump_ms(-2 * DAY_MS);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	proof.events = (struct hash128){4, 4};
	journal_prove(j, &proof, &proved, &why);
	cr_expect_eq(proved, PROVED_OTHER);
	journal_abort(j);
}

static uint64_t
set_aside(struct quarantine *q)
{
	struct quarantine_new item = {.source = slice_of("email"), .frame = slice_of("a frame")};

	cr_assert(quarantine_put(q, &item, 1, &why), "%s", why.text);
	cr_expect_not(item.full);
	return quarantine_count(q);
}

Test(elapsed, a_clock_that_jumps_empties_no_quarantine)
{
	struct quarantine *q = quarantine_open(s.cfg, QUARANTINE_KEEP, &why);

	cr_assert(q, "%s", why.text);
	cr_expect_eq(set_aside(q), 1);
	scratch_jump_ms(30 * (int64_t)DAY_MS);
	cr_expect_eq(set_aside(q), 2);
	scratch_jump_ms(-60 * (int64_t)DAY_MS);
	cr_expect_eq(set_aside(q), 3);
	scratch_skip_ms(7 * (uint64_t)DAY_MS - MINUTE_MS);
	cr_expect_eq(set_aside(q), 4);
	scratch_skip_ms(2 * (uint64_t)MINUTE_MS);
	cr_expect_eq(set_aside(q), 2);
	quarantine_close(&q);
}

/* An operator has taken all out: the next one has the number of the first again. */
Test(elapsed, what_comes_into_an_emptied_quarantine_has_its_own_time)
{
	struct quarantine *q = quarantine_open(s.cfg, QUARANTINE_KEEP, &why);

	cr_assert(q, "%s", why.text);
	cr_expect_eq(set_aside(q), 1);
	scratch_jump_ms(-30 * (int64_t)DAY_MS);
	cr_expect_eq(set_aside(q), 2);
	for (uint64_t number = 1; number <= 2; number++)
		cr_assert(quarantine_remove(q, number, &why), "%s", why.text);
	cr_expect_eq(set_aside(q), 1);
	cr_expect_eq(set_aside(q), 2);
	scratch_skip_ms(7 * (uint64_t)DAY_MS + MINUTE_MS);
	cr_expect_eq(set_aside(q), 1);
	quarantine_close(&q);
}
