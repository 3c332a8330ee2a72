/* A full journal: it can be emptied, and takes new events again. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>

#include "journal_kit.h"

TestSuite(journal_full, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

struct fill_row {
	uint64_t max_bytes;
	size_t size;
};

ParameterizedTestParameters(journal_full, a_full_journal_can_be_emptied_and_filled_again)
{
	static struct fill_row rows[] = {{1 << 20, 100}, {1 << 20, 500}, {1 << 20, 2100},
		{1 << 20, 5000}, {4 << 20, 100}, {4 << 20, 100000}, {16 << 20, 300},
		{16 << 20, 2100}, {16 << 20, 1000000}};

	return cr_make_param_array(struct fill_row, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(
	const struct fill_row *row, journal_full, a_full_journal_can_be_emptied_and_filled_again)
{
	uint64_t number = 0;
	size_t first, again;

	s.cfg->journal.max_bytes = row->max_bytes;
	reopen();
	first = fill_up(row->size, &number);
	cr_expect_gt(first, 0);
	for (int round = 0; round < 3; round++) {
		settle_all(MOVE_DONE, stat_now().last_seq);
		cr_expect_eq(stat_now().owed[TAKER_HANDLER], 0);
		scratch_skip_ms(2 * (uint64_t)DAY_MS);
		again = fill_up(row->size, &number);
		cr_expect_gt(again, first / 2, "%zu of %zu", again, first);
	}
}

/* Retries need room for their reasons and times, and find it behind the limit for new events. */
ParameterizedTestParameters(journal_full, an_event_of_a_full_journal_can_be_put_off_and_given_up)
{
	static size_t sizes[] = {300, 2100, 5000};

	return cr_make_param_array(size_t, sizes, sizeof sizes / sizeof *sizes);
}

ParameterizedTest(
	const size_t *size, journal_full, an_event_of_a_full_journal_can_be_put_off_and_given_up)
{
	uint64_t number = 0;

	s.cfg->journal.max_bytes = 4 << 20;
	reopen();
	fill_up(*size, &number);
	for (uint64_t seq = 1; seq <= 300; seq++) {
		scratch_settle(j, seq, MOVE_RETRY);
		scratch_settle(j, seq, MOVE_FIRE);
		scratch_settle(j, seq, MOVE_DEAD);
		scratch_settle(j, seq, MOVE_BURIED);
	}
	cr_expect_eq(due_rows(), 0);
	cr_expect_gt(fill_up(*size, &number), 0);
}

/* Bytes of the file, and of those that hold zeros alone at its end. */
static uint64_t
file_bytes(uint64_t *zeros)
{
	FILE *f = fopen(scratch_path(&s, "journal/data.mdb"), "r");
	uint64_t n = 0;
	int c;

	cr_assert(f);
	*zeros = 0;
	while ((c = getc(f)) != EOF) {
		n++;
		*zeros = c ? 0 : *zeros + 1;
	}
	fclose(f);
	return n;
}

Test(journal_full, a_file_that_has_grown_is_longer_than_it_must_be_but_never_than_its_limit)
{
	static const char bytes[500];
	const struct slice frame = {bytes, sizeof bytes};
	uint64_t number = 0, zeros;

	s.cfg->journal.max_bytes = 16 << 20;
	reopen();
	append_group(frame, 1, &number);
	cr_expect_lt(file_bytes(&zeros), 1 << 20, "a small one reserves nothing");
	while (number < 3000)
		append_group(frame, 100, &number);
	file_bytes(&zeros);
	cr_expect_gt(zeros, 1 << 20);
	fill_up(60, &number);
	cr_expect_leq(file_bytes(&zeros), 16 << 20);
	reopen();
	cr_expect_eq(stat_now().last_seq, number);
	cr_expect_eq(state_of(1), ACCEPTED);
	cr_expect_eq(state_of(number), ACCEPTED);
}

Test(journal_full, a_journal_full_of_memories_lets_new_events_in_when_their_windows_are_over)
{
	uint64_t number = 0;

	s.cfg->journal.max_bytes = 1 << 20;
	reopen();
	for (;;) {
		const struct journal_stat before = stat_now();

		fill_up(60, &number);
		settle_all(MOVE_DONE, stat_now().last_seq);
		if (stat_now().remembered - before.remembered < 10)
			break;
	}
	cr_expect_gt(stat_now().remembered, 1000);
	scratch_skip_ms(DAY_MS + 1000);
	cr_expect_gt(fill_up(60, &number), 1000);
}
