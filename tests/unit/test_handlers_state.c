/* The state database: exactly once, one event taken back, one writer at a time, trouble survived.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/state_sqlite_private.h"
#include "scratch.h"
#include "test_handlers.h"

static struct bench b;
static const struct slice journal = {"0123456789abcdef", 16};

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

TestSuite(handlers_state, .init = open_bench, .fini = close_bench);

static void
begin(void)
{
	cr_assert(state_begin(b.db, &b.why), "%s", b.why.text);
}

static void
commit(void)
{
	cr_assert(state_commit(b.db, &b.why), "%s", b.why.text);
}

static enum state_event
event_begin(struct slice of, uint64_t seq)
{
	enum state_event e = state_event_begin(b.db,
		&(struct state_event_key){.journal = of, .seq = seq, .mark = 1}, 1000 + seq,
		&b.why);

	cr_assert_neq(e, STATE_FAILED, "%s", b.why.text);
	return e;
}

static void
add_row(const char *id)
{
	cr_assert(state_run(b.db, SQL_UNKNOWN_ADD,
			  STATE_VALUES(SV_TEXT(slice_of("t")), SV_INT(1), SV_TEXT(slice_of("s")),
				  SV_TEXT(slice_of(id)), SV_TEXT(slice_of("{}"))),
			  &b.why),
		"%s", b.why.text);
}

static void
apply(uint64_t seq, const char *id)
{
	cr_assert_eq(event_begin(journal, seq), STATE_NEW);
	add_row(id);
	cr_assert(state_event_keep(b.db, &b.why), "%s", b.why.text);
}

#define ROWS "SELECT group_concat(event_id) FROM (SELECT event_id FROM unknown_events ORDER BY id)"
#define APPLIED "SELECT group_concat(seq) FROM (SELECT seq FROM applied ORDER BY seq)"

Test(handlers_state, files_are_for_their_owner_only)
{
	static const char *const files[] = {
		"state.db", "state.db-wal", "state.db-shm", "state.lock"};
	char path[128];
	struct stat st;

	begin();
	apply(1, "a");
	commit();
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", b.folder, files[i]);
		cr_assert_eq(stat(path, &st), 0, "%s", path);
		cr_expect_eq(st.st_mode & 0777, 0600, "%s", path);
	}
}

Test(handlers_state, it_commits_to_a_log_that_is_flushed_each_time)
{
	expect_row(&b, "PRAGMA journal_mode", "wal");
	expect_row(&b, "PRAGMA user_version", "2");
	begin();
	apply(1, "a"); /* begins the log, which is a flush more */
	commit();
	for (uint64_t seq = 2; seq <= 4; seq++) {
		const unsigned before = scratch_flushes;

		begin();
		apply(seq, "a");
		commit();
		cr_expect_eq(scratch_flushes, before + 1);
	}
}

/* What stands in state.db itself, without its log. */
static const char *
row_without_log(const char *sql)
{
	static char text[64];
	char uri[160];
	sqlite3_stmt *stmt;
	sqlite3 *db;

	snprintf(uri, sizeof uri, "file:%s?immutable=1", b.path);
	cr_assert_eq(
		sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL), SQLITE_OK);
	text[0] = '\0';
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return text;
}

/* The second of two. */
static void
commit_unflushed(void)
{
	begin();
	apply(1, "a");
	commit();
	begin();
	apply(2, "b");
	scratch_flush_error = EIO;
	cr_assert_not(state_commit(b.db, &b.why));
	cr_expect(strstr(b.why.text, "cannot flush"), "%s", b.why.text);
}

Test(handlers_state, a_commit_that_could_not_be_flushed_is_written_again_before_anything_else)
{
	commit_unflushed();
	cr_expect_not(state_begin(b.db, &b.why), "while the disk fails nothing begins");
	cr_expect(strstr(b.why.text, "writing back"), "%s", b.why.text);
	cr_expect_not(state_begin(b.db, &b.why), "and the turn was given on");
	cr_expect_str_empty(row_without_log(APPLIED));

	scratch_flush_error = 0;
	begin();
	cr_expect_str_eq(row_without_log(APPLIED), "1,2", "not left to a flush that says yes now");
	cr_expect_eq(event_begin(journal, 2), STATE_APPLIED);
	commit();
}

Test(handlers_state, what_a_process_that_ended_could_not_flush_is_written_again_at_the_next_start)
{
	commit_unflushed();
	state_close(&b.db);
	cr_expect_str_empty(row_without_log(APPLIED));
	scratch_flush_error = 0;
	b.db = state_open(&b.cfg, &b.why);
	cr_assert_not_null(b.db, "%s", b.why.text);
	cr_expect_str_eq(row_without_log(APPLIED), "1,2");
}

/* One flush each, the commit's own: a checkpoint's would take the report of a failure from it. */
Test(handlers_state, a_long_log_is_written_back_before_the_next_transaction_and_not_within_a_commit)
{
	const size_t long_log = 33 << 20;
	char *big = malloc(long_log + 1);
	unsigned before;

	cr_assert_not_null(big);
	memset(big, 'x', long_log);
	big[long_log] = '\0';
	begin();
	apply(1, "a");
	commit();
	begin();
	apply(2, big);
	before = scratch_flushes;
	commit();
	cr_expect_eq(scratch_flushes, before + 1);
	cr_expect_str_empty(row_without_log(APPLIED));

	scratch_flush_error = EIO;
	cr_expect_not(state_begin(b.db, &b.why));
	scratch_flush_error = 0;
	begin();
	cr_expect_str_eq(row_without_log(APPLIED), "1,2");
	apply(3, "c");
	commit();
	before = scratch_flushes;
	begin();
	state_rollback(b.db);
	cr_expect_eq(scratch_flushes, before, "the log is short again");
	free(big);
}

Test(handlers_state, a_database_that_cannot_be_written_again_is_not_opened)
{
	commit_unflushed();
	state_close(&b.db);
	b.db = state_open(&b.cfg, &b.why);
	cr_expect_null(b.db);
	cr_expect(strstr(b.why.text, "writing back"), "%s", b.why.text);
	scratch_flush_error = 0;
	b.db = state_open(&b.cfg, &b.why);
	cr_assert_not_null(b.db, "%s", b.why.text);
}

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

Test(handlers_state, a_full_disk_fails_the_commit_and_all_of_it_works_again_with_space)
{
	const struct rlimit tight = {64 * 1024, RLIM_INFINITY};
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	static char big[256 * 1024];
	bool good;

	signal(SIGXFSZ, SIG_IGN);
	memset(big, 'x', sizeof big - 1);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
	begin();
	apply(1, "a");
	cr_assert_eq(event_begin(journal, 2), STATE_NEW);
	add_row(big);
	good = state_event_keep(b.db, &b.why) && !state_lost(b.db);
	cr_expect_not(good && state_commit(b.db, &b.why));
	state_rollback(b.db);
	cr_expect(strstr(b.why.text, "state database: "), "%s", b.why.text);

	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	expect_row(&b, "SELECT count(*) FROM applied", "0");
	begin();
	apply(1, "a");
	apply(2, big);
	commit();
	expect_row(&b, APPLIED, "1,2");
}

Test(handlers_state, a_statement_of_no_use_fails_with_the_cause)
{
	begin();
	cr_expect_not(state_run(b.db, OWN(JOURNAL_ADD), STATE_VALUES(SV_NULL), &b.why));
	cr_expect(strstr(b.why.text, "JOURNAL_ADD: NOT NULL constraint"), "%s", b.why.text);
	cr_expect_not(state_run(b.db, OWN(JOURNAL_ADD), NULL, 0, &b.why));
	cr_expect(strstr(b.why.text, "wrong number of values"), "%s", b.why.text);
	cr_expect_not(state_lost(b.db));
	apply(1, "a");
	commit();
}

Test(handlers_state, every_statement_prepares)
{
	begin();
	for (int i = 0; i < OWN_COUNT; i++) {
		static const struct state_value many[40];

		state_run(b.db, (enum statement)i, many, 40, &b.why);
		cr_expect(strstr(b.why.text, "wrong number of values"), "%s", b.why.text);
	}
	state_rollback(b.db);
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
		"610062|9223372036854775807|0");
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

/* What a shell would do to the file, while nobody has it open. */
static void
by_hand(const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(b.path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void
make_one_of_version_1(void)
{
	state_close(&b.db);
	by_hand("DROP TABLE consents; DROP INDEX liftings; PRAGMA user_version = 1;"
		"INSERT INTO suppressions VALUES('ann@example.com', 'unsubscribe', 100, NULL, 'e1'),"
		" ('bob@example.com', 'hard_bounce', 200, NULL, 'e2')");
}

Test(handlers_state, one_of_version_1_is_taken_over_with_its_opt_outs)
{
	make_one_of_version_1();
	b.db = state_open(&b.cfg, &b.why);
	cr_assert(b.db, "%s", b.why.text);
	expect_row(&b, "SELECT group_concat(email || list || wanted || at) FROM consents",
		"ann@example.com0100");
	expect_row(&b, "PRAGMA user_version", "2");
}

Test(handlers_state, several_take_over_one_of_version_1_at_once)
{
	make_one_of_version_1();
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			_exit(state_open(&b.cfg, &b.why) ? 0 : 1);
	for (int i = 0, status; i < 4; i++) {
		cr_assert_gt(wait(&status), 0);
		cr_expect_eq(status, 0);
	}
	expect_row(&b, "SELECT count(*), (SELECT count(*) FROM suppressions) FROM consents", "1|2");
}

Test(handlers_state, a_takeover_that_fails_half_way_leaves_the_version_before)
{
	make_one_of_version_1();
	by_hand("CREATE TABLE liftings(a)");
	cr_expect_null(state_open(&b.cfg, &b.why));
	expect_row(&b, "PRAGMA user_version", "1");
	expect_row(&b, "SELECT count(*) FROM sqlite_schema WHERE name = 'consents'", "0");
	by_hand("DROP TABLE liftings");
	b.db = state_open(&b.cfg, &b.why);
	cr_assert(b.db, "%s", b.why.text);
	expect_row(&b, "SELECT count(*) FROM consents", "1");
}

Test(handlers_state, the_last_lifting_is_found_without_reading_the_compliance_log)
{
	expect_row(&b,
		"EXPLAIN QUERY PLAN SELECT what, at FROM compliance_log WHERE email = 'a'"
		" AND what IN ('lifted', 'operator_lifted') ORDER BY id DESC LIMIT 1",
		"5|0|0|SEARCH compliance_log USING INDEX liftings (email=?)");
}

Test(handlers_state, a_database_of_a_newer_version_is_refused_and_left_alone)
{
	sqlite3 *db;

	state_close(&b.db);
	cr_assert_eq(sqlite3_open(b.path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cr_expect_null(state_open(&b.cfg, &b.why));
	cr_expect_str_eq(b.why.text, "state database: has version 99; this program knows 2");
}

Test(handlers_state, a_folder_that_is_not_there_is_an_error_that_names_it)
{
	cr_expect_null(
		state_open(&(struct config){.data_dir = (char[]){"/nonexistent/folder"}}, &b.why));
	cr_expect(strstr(b.why.text, "/nonexistent/folder/state.lock"), "%s", b.why.text);
}

Test(handlers_state, a_file_that_is_no_database_is_an_error)
{
	FILE *f;

	state_close(&b.db);
	cr_assert(f = fopen(b.path, "w"));
	for (int i = 0; i < 500; i++)
		fputs("this is no database ", f);
	fclose(f);
	cr_expect_null(state_open(&b.cfg, &b.why));
	cr_expect(strstr(b.why.text, "not a database"), "%s", b.why.text);
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

Test(handlers_state, who_looks_at_a_file_that_is_being_made_sees_none)
{
	struct error why = {""};
	struct scratch s;
	bool exists = true;

	scratch_open(&s, NULL);
	close(open(scratch_path(&s, "state.db"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_expect_null(state_watch(s.cfg, &exists, &why));
	cr_expect_not(exists);
	cr_expect(strstr(why.text, "is being made"), "%s", why.text);
	scratch_close(&s);
}
