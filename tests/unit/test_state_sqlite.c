/* state.db: its files, its log and its flushes, disks that fail, versions, statements of SQLite's own. What
 * holds for any engine is in test_handlers_state.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/state_sqlite_private.h"
#include "scratch.h"
#include "test_state.h"

TestSuite(state_sqlite, .init = open_bench, .fini = close_bench);

Test(state_sqlite, files_are_for_their_owner_only)
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

Test(state_sqlite, it_commits_to_a_log_that_is_flushed_each_time)
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

Test(state_sqlite, a_commit_that_could_not_be_flushed_is_written_again_before_anything_else)
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

Test(state_sqlite, what_a_process_that_ended_could_not_flush_is_written_again_at_the_next_start)
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
Test(state_sqlite, a_long_log_is_written_back_before_the_next_transaction_and_not_within_a_commit)
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

Test(state_sqlite, a_database_that_cannot_be_written_again_is_not_opened)
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

Test(state_sqlite, a_full_disk_fails_the_commit_and_all_of_it_works_again_with_space)
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

Test(state_sqlite, a_statement_of_no_use_fails_with_the_cause)
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

Test(state_sqlite, every_statement_prepares)
{
	begin();
	for (int i = 0; i < OWN_COUNT; i++) {
		static const struct state_value many[40];

		state_run(b.db, (enum statement)i, many, 40, &b.why);
		cr_expect(strstr(b.why.text, "wrong number of values"), "%s", b.why.text);
	}
	state_rollback(b.db);
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

Test(state_sqlite, one_of_version_1_is_taken_over_with_its_opt_outs)
{
	make_one_of_version_1();
	b.db = state_open(&b.cfg, &b.why);
	cr_assert(b.db, "%s", b.why.text);
	expect_row(&b, "SELECT group_concat(email || list || wanted || at) FROM consents",
		"ann@example.com0100");
	expect_row(&b, "PRAGMA user_version", "2");
}

Test(state_sqlite, several_take_over_one_of_version_1_at_once)
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

Test(state_sqlite, a_takeover_that_fails_half_way_leaves_the_version_before)
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

Test(state_sqlite, the_last_lifting_is_found_without_reading_the_compliance_log)
{
	expect_row(&b,
		"EXPLAIN QUERY PLAN SELECT what, at FROM compliance_log WHERE email = 'a'"
		" AND what IN ('lifted', 'operator_lifted') ORDER BY id DESC LIMIT 1",
		"5|0|0|SEARCH compliance_log USING INDEX liftings (email=?)");
}

Test(state_sqlite, a_database_of_a_newer_version_is_refused_and_left_alone)
{
	sqlite3 *db;

	state_close(&b.db);
	cr_assert_eq(sqlite3_open(b.path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	cr_expect_null(state_open(&b.cfg, &b.why));
	cr_expect_str_eq(b.why.text, "state database: has version 99; this program knows 2");
}

Test(state_sqlite, a_folder_that_is_not_there_is_an_error_that_names_it)
{
	cr_expect_null(
		state_open(&(struct config){.data_dir = (char[]){"/nonexistent/folder"}}, &b.why));
	cr_expect(strstr(b.why.text, "/nonexistent/folder/state.lock"), "%s", b.why.text);
}

Test(state_sqlite, a_file_that_is_no_database_is_an_error)
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

Test(state_sqlite, who_looks_at_a_file_that_is_being_made_sees_none)
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
