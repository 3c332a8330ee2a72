/* The state database, whichever engine stands behind it: exactly once, one event taken back, several writers.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_state.h"

TestSuite(handlers_state, .init = open_bench, .fini = close_bench);

Test(handlers_state, an_event_applies_once_however_often_it_comes)
{
	begin();
	apply(7, "a");
	cr_expect_eq(event_begin(journal, 7), STATE_APPLIED, "in the same transaction");
	commit();
	begin();
	cr_expect_eq(event_begin(journal, 7), STATE_APPLIED, "in a later one");
	commit();
	state_close(&b.db);
	b.db = state_open(&b.cfg, &b.why);
	begin();
	cr_expect_eq(event_begin(journal, 7), STATE_APPLIED, "after a restart");
	commit();
	expect_row(&b, ROWS, "a");
}

Test(handlers_state, the_same_seq_of_another_journal_is_another_event)
{
	const struct slice fresh = slice_of("fedcba9876543210");

	begin();
	apply(7, "a");
	cr_expect_eq(event_begin(fresh, 7), STATE_NEW);
	add_row("b");
	cr_assert(state_event_keep(b.db, &b.why));
	cr_expect_eq(event_begin(journal, 7), STATE_APPLIED);
	commit();
	expect_row(&b, ROWS, "a,b");
	expect_row(&b, "SELECT count(*) FROM journals", "2");
}

Test(handlers_state, taking_one_event_back_leaves_the_others_of_the_group)
{
	begin();
	apply(1, "a");
	cr_assert_eq(event_begin(journal, 2), STATE_NEW);
	add_row("b1");
	add_row("b2");
	state_event_undo(b.db);
	apply(3, "c");
	commit();
	expect_row(&b, ROWS, "a,c");
	expect_row(&b, APPLIED, "1,3");
	begin();
	apply(2, "b");
	commit();
	expect_row(&b, ROWS, "a,c,b");
}

Test(handlers_state, a_rollback_takes_everything_back_and_the_journal_number_with_it)
{
	begin();
	apply(1, "a");
	state_rollback(b.db);
	expect_row(&b, "SELECT count(*) FROM applied", "0");
	if (!*b.url) /* PostgreSQL gives the number before, for nobody to wait */
		expect_row(&b, "SELECT count(*) FROM journals", "0");
	begin();
	apply(1, "a");
	commit();
	expect_row(&b, "SELECT count(*) FROM applied JOIN journals ON id = applied.journal", "1");
}

Test(handlers_state, a_process_that_dies_before_its_commit_leaves_nothing)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct state *db = state_open(&b.cfg, NULL);

		b.db = db;
		begin();
		apply(1, "a");
		raise(SIGKILL);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	begin();
	apply(1, "again");
	commit();
	expect_row(&b, ROWS, "again");
}

/* Adds n rows, one transaction each, and ends the process. */
static void
write_alone(uint64_t first, size_t n)
{
	b.db = state_open(&b.cfg, &b.why);
	if (!b.db)
		_exit(1);
	for (size_t i = 0; i < n; i++) {
		if (!state_begin(b.db, &b.why))
			_exit(2);
		if (state_event_begin(b.db,
			    &(struct state_event_key){
				    .journal = journal, .seq = first + i, .mark = 1},
			    1, &b.why) != STATE_NEW ||
			!state_event_keep(b.db, &b.why) || !state_commit(b.db, &b.why))
			_exit(3);
	}
	state_close(&b.db);
	_exit(0);
}

Test(handlers_state, several_writers_take_turns_and_none_is_refused)
{
	enum { WRITERS = 6, EACH = 50 };
	int status;

	state_close(&b.db);
	for (int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			write_alone((uint64_t)i * EACH, EACH);
	for (int i = 0; i < WRITERS; i++) {
		cr_assert(wait(&status) > 0);
		cr_expect_eq(status, 0);
	}
	expect_row(&b, "SELECT count(*) FROM applied", "300");
}

Test(handlers_state, text_with_nul_and_any_length_goes_in_and_out_whole)
{
	struct state_cell cell;

	begin();
	cr_assert(state_run(b.db, SQL_SUPPRESSION_SET,
		STATE_VALUES(SV_TEXT(((struct slice){"a\0b", 3})), SV_TEXT(slice_of("r")),
			SV_INT(INT64_MIN), SV_INT(INT64_MAX), SV_TEXT(slice_of(""))),
		&b.why));
	cr_expect_eq(state_get(b.db, SQL_SUPPRESSION_GET, STATE_VALUES(SV_TEXT(slice_of("a"))),
			     &cell, 1, &b.why),
		STATE_NO_ROW);
	cr_expect_eq(state_get(b.db, SQL_SUPPRESSION_GET,
			     STATE_VALUES(SV_TEXT(((struct slice){"a\0b", 3}))), &cell, 1, &b.why),
		STATE_ROW);
	cr_expect_eq(cell.number, INT64_MIN);
	commit();
	expect_row(&b, "SELECT hex(email), until, length(event_id) FROM suppressions",
		*b.url ? "61EFBFBD62|9223372036854775807|0" /* PostgreSQL has no NUL */
		       : "610062|9223372036854775807|0");
}

Test(handlers_state, old_entries_are_forgotten_from_the_lowest_seq_at_a_bounded_cost)
{
	begin();
	for (uint64_t seq = 1; seq <= 20; seq++)
		apply(seq, "x");
	cr_assert(state_forget(b.db, 1001, 5, &b.why));
	commit();
	expect_row(&b, "SELECT count(*), min(seq) FROM applied", "20|1");

	begin();
	cr_assert(state_forget(b.db, 1100, 5, &b.why), "%s", b.why.text);
	commit();
	expect_row(&b, "SELECT count(*), min(seq) FROM applied", "15|6");

	begin();
	cr_assert(state_forget(b.db, 1008, 5, &b.why));
	commit();
	expect_row(&b, "SELECT count(*), min(seq) FROM applied", "13|8");

	begin();
	cr_assert(state_forget(b.db, 1100, 50, &b.why));
	commit();
	expect_row(&b, "SELECT count(*) FROM applied", "13");
}

Test(handlers_state, nodes_forget_nothing_of_a_journal_that_they_are_not_sent)
{
	begin();
	for (uint64_t seq = 1; seq <= 20; seq++)
		apply(seq, "x");
	commit();
	state_close(&b.db);
	b.db = state_open(&b.cfg, &b.why);
	begin();
	cr_assert_eq(event_begin(slice_of("fedcba9876543210"), 1), STATE_NEW);
	cr_assert(state_event_keep(b.db, &b.why));
	cr_assert(state_forget(b.db, 5000, 5, &b.why), "%s", b.why.text);
	commit();
	expect_row(&b, "SELECT count(*) FROM applied", *b.url ? "21" : "16");
}

Test(handlers_state, a_number_that_a_restored_journal_gives_out_again_is_another_event)
{
	const struct state_event_key old = {
		.journal = slice_of("0123456789abcdef"), .seq = 7, .mark = 1};
	const struct state_event_key other = {
		.journal = slice_of("0123456789abcdef"), .seq = 7, .mark = 2};

	cr_assert(state_begin(b.db, &b.why));
	cr_assert_eq(state_event_begin(b.db, &old, 1, &b.why), STATE_NEW);
	cr_assert(state_event_keep(b.db, &b.why));
	cr_assert_eq(state_event_begin(b.db, &old, 2, &b.why), STATE_APPLIED);
	cr_assert_eq(state_event_begin(b.db, &other, 3, &b.why), STATE_NEW);
	cr_assert(state_event_keep(b.db, &b.why));
	cr_assert_eq(state_event_begin(b.db, &other, 4, &b.why), STATE_APPLIED);
	cr_assert(state_commit(b.db, &b.why));
}

Test(handlers_state, a_restart_takes_back_all_and_keeps_the_turn)
{
	const struct state_event_key first = {.journal = journal, .seq = 1, .mark = 1},
				     second = {.journal = journal, .seq = 2, .mark = 1};

	begin();
	cr_assert_eq(state_event_enter(b.db, &first, 1001, &b.why), STATE_NEW);
	add_row("a");
	cr_assert_eq(state_event_enter(b.db, &second, 1002, &b.why), STATE_NEW);
	add_row("b");
	cr_assert(state_restart(b.db, &b.why), "%s", b.why.text);
	cr_assert_eq(state_event_enter(b.db, &second, 1002, &b.why), STATE_NEW);
	add_row("c");
	cr_expect_eq(state_event_enter(b.db, &second, 1002, &b.why), STATE_APPLIED);
	commit();
	expect_row(&b, ROWS, "c");
	expect_row(&b, APPLIED, "2");
}

static bool
note_number(void *arg, const struct state_value *row)
{
	char *text = arg;
	const size_t n = strlen(text);

	snprintf(text + n, 64 - n, "%lld ", (long long)row->number);
	return row->number != 7;
}

static void
note_fault(void *arg, const char *fault)
{
	*(bool *)arg = fault[0] != '\0';
}

Test(handlers_state, what_is_applied_of_a_journal_comes_in_its_order)
{
	char numbers[64] = "";
	bool fault = false;

	begin();
	apply(9, "i");
	apply(2, "b");
	apply(7, "g");
	commit();
	cr_expect(state_each_applied(b.db, journal, note_number, numbers, &b.why));
	cr_expect_str_eq(numbers, "2 7 ", "until it was told to stop");
	cr_expect(state_applied(b.db, journal, 9));
	cr_expect_not(state_applied(b.db, journal, 8));
	cr_expect_not(state_applied(b.db, slice_of("other"), 9));
	cr_expect(state_check(b.db, note_fault, &fault) && !fault);
}

#define SAME "0123456789abcdef0123456789abcdef"

static struct state_event_key
other_node(const char *of, uint64_t seq, const char *same, uint64_t received_ms, uint64_t window_ms)
{
	return (struct state_event_key){
		.journal = slice_of(of),
		.seq = seq,
		.mark = 1,
		.same = slice_of(same),
		.received_ms = received_ms,
		.window_ms = window_ms,
	};
}

static enum state_event
enter_as(struct state_event_key key)
{
	enum state_event entered;

	begin();
	entered = state_event_enter(b.db, &key, 1000, &b.why);
	commit();
	return entered;
}

/* What nodes do not share cannot know of another's events. */
static enum state_event
known(void)
{
	return *b.url ? STATE_KNOWN : STATE_NEW;
}

Test(handlers_state, what_another_node_has_applied_is_known_within_the_window_of_its_own_source)
{
	cr_expect_eq(enter_as(other_node("aaaaaaaaaaaaaaaa", 1, SAME, 50000, 1000)), STATE_NEW);
	cr_expect_eq(enter_as(other_node("bbbbbbbbbbbbbbbb", 7, SAME, 50999, 1000)), known());
	cr_expect_eq(enter_as(other_node("bbbbbbbbbbbbbbbb", 7, SAME, 50999, 1000)), STATE_APPLIED);
	cr_expect_eq(enter_as(other_node("cccccccccccccccc", 2, SAME, 40000, 1000)), known(),
		"it came first, and is applied second");
	cr_expect_eq(enter_as(other_node("bbbbbbbbbbbbbbbb", 8, SAME, 51000, 1000)), STATE_NEW,
		"its window is over");
	cr_expect_eq(enter_as(other_node("aaaaaaaaaaaaaaaa", 2, SAME, 51500, 1000)), known());
	cr_expect_eq(enter_as(other_node("aaaaaaaaaaaaaaaa", 3, "", 51500, 1000)), STATE_NEW,
		"nobody asks");
}

Test(handlers_state, each_event_of_a_group_has_the_window_of_its_own_source)
{
	const struct state_event_key keys[] = {
		other_node("bbbbbbbbbbbbbbbb", 1, SAME, 52000, 1000),
		other_node("bbbbbbbbbbbbbbbb", 2, "fedcba9876543210fedcba9876543210", 52000, 9000),
		other_node("bbbbbbbbbbbbbbbb", 2, "fedcba9876543210fedcba9876543210", 52000, 9000),
		other_node("bbbbbbbbbbbbbbbb", 3, "fedcba98765432100123456789abcdef", 52000, 9000),
	};
	enum state_event entered[4];

	enter_as(other_node("aaaaaaaaaaaaaaaa", 1, SAME, 50000, 1000));
	enter_as(
		other_node("aaaaaaaaaaaaaaaa", 2, "fedcba9876543210fedcba9876543210", 50000, 9000));
	begin();
	cr_assert(state_enter(b.db, keys, 4, 1000, entered, &b.why), "%s", b.why.text);
	commit();
	cr_expect_eq(entered[0], STATE_NEW);
	cr_expect_eq(entered[3], STATE_NEW);
	if (!*b.url)
		return;
	cr_expect_eq(entered[1] == STATE_APPLIED ? entered[2] : entered[1], STATE_FAILED,
		"its twin stands beside it: each apart tells");
	cr_expect_eq(enter_as(keys[1]), STATE_APPLIED);
}

Test(handlers_state, of_two_with_one_key_in_a_group_each_apart_tells_which_is_known)
{
	const struct state_event_key keys[] = {
		other_node("aaaaaaaaaaaaaaaa", 1, SAME, 50000, 1000),
		other_node("bbbbbbbbbbbbbbbb", 1, SAME, 50500, 1000),
		other_node("bbbbbbbbbbbbbbbb", 2, SAME, 60000, 1000),
	};
	enum state_event entered[3];

	begin();
	cr_assert(state_enter(b.db, keys, 3, 1000, entered, &b.why), "%s", b.why.text);
	cr_expect_eq(entered[0], STATE_NEW);
	cr_expect_eq(entered[1], *b.url ? STATE_FAILED : STATE_NEW);
	cr_assert(state_restart(b.db, &b.why));
	for (size_t i = 0; i < 3; i++) {
		entered[i] = state_event_begin(b.db, &keys[i], 1000, &b.why);
		if (entered[i] == STATE_NEW)
			cr_assert(state_event_keep(b.db, &b.why));
	}
	commit();
	cr_expect_eq(entered[0], STATE_NEW);
	cr_expect_eq(entered[1], known());
	cr_expect_eq(entered[2], STATE_NEW);
}

/* More than are remembered, so that some are forgotten within a group. */
Test(handlers_state, a_group_may_be_of_any_number_of_journals)
{
	enum { MANY = 150 };
	static char names[MANY][WIDTH_JOURNAL + 1];
	static struct state_event_key keys[MANY];
	enum state_event entered[MANY];

	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "%016zx", i);
		keys[i] = (struct state_event_key){
			.journal = slice_of(names[i]), .seq = 1 + i % 3, .mark = 1};
	}
	for (enum state_event is = STATE_NEW; is <= STATE_APPLIED; is++) {
		begin();
		state_expect(b.db, keys, MANY);
		cr_assert(state_enter(b.db, keys, MANY, 1000, entered, &b.why), "%s", b.why.text);
		for (size_t i = 0; i < MANY; i++)
			cr_expect_eq(entered[i], is, "%zu: %d", i, entered[i]);
		commit();
	}
}

/* As a handler does that has asked for it, and then finds the event itself to be at fault. */
Test(handlers_state, what_an_undone_event_had_asked_for_is_not_held_against_the_others)
{
	begin();
	cr_assert_eq(event_begin(journal, 1), STATE_NEW);
	state_run(b.db, SQL_SUPPRESSION_SET,
		STATE_VALUES(
			SV_TEXT(slice_of("a@example.com")), SV_NULL, SV_INT(1), SV_NULL, SV_NULL),
		&b.why);
	state_event_undo(b.db);
	cr_expect_eq(state_failure(b.db), STATE_NO_FAILURE);
	apply(2, "b");
	commit();
	expect_row(&b, ROWS, "b");
}
