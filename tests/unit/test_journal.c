/* The journal on a real disk: what is accepted stays, what is given up leaves no trace, whoever is
 * killed, whatever fails. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/store/journal_private.h"
#include "scratch.h"

enum { DAY_MS = 24 * 3600 * 1000, AT_BOOT = 8 };

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

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 120);

static void
reopen(void)
{
	journal_close(&j);
	j = scratch_journal(&s);
}

static uint64_t
take(const char *id)
{
	return scratch_accept(&s, j, "email_opened", id);
}

/* The same for number n. */
static uint64_t
take_number(uint64_t n)
{
	char id[32];

	snprintf(id, sizeof id, "evt_%llu", (unsigned long long)n);
	return take(id);
}

static struct journal_stat
stat_now(void)
{
	struct journal_stat st;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	cr_assert(journal_stat(j, &st));
	journal_read_end(j);
	return st;
}

/* Where an event stands, by the state table. */
enum state { GONE, ACCEPTED, SCHEDULED, DEAD };

static enum state
state_of(uint64_t seq)
{
	struct journal_event ev;
	enum state state = GONE;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	if (journal_event_at(j, seq, &ev))
		state = ev.tried && ev.last.dead  ? DEAD
			: ev.tried && ev.last.due ? SCHEDULED
						  : ACCEPTED;
	journal_read_end(j);
	return state;
}

/* Rows in `due` whatever their time. */
static size_t
due_rows(void)
{
	uint64_t seqs[64];
	size_t n;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	n = journal_due(j, TAKER_HANDLER, UINT64_MAX, seqs, 64);
	journal_read_end(j);
	return n;
}

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

static enum journal_proved
proved_with(const char *proof, uint64_t signed_ms, const char *event, const char *body)
{
	const struct journal_proof asked = {
		.proof = journal_hash(j, slice_of("email"), slice_of(proof)),
		.events = journal_hash(j, slice_of("email"), slice_of(event)),
		.body = journal_hash(j, slice_of("email"), slice_of(body)),
		.signed_ms = signed_ms,
	};
	enum journal_proved proved;

	cr_assert_eq(journal_prove(j, &asked, &proved, &why), STORE_OK, "%s", why.text);
	return proved;
}

static bool
proves(const char *proof, uint64_t signed_ms, const char *event)
{
	return proved_with(proof, signed_ms, event, event) == PROVED;
}

Test(journal, a_proof_that_comes_again_is_told_by_its_events_and_its_body)
{
	const uint64_t now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED);
	cr_expect_eq(proved_with("t", now_ms, "a", "second"), PROVED_ANEW);
	cr_expect_eq(proved_with("t", now_ms, "a", "first"), PROVED, "the first one stays");
	cr_expect_eq(proved_with("t", now_ms, "b", "first"), PROVED_OTHER);
	journal_abort(j);
}

Test(journal, a_proof_is_good_for_the_events_that_it_came_with_first)
{
	const uint64_t now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("t", now_ms, "a"));
	cr_expect(proves("t", now_ms, "a"));
	cr_expect_not(proves("t", now_ms, "b"));
	cr_expect(proves("u", now_ms, "b"));
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_not(proves("t", now_ms, "b"));
	cr_expect(proves("v", now_ms, "a"));
	journal_abort(j);
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("v", now_ms, "b"), "what was not committed binds nothing");
	journal_abort(j);
}

Test(journal, a_proof_is_forgotten_when_its_window_is_over)
{
	const uint64_t window = s.cfg->sources[0].dedup_window_ms, now_ms = clock_wall_ms();

	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("old", now_ms - window + 5000, "a"));
	cr_expect(proves("new", now_ms, "a"));
	cr_assert_eq(journal_commit(j, &why), STORE_OK);
	take("a");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect_not(proves("old", now_ms - window + 5000, "b"));
	journal_abort(j);
	scratch_skip_ms(5001);
	take("b");
	cr_assert_eq(journal_begin(j, &why), STORE_OK);
	cr_expect(proves("old", now_ms - window + 5000, "b"));
	cr_expect_not(proves("new", now_ms, "b"));
	journal_abort(j);
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

/* What may happen to the index beside the journal. */
enum mishap { NOTHING, DELETED, OF_ANOTHER_BOOT, CUT_OFF };

static void
meet(enum mishap mishap)
{
	const char *path = scratch_path(&s, "journal/dedup.idx");
	FILE *f;

	switch (mishap) {
	case NOTHING:
		break;
	case DELETED:
		cr_assert_eq(unlink(path), 0);
		break;
	case CUT_OFF:
		cr_assert_eq(truncate(path, 5000), 0);
		break;
	case OF_ANOTHER_BOOT:
		f = fopen(path, "r+");
		cr_assert_not_null(f);
		fseek(f, AT_BOOT, SEEK_SET);
		fputs("another", f);
		fclose(f);
		break;
	}
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

static void
append_many(uint64_t from, uint64_t to)
{
	char id[32];

	for (uint64_t i = from; i <= to; i++) {
		struct journal_key key;

		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)i);
		key = scratch_key(&s, j, id, i);
		cr_assert_eq(
			journal_append(j, &key,
				scratch_frame(journal_id(j), journal_next(j), "email_opened", id),
				key.now_ms, &why),
			STORE_OK, "%s", why.text);
	}
}

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

/* ---- settling ---- */

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

ParameterizedTestParameters(journal, only_the_moves_of_the_state_table_are_made)
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

ParameterizedTest(const struct move_row *row, journal, only_the_moves_of_the_state_table_are_made)
{
	const uint64_t seq = event_in(row->from);
	const struct journal_change change = scratch_settle(j, seq, row->move);

	cr_expect_eq(change.applied, row->applied, "%d by %d", row->from, row->move);
	cr_expect_eq(state_of(seq), row->to, "%d by %d", row->from, row->move);
	cr_expect_eq(change.received_ms == 0, row->from == GONE);
	cr_expect_eq(due_rows(), row->to == SCHEDULED);
	cr_expect_eq(scratch_seen(&s, j, "one"), SEEN_DUPLICATE);
}

Test(journal, moves_of_one_transaction_see_each_other)
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

Test(journal, one_retry_more_than_allowed_is_death)
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

Test(journal, a_retry_that_costs_nothing_never_ends_an_event)
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

Test(journal, what_is_known_of_a_tried_event_outlives_closing)
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

Test(journal, due_events_come_in_the_order_of_their_times)
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

Test(journal, a_settlement_that_fails_leaves_every_event_in_its_state)
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
Test(journal, an_event_is_given_up_with_the_flush_of_its_last_page)
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

Test(journal, an_event_that_is_put_back_is_accepted_under_its_own_number)
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

ParameterizedTestParameters(journal, an_event_put_back_twice_leaves_no_due_time_behind)
{
	static enum state states[] = {ACCEPTED, SCHEDULED, DEAD};

	return cr_make_param_array(enum state, states, sizeof states / sizeof *states);
}

ParameterizedTest(
	const enum state *state, journal, an_event_put_back_twice_leaves_no_due_time_behind)
{
	const uint64_t seq = event_in(*state);

	cr_assert_eq(journal_revive(j, seq, slice_of("frame"), &why), STORE_OK);
	cr_expect_eq(state_of(seq), ACCEPTED);
	cr_expect_eq(due_rows(), 0);
}

Test(journal, hastening_takes_the_earliest_and_leaves_one_due_time_an_event)
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

/* ---- a full journal ---- */

static enum store_rc
append_block(struct slice frame, uint64_t *number)
{
	char id[32];
	struct journal_key key;

	snprintf(id, sizeof id, "evt_%llu", (unsigned long long)++*number);
	key = scratch_key(&s, j, id, *number);
	return journal_append(j, &key, frame, 1, &why);
}

/* As the validator does: what finds the door closed stays outside, the rest is committed. */
static enum store_rc
append_group(struct slice frame, size_t n, uint64_t *number)
{
	enum store_rc rc = journal_begin(j, &why);
	bool room = true;

	cr_assert_eq(rc, STORE_OK, "%s", why.text);
	for (size_t i = 0; rc == STORE_OK && room && i < n; i++) {
		room = !journal_full(j, frame.n + 160);
		if (room)
			rc = append_block(frame, number);
	}
	if (rc == STORE_OK)
		rc = journal_commit(j, &why);
	else
		journal_abort(j);
	return room ? rc : STORE_FULL;
}

/* Small groups until one finds no room, nor when it is sent again; returns how many events entered.
 */
static size_t
fill_up(size_t size, uint64_t *number)
{
	const size_t before = stat_now().owed[TAKER_HANDLER],
		     group = s.cfg->journal.max_bytes / size / 64 + 1;
	char *bytes = calloc(1, size);

	for (int refused = 0; refused < 3;) {
		const enum store_rc rc = append_group((struct slice){bytes, size}, group, number);

		cr_assert_neq(rc, STORE_FAILED, "%s", why.text);
		refused = rc == STORE_FULL ? refused + 1 : 0;
	}
	free(bytes);
	return stat_now().owed[TAKER_HANDLER] - before;
}

/* Settles all events as the retrier does, up to 4,096 in a transaction. */
static void
settle_all(enum journal_move move, uint64_t last)
{
	static struct journal_change changes[4096];
	uint64_t seq = 1;

	while (seq <= last) {
		size_t n = 0;

		for (; n < 4096 && seq <= last; n++)
			changes[n] = (struct journal_change){.delivery = seq++, .move = move};
		cr_assert_eq(journal_settle(j, changes, n, &why), STORE_OK, "%s", why.text);
	}
}

struct fill_row {
	uint64_t max_bytes;
	size_t size;
};

ParameterizedTestParameters(journal, a_full_journal_can_be_emptied_and_filled_again)
{
	static struct fill_row rows[] = {{1 << 20, 100}, {1 << 20, 500}, {1 << 20, 2100},
		{1 << 20, 5000}, {4 << 20, 100}, {4 << 20, 100000}, {16 << 20, 300},
		{16 << 20, 2100}, {16 << 20, 1000000}};

	return cr_make_param_array(struct fill_row, rows, sizeof rows / sizeof *rows);
}

ParameterizedTest(
	const struct fill_row *row, journal, a_full_journal_can_be_emptied_and_filled_again)
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
ParameterizedTestParameters(journal, an_event_of_a_full_journal_can_be_put_off_and_given_up)
{
	static size_t sizes[] = {300, 2100, 5000};

	return cr_make_param_array(size_t, sizes, sizeof sizes / sizeof *sizes);
}

ParameterizedTest(
	const size_t *size, journal, an_event_of_a_full_journal_can_be_put_off_and_given_up)
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

Test(journal, a_file_that_has_grown_is_longer_than_it_must_be_but_never_than_its_limit)
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

Test(journal, a_journal_full_of_memories_lets_new_events_in_when_their_windows_are_over)
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

/* ---- looking things up ---- */

static struct journal_found
look_up(const char *id)
{
	struct journal_found found;

	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_find(j, slice_of("email"), slice_of(id), &found);
	journal_read_end(j);
	return found;
}

Test(journal, what_became_of_an_id_is_known_until_its_window_is_over)
{
	struct journal_found found = look_up("a");

	cr_expect_eq(found.state, FOUND_NOT);
	take("a");
	take("b");
	found = look_up("b");
	cr_expect(found.state == FOUND_WAITING && found.seq == 2);
	scratch_settle(j, 2, MOVE_DONE);
	found = look_up("b");
	cr_expect(found.state == FOUND_ENDED && found.seq == 2);
	scratch_skip_ms(DAY_MS + 1000);
	take("c");
	cr_expect_eq(look_up("b").state, FOUND_NOT);
}

ParameterizedTestParameters(journal, an_id_is_found_with_or_without_the_index)
{
	static enum mishap mishaps[] = {NOTHING, DELETED, OF_ANOTHER_BOOT, CUT_OFF};

	return cr_make_param_array(enum mishap, mishaps, sizeof mishaps / sizeof *mishaps);
}

ParameterizedTest(const enum mishap *mishap, journal, an_id_is_found_with_or_without_the_index)
{
	for (uint64_t i = 1; i <= 20; i++)
		take_number(i);
	journal_close(&j);
	meet(*mishap);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(look_up("evt_1").seq, 1);
	cr_expect_eq(look_up("evt_20").seq, 20);
	cr_expect_eq(look_up("evt_21").state, FOUND_NOT);
}

Test(journal, one_who_only_watches_makes_nothing_and_changes_nothing)
{
	struct scratch empty;
	struct journal_change change = {.delivery = 1, .move = MOVE_DONE};

	take("a");
	journal_close(&j);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(state_of(1), ACCEPTED);
	cr_expect_neq(journal_begin(j, &why), STORE_OK);
	scratch_skip_ms(1000);
	cr_expect_neq(journal_settle(j, &change, 1, &why), STORE_OK);
	scratch_skip_ms(1000);
	cr_expect_eq(state_of(1), ACCEPTED);
	scratch_open(&empty, NULL);
	cr_expect_null(journal_open(empty.cfg, JOURNAL_WATCH, &why));
	cr_expect_neq(access(scratch_path(&empty, "journal"), F_OK), 0);
	scratch_close(&empty);
}

/* As a version before the proofs has left it. */
static void
drop_proofs(void)
{
	cr_assert_eq(journal_lock(j, 0, &why), STORE_OK, "%s", why.text);
	cr_assert_eq(mdb_drop(j->write, j->proofs, 1), 0);
	cr_assert_eq(mdb_txn_commit(j->write), 0);
	j->write = NULL;
}

Test(journal, one_of_an_earlier_version_can_be_watched_before_a_stage_has_made_its_new_table)
{
	struct journal_stat st;

	take("a");
	drop_proofs();
	journal_close(&j);
	j = journal_open(s.cfg, JOURNAL_WATCH, &why);
	cr_assert_not_null(j, "%s", why.text);
	cr_expect_eq(state_of(1), ACCEPTED);
	cr_assert(journal_read_begin(j, &why), "%s", why.text);
	journal_stat(j, &st);
	journal_read_end(j);
	cr_expect_eq(st.owed[TAKER_HANDLER], 1);
	reopen();
	cr_expect_eq(take("b"), 2);
}

Test(journal, a_journal_of_another_format_is_refused)
{
	FILE *f;

	journal_close(&j);
	f = fopen(scratch_path(&s, "journal/data.mdb"), "w");
	cr_assert_not_null(f);
	for (int i = 0; i < 10000; i++)
		fputs("rubbish ", f);
	fclose(f);
	cr_expect_null(journal_open(s.cfg, JOURNAL_ACCEPT, &why));
	cr_expect_neq(why.text[0], '\0');
}

/* ---- two processes ---- */

/* A process that opens the journal for itself and talks with its parent, whom it does not outlive.
 */
struct child {
	pid_t pid;
	int from, to;
};

static void
child_says(int fd, uint64_t number)
{
	if (write(fd, &number, sizeof number) != sizeof number)
		_exit(3);
}

static uint64_t
child_hears(int fd)
{
	uint64_t number;

	if (read(fd, &number, sizeof number) != sizeof number)
		_exit(4);
	return number;
}

/* Both have the journal open only after the fork; the child, when it is told to. */
static struct child
prepare(void (*run)(int from, int to))
{
	int up[2], down[2];
	struct child child;

	journal_close(&j);
	cr_assert(pipe(up) == 0 && pipe(down) == 0);
	child.pid = fork();
	cr_assert_geq(child.pid, 0);
	if (child.pid == 0) {
		close(up[0]);
		close(down[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child_hears(down[0]);
		j = journal_open(s.cfg, JOURNAL_ACCEPT, &why);
		if (!j)
			_exit(2);
		run(down[0], up[1]);
		journal_close(&j);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	child.from = up[0];
	child.to = down[1];
	j = scratch_journal(&s);
	return child;
}

static uint64_t
hear(const struct child *child)
{
	uint64_t number = 0;

	cr_assert_eq(read(child->from, &number, sizeof number), (ssize_t)sizeof number);
	return number;
}

static void
tell(const struct child *child, uint64_t number)
{
	cr_assert_eq(write(child->to, &number, sizeof number), (ssize_t)sizeof number);
}

static struct child
start(void (*run)(int from, int to))
{
	const struct child child = prepare(run);

	tell(&child, 1);
	return child;
}

static int
finish(struct child *child, int signal)
{
	int status = 0;

	if (signal)
		kill(child->pid, signal);
	cr_assert_eq(waitpid(child->pid, &status, 0), child->pid);
	close(child->from);
	close(child->to);
	return status;
}

static void
append_and_hang(int from, int to)
{
	(void)from;
	if (journal_begin(j, &why) != STORE_OK)
		_exit(5);
	append_many(1, 300);
	child_says(to, 1);
	for (;;)
		pause();
}

Test(journal, a_writer_killed_in_its_transaction_leaves_all_as_it_was)
{
	struct child child;

	take("before");
	child = start(append_and_hang);
	hear(&child);
	cr_expect_eq(
		stat_now().owed[TAKER_HANDLER], 1, "readers do not wait and see nothing of it");
	finish(&child, SIGKILL);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
	cr_expect_eq(stat_now().remembered, 1);
	cr_expect_eq(scratch_seen(&s, j, "before"), SEEN_DUPLICATE);
	for (uint64_t i = 1; i <= 300; i++) {
		char id[32];

		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)i);
		cr_assert_eq(scratch_seen(&s, j, id), SEEN_NEW, "%s", id);
	}
	cr_expect_eq(take("evt_300"), 2);
	cr_expect_eq(scratch_seen(&s, j, "evt_300"), SEEN_DUPLICATE);
	scratch_settle(j, 1, MOVE_DONE);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
}

static void
take_one(int from, int to)
{
	(void)from;
	(void)to;
	take("waited");
}

Test(journal, a_writer_that_waits_goes_on_when_the_one_before_it_is_killed)
{
	struct child holder = prepare(append_and_hang), waiter = prepare(take_one);

	tell(&holder, 1);
	hear(&holder);
	tell(&waiter, 1);
	finish(&holder, SIGKILL);
	cr_expect_eq(finish(&waiter, 0), 0);
	cr_expect_eq(scratch_seen(&s, j, "waited"), SEEN_DUPLICATE);
	cr_expect_eq(stat_now().owed[TAKER_HANDLER], 1);
}

enum { GROUP = 7, ROUNDS = 12 };

static uint64_t round_now;

static bool
append_id(const char *id)
{
	const struct journal_key key = scratch_key(&s, j, id, 1);

	return journal_append(j, &key,
		       scratch_frame(journal_id(j), journal_next(j), "email_opened", id), 1,
		       &why) == STORE_OK;
}

static void
append_for_ever(int from, int to)
{
	char id[32];

	(void)from;
	for (uint64_t n = 1;;) {
		if (journal_begin(j, &why) != STORE_OK)
			_exit(5);
		for (int i = 0; i < GROUP; i++, n++) {
			snprintf(id, sizeof id, "k%llu_%llu", (unsigned long long)round_now,
				(unsigned long long)n);
			if (!append_id(id))
				_exit(6);
		}
		if (journal_commit(j, &why) != STORE_OK)
			_exit(7);
		child_says(to, n - 1);
	}
}

/* How many events of each round the journal holds; fails when one is there twice or out of turn. */
static void
count_rounds(uint64_t counts[ROUNDS])
{
	struct journal_event ev = {.seq = 0};
	msgpack_zone zone;
	struct event frame;

	msgpack_zone_init(&zone, 4096);
	memset(counts, 0, ROUNDS * sizeof *counts);
	cr_assert(journal_read_begin(j, &why));
	while (journal_event_from(j, ev.seq + 1, &ev)) {
		unsigned long long n, round;
		char id[32];

		msgpack_zone_clear(&zone);
		cr_assert(frame_unpack(&event_schema, ev.frame.p, ev.frame.n, &zone, &frame, &why));
		cr_assert_eq(frame.seq, ev.seq);
		snprintf(id, sizeof id, "%.*s", SLICE_ARG(frame.id));
		if (sscanf(id, "k%llu_%llu", &round, &n) == 2)
			cr_assert_eq(n, ++counts[round], "%s", id);
	}
	journal_read_end(j);
	msgpack_zone_destroy(&zone);
}

Test(journal, whatever_a_writer_said_is_there_after_it_was_killed_at_any_instant)
{
	uint64_t said[ROUNDS] = {0}, counts[ROUNDS];

	for (round_now = 0; round_now < ROUNDS; round_now++) {
		struct child child = start(append_for_ever);

		while (said[round_now] < 10 * round_now + GROUP) {
			take_number(round_now * 10000 + said[round_now]);
			said[round_now] = hear(&child);
		}
		finish(&child, SIGKILL);
	}
	/* A writer that was killed between its commit and the note of it is found by the next one.
	 */
	cr_assert_eq(scratch_seen(&s, j, "nobody"), SEEN_NEW);
	count_rounds(counts);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		char id[32];

		cr_expect_geq(counts[i], said[i]);
		cr_expect_eq(counts[i] % GROUP, 0, "half a group");
		snprintf(id, sizeof id, "k%llu_%llu", (unsigned long long)i,
			(unsigned long long)counts[i]);
		cr_expect_eq(scratch_seen(&s, j, id), SEEN_DUPLICATE);
		snprintf(id, sizeof id, "k%llu_%llu", (unsigned long long)i,
			(unsigned long long)counts[i] + 1);
		cr_expect_eq(scratch_seen(&s, j, id), SEEN_NEW);
	}
}

static void
settle_for_ever(int from, int to)
{
	static const enum journal_move moves[] = {
		MOVE_RETRY, MOVE_FIRE, MOVE_RETRY, MOVE_DEAD, MOVE_BURIED, MOVE_FIRE, MOVE_DONE};

	(void)from;
	for (uint64_t n = 0;; n++) {
		struct journal_change changes[20] = {{0}};

		for (uint64_t i = 0; i < 20; i++)
			changes[i] = (struct journal_change){.delivery = (n * 13 + i * 3) % 400 + 1,
				.move = moves[(n + i) % 7],
				.due_ms = 1000 + n,
				.attempts_max = 100};
		if (journal_settle(j, changes, 20, &why) != STORE_OK)
			_exit(5);
		child_says(to, n);
	}
}

Test(journal, every_event_is_in_one_state_of_the_table_after_its_custodian_was_killed)
{
	for (uint64_t i = 1; i <= 400; i++)
		take_number(i);
	for (uint64_t round = 0; round < 8; round++) {
		struct child child = start(settle_for_ever);
		size_t scheduled = 0;

		while (hear(&child) < round * 3)
			;
		finish(&child, SIGKILL);
		for (uint64_t seq = 1; seq <= 400; seq++)
			scheduled += state_of(seq) == SCHEDULED;
		cr_expect_eq(stat_now().scheduled, scheduled);
	}
}

static void
answer_questions(int from, int to)
{
	char id[32];
	uint64_t n;

	take("child");
	child_says(to, 1);
	while ((n = child_hears(from)) != 0) {
		snprintf(id, sizeof id, "evt_%llu", (unsigned long long)n);
		child_says(to, scratch_seen(&s, j, id));
	}
}

Test(journal, a_second_process_knows_what_was_accepted_after_the_index_was_deleted)
{
	struct child child = start(answer_questions);

	hear(&child);
	take_number(1);
	journal_close(&j);
	meet(DELETED);
	j = scratch_journal(&s);
	take_number(2);
	tell(&child, 1);
	cr_expect_eq(hear(&child), SEEN_DUPLICATE);
	tell(&child, 2);
	cr_expect_eq(hear(&child), SEEN_DUPLICATE);
	tell(&child, 3);
	cr_expect_eq(hear(&child), SEEN_NEW);
	cr_expect_eq(scratch_seen(&s, j, "child"), SEEN_DUPLICATE);
	tell(&child, 0);
	cr_expect_eq(finish(&child, 0), 0);
}

Test(journal, a_second_process_knows_what_was_accepted_after_the_index_has_grown)
{
	enum { MANY = 60000 };
	struct child child = start(answer_questions);

	hear(&child);
	for (uint64_t i = 0; i < MANY; i += 10000) {
		cr_assert_eq(journal_begin(j, &why), STORE_OK);
		append_many(i + 1, i + 10000);
		cr_assert_eq(journal_commit(j, &why), STORE_OK);
	}
	for (uint64_t i = 1; i <= MANY; i += 997) {
		tell(&child, i);
		cr_assert_eq(hear(&child), SEEN_DUPLICATE, "evt_%llu", (unsigned long long)i);
	}
	tell(&child, MANY + 1);
	cr_expect_eq(hear(&child), SEEN_NEW);
	tell(&child, 0);
	cr_expect_eq(finish(&child, 0), 0);
}

static void
read_and_hang(int from, int to)
{
	(void)from;
	if (!journal_read_begin(j, &why))
		_exit(5);
	child_says(to, 1);
	for (;;)
		pause();
}

Test(journal, a_killed_reader_pins_no_room_for_long)
{
	uint64_t number = 0;
	struct child child;
	size_t first;

	s.cfg->journal.max_bytes = 1 << 20;
	reopen();
	first = fill_up(500, &number);
	child = start(read_and_hang);
	hear(&child);
	finish(&child, SIGKILL);
	journal_tidy(j);
	settle_all(MOVE_DONE, stat_now().last_seq);
	scratch_skip_ms(2 * (uint64_t)DAY_MS);
	cr_expect_gt(fill_up(500, &number), first / 2);
}
