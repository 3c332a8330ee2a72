/* What becomes of an event: only the moves of the state table are made, whole or not at all. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <string.h>

#include "journal_kit.h"

TestSuite(journal_settle, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

static uint64_t
event_in(enum state state)
{
	const uint64_t seq = take("one");

	if (state == SCHEDULED)
		scratch_settle(j, seq, MOVE_RETRY);
	else if (state == DEAD)
		scratch_settle(j, seq, MOVE_DEAD);
	else if (state == GONE)
		scratch_settle(j, seq, MOVE_DONE);
	cr_assert_eq(state_of(seq), state);
	return seq;
}

struct move_row {
	enum state from;
	enum journal_move move;
	enum state to;
	bool applied;
};

ParameterizedTestParameters(journal_settle, only_the_moves_of_the_state_table_are_made)
{
	static struct move_row rows[] = {
		{ACCEPTED, MOVE_DONE, GONE, true},
		{ACCEPTED, MOVE_RETRY, SCHEDULED, true},
		{ACCEPTED, MOVE_DEAD, DEAD, true},
		{ACCEPTED, MOVE_FIRE, ACCEPTED, false},
		{ACCEPTED, MOVE_LOST, ACCEPTED, true},
		{SCHEDULED, MOVE_DONE, GONE, true},
		{SCHEDULED, MOVE_RETRY, SCHEDULED, false},
		{SCHEDULED, MOVE_DEAD, DEAD, true},
		{SCHEDULED, MOVE_BURIED, SCHEDULED, false},
		{SCHEDULED, MOVE_FIRE, ACCEPTED, true},
		{SCHEDULED, MOVE_LOST, SCHEDULED, false},
		{DEAD, MOVE_DONE, DEAD, false},
		{DEAD, MOVE_RETRY, DEAD, false},
		{DEAD, MOVE_DEAD, DEAD, false},
		{DEAD, MOVE_BURIED, GONE, true},
		{DEAD, MOVE_FIRE, DEAD, false},
		{DEAD, MOVE_LOST, DEAD, false},
		{GONE, MOVE_DONE, GONE, false},
		{GONE, MOVE_RETRY, GONE, false},
		{GONE, MOVE_DEAD, GONE, false},
		{GONE, MOVE_BURIED, GONE, false},
		{GONE, MOVE_FIRE, GONE, false},
		{GONE, MOVE_LOST, GONE, false},
	};

	return cr_make_param_array(struct move_row, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(
	const struct move_row *row, journal_settle, only_the_moves_of_the_state_table_are_made)
{
	const uint64_t seq = event_in(row->from);
	const struct journal_change change = scratch_settle(j, seq, row->move);

	cr_expect_eq(change.applied, row->applied, "%d by %d", row->from, row->move);
	cr_expect_eq(state_of(seq), row->to, "%d by %d", row->from, row->move);
	cr_expect_eq(change.received_ms == 0, row->from == GONE);
	cr_expect_eq(due_rows(), row->to == SCHEDULED);
	cr_expect_eq(scratch_seen(&s, j, "one"), SEEN_DUPLICATE);
}

Test(journal_settle, moves_of_one_transaction_see_each_other)
{
	const uint64_t seq = take("one");
	struct journal_change changes[] = {
		{.delivery = seq, .move = MOVE_RETRY, .due_ms = 1000, .attempts_max = 5},
		{.delivery = seq, .move = MOVE_RETRY, .due_ms = 2000, .attempts_max = 5},
		{.delivery = seq, .move = MOVE_FIRE},
		{.delivery = seq, .move = MOVE_RETRY, .due_ms = 3000, .attempts_max = 5},
		{.delivery = seq, .move = MOVE_DONE},
		{.delivery = seq, .move = MOVE_DEAD},
	};
	static const bool applied[] = {true, false, true, true, true, false};

	cr_assert_eq(journal_settle(j, changes, 6, &why), STORE_OK);
	for (size_t i = 0; i < 6; i++)
		cr_expect_eq(changes[i].applied, applied[i], "change %zu", i);
	cr_expect_eq(changes[3].attempts, 2);
	cr_expect_eq(state_of(seq), GONE);
	cr_expect_eq(due_rows(), 0);
}

Test(journal_settle, one_retry_more_than_allowed_is_death)
{
	const uint64_t seq = take("one");
	struct journal_change change;
	struct journal_event ev;

	for (int i = 0; i < 5; i++) {
		change = scratch_settle(j, seq, MOVE_RETRY);
		cr_expect_eq(change.attempts, i + 1);
		cr_expect_eq(state_of(seq), SCHEDULED);
		scratch_settle(j, seq, MOVE_FIRE);
	}
	change = scratch_settle(j, seq, MOVE_RETRY);
	cr_expect_eq(change.applied_as, MOVE_DEAD);
	cr_expect_eq(change.attempts, 5);
	cr_assert(journal_read_begin(j, &why));
	cr_assert(journal_event_at(j, seq, &ev));
	cr_expect_eq(ev.last.dead, DEATH_TRIES);
	cr_expect(slice_is(ev.last.reason, "why"));
	journal_read_end(j);
}

Test(journal_settle, a_retry_that_costs_nothing_never_ends_an_event)
{
	const uint64_t seq = take("one");

	for (int i = 0; i < 20; i++) {
		struct journal_change change = {
			.delivery = seq, .move = MOVE_RETRY, .due_ms = 5, .free = true};

		cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK);
		cr_expect(change.applied && change.move == MOVE_RETRY && change.attempts == 0);
		scratch_settle(j, seq, MOVE_FIRE);
	}
	cr_expect_eq(state_of(seq), ACCEPTED);
}

Test(journal_settle, what_is_known_of_a_tried_event_outlives_closing)
{
	char reason[513], handler[65];
	struct journal_change change = {
		.delivery = take("one"), .move = MOVE_RETRY, .due_ms = 77777};
	struct journal_event ev;

	memset(reason, 'r', sizeof reason);
	memset(handler, 'h', sizeof handler);
	change.attempts_max = 3;
	change.reason = (struct slice){reason, 512};
	change.handler = (struct slice){handler, 64};
	cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK);
	reopen();
	cr_assert(journal_read_begin(j, &why));
	cr_assert(journal_event_at(j, 1, &ev));
	cr_expect(ev.tried);
	cr_expect_eq(ev.last.attempts, 1);
	cr_expect_eq(ev.last.due, 77777);
	cr_expect(slice_eq(ev.last.reason, change.reason));
	cr_expect(slice_eq(ev.last.handler, change.handler));
	journal_read_end(j);
}

Test(journal_settle, due_events_come_in_the_order_of_their_times)
{
	static const uint64_t times[] = {500, 100, 70000, 300, 100, 4294967296};
	uint64_t seqs[8];

	for (size_t i = 0; i < 6; i++) {
		struct journal_change change = {.delivery = take_number(i),
			.move = MOVE_RETRY,
			.due_ms = times[i],
			.attempts_max = 5};

		cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK);
	}
	cr_assert(journal_read_begin(j, &why));
	cr_expect_eq(journal_due(j, TAKER_HANDLER, 99, seqs, 8), 0);
	cr_assert_eq(journal_due(j, TAKER_HANDLER, 500, seqs, 8), 4);
	cr_expect(seqs[0] == 2 && seqs[1] == 5 && seqs[2] == 4 && seqs[3] == 1);
	cr_expect_eq(journal_due(j, TAKER_HANDLER, UINT64_MAX, seqs, 2), 2);
	cr_assert_eq(journal_due_after(j, TAKER_HANDLER, 70000, seqs, 8), 1);
	cr_expect_eq(seqs[0], 6);
	cr_assert_eq(journal_due_after(j, TAKER_HANDLER, 499, seqs, 8), 3);
	cr_expect(seqs[0] == 6 && seqs[1] == 3 && seqs[2] == 1);
	journal_read_end(j);
}

Test(journal_settle, a_settlement_that_fails_leaves_every_event_in_its_state)
{
	struct journal_change changes[] = {
		{.delivery = take("a"), .move = MOVE_DONE},
		{.delivery = take("b"), .move = MOVE_RETRY, .due_ms = 9, .attempts_max = 5},
		{.delivery = take("c"), .move = MOVE_DEAD},
		{.delivery = take("d"), .move = MOVE_RETRY, .attempts_max = 0},
	};
	struct journal_event ev;

	scratch_flush_error = EIO;
	cr_expect_eq(journal_settle(j, changes, 4, &why), STORE_FAILED);
	scratch_flush_error = 0;
	scratch_skip_ms(1000);
	for (uint64_t seq = 1; seq <= 4; seq++)
		cr_expect_eq(state_of(seq), ACCEPTED);
	cr_expect_eq(journal_settle(j, changes, 4, &why), STORE_OK);
	cr_expect(state_of(1) == GONE && state_of(2) == SCHEDULED && state_of(3) == DEAD);
	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	cr_assert(journal_event_at(j, 4, &ev));
	cr_expect_eq(ev.last.dead, DEATH_TRIES, "asked for again, it is the same change as before");
	journal_read_end(j);
}

/* The dead letter is flushed in another file. Were the journal to fall back behind it in a power
 * cut, the event would be delivered again and have two ends. */
Test(journal_settle, an_event_is_given_up_with_the_flush_of_its_last_page)
{
	struct journal_change done = {.delivery = take("a"), .move = MOVE_DONE};
	struct journal_change dead = {.delivery = take("b"), .move = MOVE_DEAD};
	unsigned before = scratch_flushes, of_done;

	cr_assert_eq(journal_settle(j, &done, 1, &why), STORE_OK);
	of_done = scratch_flushes - before;
	before = scratch_flushes;
	cr_assert_eq(journal_settle(j, &dead, 1, &why), STORE_OK);
	cr_expect_eq(scratch_flushes - before, of_done + 1);
}

Test(journal_settle, an_event_that_is_put_back_is_accepted_under_its_own_number)
{
	const uint64_t seq = event_in(DEAD);
	char frame[4096];
	size_t n;

	memcpy(frame, scratch_frame(journal_id(j), seq, "email_opened", "one").p,
		n = scratch_frame(journal_id(j), seq, "email_opened", "one").n);
	scratch_settle(j, seq, MOVE_BURIED);
	cr_assert_eq(journal_revive(j, seq, (struct slice){frame, n}, &why), STORE_OK);
	cr_expect_eq(state_of(seq), ACCEPTED);
	cr_expect_eq(take("two"), 2);
	cr_expect_eq(state_of(seq), ACCEPTED);
}

ParameterizedTestParameters(journal_settle, an_event_put_back_twice_leaves_no_due_time_behind)
{
	static enum state states[] = {ACCEPTED, SCHEDULED, DEAD};

	return cr_make_param_array(enum state, states, sizeof states / sizeof *states);
}

ParameterizedTest(
	const enum state *state, journal_settle, an_event_put_back_twice_leaves_no_due_time_behind)
{
	const uint64_t seq = event_in(*state);

	cr_assert_eq(journal_revive(j, seq, slice_of("frame"), &why), STORE_OK);
	cr_expect_eq(state_of(seq), ACCEPTED);
	cr_expect_eq(due_rows(), 0);
}

Test(journal_settle, hastening_takes_the_earliest_and_leaves_one_due_time_an_event)
{
	uint64_t seqs[8];
	size_t count;

	for (uint64_t i = 1; i <= 5; i++) {
		struct journal_change change = {.delivery = take_number(i),
			.move = MOVE_RETRY,
			.due_ms = 1000000 - i,
			.attempts_max = 5};

		cr_assert_eq(journal_settle(j, &change, 1, &why), STORE_OK);
	}
	cr_assert_eq(journal_hasten(j, 0, 2, &count, &why), STORE_OK);
	cr_expect_eq(count, 2);
	cr_assert_eq(journal_hasten(j, 1, 1, &count, &why), STORE_OK);
	cr_expect_eq(count, 1);
	cr_assert_eq(journal_hasten(j, 99, 1, &count, &why), STORE_OK);
	cr_expect_eq(count, 0);
	cr_expect_eq(due_rows(), 5);
	cr_assert(journal_read_begin(j, &why));
	cr_assert_eq(journal_due(j, TAKER_HANDLER, 1000, seqs, 8), 3);
	cr_expect(seqs[0] == 1 && seqs[1] == 4 && seqs[2] == 5);
	journal_read_end(j);
	for (uint64_t seq = 1; seq <= 5; seq++)
		scratch_settle(j, seq, MOVE_FIRE);
	cr_expect_eq(due_rows(), 0);
}
