/* The journal on a real disk: what is accepted stays, what is given up leaves no trace, and what is out
 * of its window is forgotten. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_kit.h"
#include "lib/base/clock.h"

TestSuite(journal, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

/* ---- accepting ---- */

Test(journal, numbers_begin_at_one_and_go_on_after_closing)
{
	cr_expect_eq(take("a"), 1);
	cr_expect_eq(take("b"), 2);
	reopen();
	cr_expect_eq(take("c"), 3);
	cr_expect_eq(stat_now().last_seq, 3);
}

Test(journal, its_id_is_its_own_and_stays)
{
	struct scratch other;
	struct journal *second;
	char id[17];

	cr_assert_eq(journal_id(j).n, 16);
	memcpy(id, journal_id(j).p, 16);
	id[16] = '\0';
	cr_expect_eq(strspn(id, "0123456789abcdef"), 16);
	reopen();
	cr_expect(slice_is(journal_id(j), id));
	scratch_open(&other, NULL);
	second = scratch_journal(&other);
	cr_expect_not(slice_is(journal_id(second), id));
	journal_close(&second);
	scratch_close(&other);
}

Test(journal, an_event_comes_back_as_it_was_given)
{
	char expected[4096];
	struct journal_event ev;
	struct slice frame;
	size_t n;

	take("a");
	frame = scratch_frame(journal_id(j), 1, "email_opened", "a");
	n = frame.n;
	memcpy(expected, frame.p, n);
	reopen();
	cr_assert(journal_read_begin(j, &why));
	cr_assert(journal_event_at(j, 1, &ev));
	cr_expect_eq(ev.seq, 1);
	cr_expect_eq(ev.frame.n, n);
	cr_expect_not(ev.tried);
	cr_expect(clock_wall_ms() - ev.received_ms < 60000);
	cr_expect_not(journal_event_at(j, 2, &ev));
	cr_expect(journal_event_from(j, 0, &ev) && ev.seq == 1);
	cr_expect_not(journal_event_from(j, 2, &ev));
	journal_read_end(j);
}

Test(journal, events_of_all_sizes_keep_their_bytes)
{
	static const size_t sizes[] = {1, 500, 2030, 2040, 2050, 4080, 4096, 65536, 1 << 20};
	char *bytes = malloc(1 << 20);
	struct journal_event ev;

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const struct journal_key key = scratch_key(&s, j, (char[]){(char)('a' + i), 0}, i);

		memset(bytes, 'A' + (int)i, sizes[i]);
		cr_assert_eq(journal_append(j, &key, (struct slice){bytes, sizes[i]}, i, &why),
			STORE_OK);
	}
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	cr_assert(journal_read_begin(j, &why));
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		memset(bytes, 'A' + (int)i, sizes[i]);
		cr_assert(journal_event_at(j, i + 1, &ev));
		cr_expect(slice_eq(ev.frame, (struct slice){bytes, sizes[i]}));
		cr_expect_eq(ev.received_ms, i);
	}
	journal_read_end(j);
	free(bytes);
}

Test(journal, an_id_is_a_duplicate_until_its_window_is_over)
{
	const uint64_t window = s.cfg->sources[0].dedup_window_ms;

	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_NEW);
	take("a");
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
	cr_expect_eq(scratch_seen(&s, j, "b"), SEEN_NEW);
	scratch_skip_ms(window - 5000);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
	scratch_skip_ms(5000);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_NEW);
	take("a");
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
}

Test(journal, the_same_id_of_another_source_is_another_event)
{
	const struct hash128 one = journal_hash(j, slice_of("email"), slice_of("x"));
	const struct hash128 two = journal_hash(j, slice_of("emai"), slice_of("lx"));

	cr_expect(one.hi != two.hi && one.lo != two.lo);
}

Test(journal, the_same_request_asked_again_is_no_duplicate)
{
	const struct journal_key first = scratch_key(&s, j, "a", 7),
				 other = scratch_key(&s, j, "a", 8);
	uint64_t seq;

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_eq(journal_seen(j, &first, &seq), SEEN_NEW);
	journal_append(j, &first, scratch_frame(journal_id(j), 1, "x", "a"), 1, &why);
	cr_expect_eq(journal_seen(j, &first, &seq), SEEN_SAME, "in the same transaction");
	cr_expect_eq(journal_seen(j, &other, &seq), SEEN_DUPLICATE, "in the same transaction");
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	reopen();
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_eq(journal_seen(j, &first, &seq), SEEN_SAME);
	cr_expect_eq(seq, 1);
	cr_expect_eq(journal_seen(j, &other, &seq), SEEN_DUPLICATE);
	journal_abort(j);
}

ParameterizedTestParameters(journal, duplicates_are_known_whatever_happens_to_the_index)
{
	static enum mishap mishaps[] = {NOTHING, DELETED, OF_ANOTHER_BOOT, CUT_OFF};

	return cr_make_param_array(enum mishap, mishaps, sizeof mishaps / sizeof *mishaps);
}

ParameterizedTest(
	const enum mishap *mishap, journal, duplicates_are_known_whatever_happens_to_the_index)
{
	for (uint64_t i = 1; i <= 50; i++)
		take_number(i);
	journal_close(&j);
	meet(*mishap);
	j = scratch_journal(&s);
	cr_expect_eq(scratch_seen(&s, j, "evt_1"), SEEN_DUPLICATE);
	cr_expect_eq(scratch_seen(&s, j, "evt_50"), SEEN_DUPLICATE);
	cr_expect_eq(scratch_seen(&s, j, "evt_51"), SEEN_NEW);
	cr_expect_eq(take("evt_51"), 51);
}

/* Two sources share the log; the one with the shorter window has let the id in again. */
Test(journal, an_id_let_in_again_after_a_short_window_is_a_duplicate_after_a_reboot_too)
{
	s.cfg->sources[0].dedup_window_ms = 3600 * 1000;
	take("a");
	scratch_skip_ms(2 * 3600 * 1000);
	take("a");
	journal_close(&j);
	meet(OF_ANOTHER_BOOT);
	j = scratch_journal(&s);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
}

/* ---- giving up ---- */

Test(journal, a_group_that_is_given_up_leaves_nothing)
{
	take("a");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	append_many(1, 100);
	journal_abort(j);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
	cr_expect_eq(stat_now().remembered, 1);
	cr_expect_eq(scratch_seen(&s, j, "evt_1"), SEEN_NEW);
	cr_expect_eq(take("evt_77"), 2);
	cr_expect_eq(scratch_seen(&s, j, "evt_77"), SEEN_DUPLICATE);
	cr_expect_eq(scratch_seen(&s, j, "evt_1"), SEEN_NEW);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
}

ParameterizedTestParameters(journal, a_flush_that_fails_leaves_nothing_and_is_survived)
{
	static int errors[] = {EIO, ENOSPC, EDQUOT};

	return cr_make_param_array(int, errors, sizeof errors / sizeof *errors);
}

ParameterizedTest(const int *error, journal, a_flush_that_fails_leaves_nothing_and_is_survived)
{
	take("a");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	append_many(1, 20);
	scratch_flush_error = *error;
	cr_expect_eq(journal_commit(j, &why), *error == EIO ? STORE_FAILED : STORE_FULL);
	cr_expect_neq(why.text[0], '\0');
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	cr_expect_eq(scratch_seen(&s, j, "evt_1"), SEEN_NEW);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
	cr_expect_eq(take("evt_1"), 2);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 2);
}

Test(journal, trouble_is_said_at_once_and_the_journal_opened_anew_after_a_second)
{
	take("a");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	append_many(1, 1);
	scratch_flush_error = EIO;
	cr_assert_eq(journal_commit(j, &why), STORE_FAILED);
	cr_expect_eq(journal_begin(j, &why), STORE_FAILED);
	cr_expect_not(journal_read_begin(j, &why));
	cr_expect_str_eq(why.text, "the journal is in trouble; it is opened anew every second");
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	cr_expect_eq(take("evt_1"), 2);
}

/* The retrier reads before it writes: it must not wait for a write to mend the journal. */
Test(journal, reading_opens_it_anew_after_trouble_as_writing_does)
{
	struct journal_change change = {.delivery = 1, .move = MOVE_DONE};

	take("a");
	scratch_flush_error = EIO;
	cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_FAILED);
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	cr_expect_eq(state_of(1), ACCEPTED);
}

Test(journal, a_group_of_nothing_but_duplicates_is_not_flushed)
{
	const struct journal_key key = scratch_key(&s, j, "a", 1);
	unsigned before;
	uint64_t seq;

	take("a");
	before = scratch_flushes;
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_eq(journal_seen(j, &key, &seq), SEEN_DUPLICATE);
	cr_expect_eq(journal_commit(j, &why), STORE_OK);
	cr_expect_eq(scratch_flushes, before);
	take("b");
	cr_expect_gt(scratch_flushes, before);
}

/* ---- trimming ---- */

Test(journal, rows_out_of_every_window_are_forgotten_and_the_newest_row_never)
{
	for (uint64_t i = 1; i <= 10; i++)
		take_number(i);
	scratch_skip_ms(DAY_MS + 1000);
	cr_expect_eq(stat_now().remembered, 10);
	cr_expect_eq(take("late"), 11);
	cr_expect_eq(stat_now().remembered, 1);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 11);
	scratch_skip_ms(DAY_MS + 1000);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	reopen();
	cr_expect_eq(stat_now().remembered, 1);
	cr_expect_eq(take("later"), 12);
}

Test(journal, numbers_are_never_used_twice_though_all_is_done_and_forgotten)
{
	for (uint64_t i = 1; i <= 5; i++)
		scratch_settle(j, take_number(i), MOVE_DONE);
	scratch_skip_ms(10 * (uint64_t)DAY_MS);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 0);
	for (uint64_t i = 6; i <= 12; i++) {
		reopen();
		cr_expect_eq(take_number(i), i);
		scratch_settle(j, i, MOVE_DONE);
		scratch_skip_ms(2 * (uint64_t)DAY_MS);
	}
	cr_expect_eq(stat_now().remembered, 1);
}

Test(journal, nothing_within_a_window_is_forgotten)
{
	for (uint64_t i = 1; i <= 40; i++) {
		take_number(i);
		scratch_skip_ms(DAY_MS / 40);
	}
	scratch_skip_ms(DAY_MS / 4);
	take("last");
	for (uint64_t i = 1; i <= 40; i++) {
		char id[32];

		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)i);
		cr_expect_eq(
			scratch_seen(&s, j, id), i <= 11 ? SEEN_NEW : SEEN_DUPLICATE, "%s", id);
	}
}

Test(journal, trimming_keeps_up_with_what_comes_in)
{
	for (int day = 0; day < 4; day++) {
		cr_assert_eq(journal_begin(j, &why), STORE_OK);
		append_many((uint64_t)day * 500, (uint64_t)day * 500 + 499);
		cr_assert_eq(journal_commit(j, &why), STORE_OK);
		scratch_skip_ms(DAY_MS + 1000);
	}
	cr_expect_leq(stat_now().remembered, 500);
}

Test(journal, a_clock_that_goes_back_forgets_nothing_and_lets_nothing_in)
{
	take("a");
	scratch_jump_ms(-7 * (int64_t)DAY_MS);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
	take("b");
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
	scratch_jump_ms(7 * (int64_t)DAY_MS);
	cr_expect_eq(scratch_seen(&s, j, "a"), SEEN_DUPLICATE);
}

Test(journal, batches_out_of_the_window_are_forgotten_though_they_bring_no_new_events)
{
	struct journal_batch batch = {.source = slice_of("email"), .id = slice_of("")};
	const uint64_t before = stat_now().used_bytes;

	batch.errors.type = MSGPACK_OBJECT_ARRAY;
	for (int day = 0; day < 4; day++) {
		cr_assert_eq(journal_begin(j, &why), STORE_OK);
		for (int i = 0; i < 2000; i++) {
			batch.at = clock_wall_ms();
			cr_assert_eq(journal_append_batch(j, &batch, &why), STORE_OK);
		}
		cr_assert_eq(journal_commit(j, &why), STORE_OK);
		scratch_skip_ms(DAY_MS + 1000);
	}
	cr_expect_lt(stat_now().used_bytes - before, 2000 * 200);
}
