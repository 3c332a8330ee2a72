/* The files of the state database under whatever happens to them beside it: a log that is removed, a
 * checkpoint of another program that ends half way, a power cut. */
#include <fcntl.h>
#include <signal.h>
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

TestSuite(state_guard, .init = open_bench, .fini = close_bench, .timeout = 60);

static const char *
path_of(const char *suffix)
{
	static char path[160];

	snprintf(path, sizeof path, "%s%s", b.path, suffix);
	return path;
}

static void
apply(struct state *db, uint64_t seq)
{
	struct error why = {""};

	cr_assert(state_begin(db, &why), "%s", why.text);
	cr_assert_eq(state_event_enter(db,
			     &(struct state_event_key){.journal = journal, .seq = seq, .mark = 1},
			     seq, &why),
		STATE_NEW);
	cr_assert(state_commit(db, &why), "%s", why.text);
}

/* Another process, and the two ends of what joins it to this one: it waits for a byte, then says one. */
struct other {
	pid_t pid;
	int to[2], from[2];
};

static void
wait_for(int fd)
{
	char byte;

	cr_assert_eq(read(fd, &byte, 1), 1);
}

static void
say(int fd)
{
	cr_assert_eq(write(fd, "", 1), 1);
}

static void
start_other(struct other *o, void (*work)(struct other *o))
{
	cr_assert(pipe(o->to) == 0 && pipe(o->from) == 0);
	o->pid = fork();
	cr_assert_geq(o->pid, 0);
	if (o->pid > 0)
		return;
	work(o);
	_exit(0);
}

static void
end_other(struct other *o)
{
	int status;

	cr_assert_eq(waitpid(o->pid, &status, 0), o->pid);
	for (int i = 0; i < 2; i++) {
		close(o->to[i]);
		close(o->from[i]);
	}
}

/* Applies an event; looks when it is told to; ends without closing anything. */
static void
hold(struct other *o)
{
	struct error why = {""};
	struct state *db = state_open(&b.cfg, &why);

	if (!db)
		_exit(1);
	apply(db, 1);
	say(o->from[1]);
	wait_for(o->to[0]);
	if (!state_look(db, &why))
		_exit(1);
	say(o->from[1]);
	wait_for(o->to[0]);
}

static void
leave_it_to(struct other *o)
{
	state_close(&b.db);
	start_other(o, hold);
	wait_for(o->from[0]);
	cr_assert_eq(unlink(path_of("-wal")), 0);
	b.db = state_start(&b.cfg, &b.why);
	cr_assert_not_null(b.db, "%s", b.why.text);
	cr_expect_not(state_is_open(b.db));
	cr_expect_eq(state_cause(b.db), CAUSE_REMOVED);
}

Test(state_guard, who_comes_later_waits_until_the_others_have_saved_what_only_they_hold)
{
	struct other o;

	leave_it_to(&o);
	cr_expect_not(state_begin(b.db, &b.why), "not at the second try either");
	say(o.to[1]);
	wait_for(o.from[0]);
	apply(b.db, 2);
	cr_expect(state_applied(b.db, journal, 1));
	cr_expect_eq(state_lost_ms(b.db), 0);
	say(o.to[1]);
	end_other(&o);
}

Test(state_guard, who_waits_for_others_waits_for_none_that_waits_too)
{
	struct state *second;
	struct other o;

	leave_it_to(&o);
	second = state_start(&b.cfg, &b.why);
	cr_assert_not_null(second);
	cr_expect_not(state_is_open(second));
	kill(o.pid, SIGKILL);
	end_other(&o);
	apply(b.db, 2);
	state_close(&second);
}

Test(state_guard, a_log_that_went_while_nobody_held_it_is_told_of_as_lost)
{
	struct other o;

	state_close(&b.db);
	start_other(&o, hold);
	wait_for(o.from[0]);
	kill(o.pid, SIGKILL);
	end_other(&o);
	cr_assert_eq(unlink(path_of("-wal")), 0);
	b.db = state_open(&b.cfg, &b.why);
	cr_assert_not_null(b.db, "%s", b.why.text);
	cr_expect_not(state_applied(b.db, journal, 1));
	cr_expect_neq(state_lost_ms(b.db), 0);
}

static int
die(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return raise(SIGKILL);
}

/* An operator's shell that is killed when it has written the pages back, and is about to flush them. */
static void
check_half(struct other *o)
{
	static sqlite3_io_methods methods;
	sqlite3_file *file;
	sqlite3 *db;

	wait_for(o->to[0]);
	if (sqlite3_open(b.path, &db) != SQLITE_OK ||
		sqlite3_exec(db, "SELECT * FROM applied", NULL, NULL, NULL) != SQLITE_OK ||
		sqlite3_file_control(db, NULL, SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK)
		_exit(1);
	methods = *file->pMethods;
	methods.xSync = die;
	file->pMethods = &methods;
	sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

Test(state_guard, a_checkpoint_that_another_program_does_not_end_is_no_other_database)
{
	struct stat before, after;
	struct other o;

	state_close(&b.db);
	start_other(&o, check_half);
	b.db = state_open(&b.cfg, &b.why);
	apply(b.db, 1);
	cr_assert_eq(stat(b.path, &before), 0);
	say(o.to[1]);
	end_other(&o);
	cr_assert_eq(stat(b.path, &after), 0);
	cr_assert(before.st_mtim.tv_nsec != after.st_mtim.tv_nsec, "it has written");
	for (uint64_t seq = 2; seq < 5; seq++) {
		cr_expect(state_look(b.db, &b.why), "%s", b.why.text);
		apply(b.db, seq);
		scratch_skip_ms(2000);
	}
	cr_expect(state_applied(b.db, journal, 1));
	cr_expect_neq(access(path_of("-wal.replaced"), F_OK), 0);
	unlink(path_of("-wal.replaced"));
}

static struct stat whole; /* state.db before it is written */
static unsigned marked;

/* What a power cut from then on finds. */
static void
on_flush(int fd)
{
	char path[160];
	struct stat lock, st;
	struct mark mark;

	snprintf(path, sizeof path, "%s/state.lock", b.folder);
	cr_assert(fstat(fd, &st) == 0 && stat(path, &lock) == 0);
	if (st.st_ino != lock.st_ino)
		return;
	marked++;
	cr_expect_eq(pread(fd, &mark, sizeof mark, 0), (ssize_t)sizeof mark);
	cr_expect(mark.writing);
	cr_assert_eq(stat(b.path, &st), 0);
	cr_expect_eq(st.st_mtim.tv_nsec, whole.st_mtim.tv_nsec);
}

Test(state_guard, a_power_cut_finds_that_the_database_is_being_written_before_any_of_it_is)
{
	struct stat after;

	apply(b.db, 1);
	cr_assert_eq(stat(b.path, &whole), 0);
	scratch_on_flush = on_flush;
	cr_assert(state_checkpoint(b.db->db, SQLITE_CHECKPOINT_PASSIVE, &b.why), "%s", b.why.text);
	scratch_on_flush = NULL;
	cr_expect_eq(marked, 1);
	cr_assert_eq(stat(b.path, &after), 0);
	cr_assert(whole.st_mtim.tv_nsec != after.st_mtim.tv_nsec, "it has written");
}
