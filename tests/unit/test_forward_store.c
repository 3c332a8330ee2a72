/* What destinations have had and are owed: each function, a kill in a transaction, two processes, a full disk, many rows. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "disk.h"
#include "lib/store/forward.h"
#include "lib/store/forward_private.h"
#include "scratch.h"

static struct scratch s;
static struct forward *f;

static struct forward *
opened(enum forward_use use)
{
	bool exists;
	struct forward *it = forward_open(s.cfg->data_dir, use, &exists, &s.why);

	cr_assert(it, "%s", s.why.text);
	return it;
}

static void
open_one(void)
{
	scratch_open(&s, "");
	f = opened(FORWARD_DELIVER);
}

static void
done(void)
{
	forward_close(&f);
	scratch_close(&s);
}

static void
again(void)
{
	forward_close(&f);
	f = opened(FORWARD_DELIVER);
}

static void
begin(void)
{
	cr_assert(forward_begin(f, &s.why), "%s", s.why.text);
}

static void
commit(void)
{
	cr_assert_eq(forward_commit(f, &s.why), STORE_OK, "%s", s.why.text);
}

static struct forward_destination
destination(const char *name, uint64_t next)
{
	struct forward_destination d = {.next = next, .since_ms = 5, .state = FORWARD_UP};

	snprintf(d.name, sizeof d.name, "%s", name);
	return d;
}

static void
put(const char *name, uint64_t next)
{
	const struct forward_destination d = destination(name, next);

	cr_assert(forward_put(f, &d, false, &s.why), "%s", s.why.text);
}

static struct forward_destination
find(const char *name)
{
	struct forward_destination d;
	bool found;

	cr_assert(forward_find(f, name, &d, &found, &s.why), "%s", s.why.text);
	cr_assert(found, "%s", name);
	return d;
}

static void
owe(const char *name, uint64_t first, uint64_t due_ms)
{
	const struct forward_owed owed = {.first = first, .last = first, .due_ms = due_ms};

	cr_assert(forward_owe(f, name, &owed, &s.why), "%s", s.why.text);
}

static struct forward_owing
owing(const char *name)
{
	struct forward_owing o;

	cr_assert(forward_owing(f, name, &o, &s.why), "%s", s.why.text);
	return o;
}

struct list {
	uint64_t number[64];
	size_t n;
	char last[256];
};

static void
note(struct list *list, uint64_t number, struct slice text)
{
	if (list->n < 64)
		list->number[list->n++] = number;
	snprintf(list->last, sizeof list->last, "%.*s", SLICE_ARG(text));
}

static bool
note_owed(void *arg, const struct forward_owed *owed)
{
	char text[64];

	snprintf(text, sizeof text, "%.*s %.*s", SLICE_ARG(owed->type), SLICE_ARG(owed->body));
	note(arg, owed->first, slice_of(text));
	return true;
}

static bool
note_letter(void *arg, const struct forward_letter *letter)
{
	note(arg, letter->number, letter->body);
	return true;
}

static bool
note_attempt(void *arg, const struct forward_attempt *attempt)
{
	note(arg, attempt->number, attempt->cause);
	return true;
}

static bool
note_ask(void *arg, const char *name, uint64_t ask, uint64_t pos)
{
	(void)ask;
	note(arg, pos, slice_of(name));
	return true;
}

static bool
note_destination(void *arg, const struct forward_destination *d)
{
	note(arg, d->next, slice_of(d->name));
	return true;
}

static struct list
due(const char *name, uint64_t now_ms, size_t most)
{
	struct list list = {.n = 0};

	cr_assert(forward_due(f, name, now_ms, most, note_owed, &list, &s.why), "%s", s.why.text);
	return list;
}

static struct list
letters(const char *name, uint64_t below, size_t most)
{
	struct list list = {.n = 0};

	cr_assert(forward_letters(f, name, below, most, note_letter, &list, &s.why));
	return list;
}

static struct list
attempts(const char *name, struct slice id, uint64_t below, size_t most)
{
	struct list list = {.n = 0};

	cr_assert(forward_attempts(f, name, id, below, most, note_attempt, &list, &s.why));
	return list;
}

static void
bury(const char *name, uint64_t pos, const char *id)
{
	const struct forward_letter letter = {.pos = pos,
		.status = 400,
		.failed_ms = 7,
		.id = slice_of(id),
		.type = slice_of("email_bounced"),
		.reason = slice_of("400"),
		.body = slice_of("{\"a\":1}")};

	cr_assert(forward_bury(f, name, &letter, &s.why), "%s", s.why.text);
}

static void
print_fault(void *arg, const char *fault)
{
	struct list *list = arg;

	note(list, 0, slice_of(fault));
}

static struct list
check(bool sound)
{
	struct list list = {.n = 0};

	cr_assert_eq(forward_check(f, print_fault, &list, &s.why), sound, "%s", list.last);
	return list;
}

/* ---- opening ---- */

Test(forward_store, there_is_none_until_the_stage_makes_it, .fini = done)
{
	bool exists = true;
	struct stat st;

	scratch_open(&s, "");
	cr_assert_null(forward_open(s.cfg->data_dir, FORWARD_LOOK, &exists, &s.why));
	cr_assert(!exists);
	exists = true;
	cr_assert_null(forward_open(s.cfg->data_dir, FORWARD_CHANGE, &exists, &s.why));
	cr_assert(!exists);
	f = opened(FORWARD_DELIVER);
	cr_assert_eq(stat(scratch_path(&s, "forward.db"), &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	check(true);
}

Test(forward_store, one_process_delivers_and_others_look_and_change, .init = open_one, .fini = done)
{
	struct forward *other;
	bool exists;

	cr_assert_null(forward_open(s.cfg->data_dir, FORWARD_DELIVER, &exists, &s.why));
	cr_assert(strstr(s.why.text, "another process delivers"), "%s", s.why.text);
	other = opened(FORWARD_CHANGE);
	forward_close(&other);
	other = opened(FORWARD_LOOK);
	cr_assert(!forward_begin(other, &s.why));
	forward_close(&other);
	again();
}

static void
exec(const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(scratch_path(&s, "forward.db"), &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(forward_store, one_of_a_newer_version_is_refused_in_words, .init = open_one, .fini = done)
{
	bool exists;

	forward_close(&f);
	exec("PRAGMA user_version = 99");
	for (int use = FORWARD_DELIVER; use <= FORWARD_LOOK; use++) {
		cr_assert_null(forward_open(s.cfg->data_dir, use, &exists, &s.why));
		cr_assert(exists);
		cr_assert(strstr(s.why.text, "version 99"), "%s", s.why.text);
	}
}

Test(forward_store, it_is_noticed_that_it_was_removed_or_replaced, .init = open_one, .fini = done)
{
	char to[256];

	cr_assert(!forward_is_replaced(f));
	snprintf(to, sizeof to, "%s", scratch_path(&s, "other"));
	cr_assert_eq(rename(scratch_path(&s, "forward.db"), to), 0);
	cr_assert(forward_is_replaced(f));
}

/* ---- destinations ---- */

Test(forward_store, the_stage_and_an_operator_write_fields_of_their_own, .init = open_one,
	.fini = done)
{
	struct forward_destination d = destination("app", 10);
	struct list list = {.n = 0};
	bool found;

	cr_assert(forward_put(f, &d, false, &s.why));
	put("crm", 3);
	cr_assert(forward_pause(f, "app", true, &found, &s.why) && found);
	cr_assert(forward_enable(f, "app", &found, &s.why) && found);
	cr_assert(forward_skip(f, "app", 700, &found, &s.why) && found);
	cr_assert(forward_pause(f, "nobody", true, &found, &s.why) && !found);
	d.next = 20, d.delivered = 9, d.state = FORWARD_DOWN, d.status = 503, d.enable = 1;
	snprintf(d.cause, sizeof d.cause, "connection refused");
	cr_assert(forward_put(f, &d, true, &s.why));
	again();
	d = find("app");
	cr_assert(d.paused && d.enable == 1 && d.skip_to == 700);
	cr_assert(d.next == 20 && d.delivered == 9 && d.state == FORWARD_DOWN && d.status == 503);
	cr_assert_str_eq(d.cause, "connection refused");
	cr_assert(forward_put(f, &d, true, &s.why));
	cr_assert_eq(find("app").skip_to, 0);
	cr_assert(forward_destinations(f, note_destination, &list, &s.why));
	cr_assert(list.n == 2 && list.number[0] == 20 && list.number[1] == 3);
}

Test(forward_store, one_that_is_forgotten_goes_with_all_that_is_of_it, .init = open_one,
	.fini = done)
{
	struct forward_job job = {.name = "app", .next = 1, .end = 9};
	struct forward_destination d;
	bool found;

	put("app", 10);
	put("crm", 10);
	owe("app", 1, 0);
	owe("crm", 2, 0);
	bury("app", 3, "evt_a_3");
	cr_assert(forward_job_make(f, &job, &s.why));
	cr_assert(forward_forget(f, "app", &s.why), "%s", s.why.text);
	cr_assert(forward_find(f, "app", &d, &found, &s.why) && !found);
	check(true);
	put("app", 1);
	cr_assert_eq(owing("app").count, 0);
	cr_assert_eq(owing("crm").count, 1);
	cr_assert(forward_forget(f, "nobody", &s.why));
}

/* ---- what is owed ---- */

Test(forward_store, what_is_due_comes_in_the_order_of_its_numbers, .init = open_one, .fini = done)
{
	struct list list;

	put("app", 100);
	owe("app", 30, 500);
	owe("app", 10, 1000);
	owe("app", 20, 0);
	cr_assert(forward_owe(f, "app",
		&(struct forward_owed){.first = 5,
			.last = 5,
			.behind = true,
			.due_ms = 600000,
			.lane = UINT64_MAX},
		&s.why));
	list = due("app", 0, 10);
	cr_assert(list.n == 1 && list.number[0] == 20);
	list = due("app", 2000, 10);
	cr_assert(list.n == 3 && list.number[0] == 10 && list.number[2] == 30);
	list = due("app", 2000, 2);
	cr_assert(list.n == 2 && list.number[1] == 20);
	cr_assert(owing("app").count == 4 && owing("app").least == 5 && owing("app").due_ms == 500);
	owe("app", 30, 9000);
	cr_assert_eq(owing("app").count, 4);
	cr_assert_eq(owing("app").due_ms, 1000);
	cr_assert(forward_settle(f, "app", 0, 5, 5, &s.why));
	cr_assert(forward_settle(f, "app", 0, 5, 5, &s.why));
	cr_assert(owing("app").count == 3 && owing("app").least == 10);
	check(true);
}

static void
owe_in_lane(uint64_t number, uint64_t lane, bool behind)
{
	cr_assert(forward_owe(f, "app",
		&(struct forward_owed){.first = number,
			.last = number,
			.lane = lane,
			.behind = behind,
			.began_ms = behind ? 0 : 77,
			.due_ms = behind ? 600000 : 900000},
		&s.why));
}

static bool
take_first(void *arg, const struct forward_owed *owed)
{
	*(uint64_t *)arg = owed->first;
	return false;
}

Test(forward_store, one_goes_behind_another_of_its_lane_until_that_has_ended, .init = open_one,
	.fini = done)
{
	struct forward_lane lane;
	uint64_t first = 0;

	put("app", 100);
	owe_in_lane(10, UINT64_MAX, false);
	owe_in_lane(11, UINT64_MAX, true);
	owe_in_lane(12, UINT64_MAX, true);
	owe_in_lane(20, 3, true); /* a kill has left it: nobody is before it */
	cr_assert(forward_lane(f, "app", UINT64_MAX, &lane, &s.why));
	cr_assert(lane.first == 10 && lane.began_ms == 77);
	cr_assert(forward_lane(f, "app", 4, &lane, &s.why) && lane.first == 0);
	cr_assert(forward_lane_next(f, "app", UINT64_MAX, take_first, &first, &s.why));
	cr_assert_eq(first, 11);
	cr_assert_eq(due("app", 1, 10).n, 0);
	cr_assert(forward_lanes_free(f, "app", &s.why));
	cr_assert(due("app", 1, 10).n == 1 && due("app", 1, 10).number[0] == 20);
	cr_assert_eq(due("app", 600000, 10).n, 3);
	check(true);
}

Test(forward_store, a_clock_that_jumps_moves_what_is_due_with_it, .init = open_one, .fini = done)
{
	put("app", 100);
	owe("app", 10, 5000);
	owe("app", 11, 0);
	cr_assert(forward_shift(f, "app", 3600000, &s.why));
	cr_assert(due("app", 3604999, 10).n == 1 && due("app", 3605000, 10).n == 2);
	cr_assert(forward_shift(f, "app", -7200000, &s.why));
	cr_assert_eq(due("app", 1, 10).n, 2);
}

Test(forward_store, who_is_gone_is_probed_once_he_is_enabled_also_while_nobody_delivers,
	.init = open_one, .fini = done)
{
	struct forward_destination d = {.name = "app", .next = 1, .state = FORWARD_GONE};
	bool found;

	begin();
	cr_assert(forward_put(f, &d, false, &s.why));
	commit();
	cr_assert(forward_enable(f, "app", &found, &s.why) && found);
	cr_assert(find("app").enable == 1 && find("app").state == FORWARD_DOWN);
	begin();
	d.state = FORWARD_SLOW;
	d.enable = 1;
	cr_assert(forward_put(f, &d, false, &s.why));
	commit();
	cr_assert(forward_enable(f, "app", &found, &s.why));
	cr_assert_eq(find("app").state, FORWARD_SLOW);
}

Test(forward_store, an_enable_that_the_stage_has_not_seen_is_not_written_over, .init = open_one,
	.fini = done)
{
	struct forward_destination d = {.name = "app", .next = 1, .state = FORWARD_GONE};
	bool found;

	begin();
	cr_assert(forward_put(f, &d, false, &s.why));
	commit();
	cr_assert(forward_enable(f, "app", &found, &s.why));
	begin();
	d.next = 2;
	cr_assert(forward_put(f, &d, false, &s.why));
	commit();
	cr_assert(find("app").next == 2 && find("app").state == FORWARD_DOWN);
	begin();
	d.enable = 1;
	cr_assert(forward_put(f, &d, false, &s.why));
	commit();
	cr_assert_eq(find("app").state, FORWARD_GONE);
}

Test(forward_store, of_a_replay_the_same_event_is_owed_beside_itself, .init = open_one,
	.fini = done)
{
	put("app", 100);
	owe("app", 7, 0);
	cr_assert(forward_owe(
		f, "app", &(struct forward_owed){.job = 3, .first = 7, .last = 7}, &s.why));
	cr_assert_eq(due("app", 1, 10).n, 2);
	cr_assert(forward_settle(f, "app", 3, 7, 7, &s.why));
	cr_assert_eq(due("app", 1, 10).n, 1);
}

Test(forward_store, nothing_is_written_for_a_destination_that_is_not_there, .init = open_one,
	.fini = done)
{
	const struct forward_owed owed = {.first = 1, .last = 1};

	cr_assert(!forward_owe(f, "ap", &owed, &s.why));
	cr_assert_str_eq(s.why.text, "forward.db: knows no destination \"ap\"");
}

/* ---- letters ---- */

Test(forward_store, letters_are_read_by_number_and_by_id_and_sent_again_or_dropped,
	.init = open_one, .fini = done)
{
	struct list list = {.n = 0};
	uint64_t n;
	bool found;

	put("app", 100);
	put("crm", 100);
	for (uint64_t i = 1; i <= 4; i++) {
		char id[32];

		snprintf(id, sizeof id, "evt_a_%llu", (unsigned long long)i);
		bury("app", i, id);
	}
	bury("crm", 1, "evt_a_1");
	list = letters("app", 0, 10);
	cr_assert(list.n == 4 && list.number[0] == 4);
	list = letters("app", 3, 1);
	cr_assert(list.n == 1 && list.number[0] == 2);
	list.n = 0;
	cr_assert(
		forward_letter(f, "app", slice_of("evt_a_3"), note_letter, &list, &found, &s.why));
	cr_assert(found && list.number[0] == 3);
	cr_assert(forward_letter(f, "app", slice_of("5"), note_letter, &list, &found, &s.why));
	cr_assert(!found, "it is of another destination");
	cr_assert_eq(owing("app").letters, 4);
	cr_assert(forward_letters_replay(f, "app", 2, &n, &s.why) && n == 1);
	list = due("app", 1, 10);
	cr_assert(list.n == 1 && list.number[0] == 2);
	cr_assert_str_eq(list.last, "email_bounced {\"a\":1}");
	cr_assert_eq(owing("app").least, 0, "the history may let it go");
	cr_assert(forward_letters_drop(f, "app", 1, &n, &s.why) && n == 1);
	cr_assert(forward_letters_drop(f, "app", 77, &n, &s.why) && n == 0);
	cr_assert(forward_letters_replay(f, "app", 0, &n, &s.why) && n == 2);
	cr_assert(owing("app").letters == 0 && owing("app").count == 3);
	cr_assert_eq(owing("crm").letters, 1);
	check(true);
}

Test(forward_store, a_letter_whose_event_is_on_its_way_under_another_id_stays, .init = open_one,
	.fini = done)
{
	uint64_t n;

	put("app", 100);
	bury("app", 7, "evt_a_7");
	bury("app", 7, "evt_new_1");
	cr_assert(forward_letters_replay(f, "app", 0, &n, &s.why) && n == 1);
	cr_assert(owing("app").letters == 1 && owing("app").count == 1);
}

Test(forward_store, many_letters_are_sent_again_in_several_transactions, .init = open_one,
	.fini = done)
{
	uint64_t n;

	put("app", 10000);
	begin();
	for (uint64_t i = 1; i <= 1500; i++)
		bury("app", i, NULL);
	commit();
	cr_assert(forward_letters_replay(f, "app", 0, &n, &s.why), "%s", s.why.text);
	cr_assert_eq(n, 1500);
	cr_assert_eq(owing("app").count, 1500);
	check(true);
}

/* ---- attempts, tests, replays ---- */

static void
attempted(const char *name, const char *id, uint64_t at_ms)
{
	const struct forward_attempt a = {.at_ms = at_ms,
		.took_us = 12,
		.try = 1,
		.id = slice_of(id),
		.cause = slice_of("time-out")};

	cr_assert(forward_attempted(f, name, &a, &s.why), "%s", s.why.text);
}

Test(forward_store, attempts_are_kept_by_count_and_by_age, .init = open_one, .fini = done)
{
	const uint64_t week_ms = 7 * 86400000ULL;

	put("app", 1);
	put("crm", 1);
	begin();
	for (int i = 0; i < 11200; i++)
		attempted("app", i % 100 ? "evt_a_1" : "evt_a_2", 1000);
	attempted("crm", "evt_a_1", 1000);
	commit();
	cr_assert_eq(attempts("app", (struct slice){0}, 0, 3).n, 3);
	cr_assert_eq(attempts("app", slice_of("evt_a_2"), 0, 64).n, 64);
	cr_assert_str_eq(attempts("crm", slice_of("evt_a_1"), 0, 9).last, "time-out");
	while (forward_tidy(f, "app", 1001, &s.why))
		;
	cr_assert_eq(sql_number(f->db, "SELECT count(*) FROM attempt WHERE dest = 1"), 10000);
	cr_assert(!forward_tidy(f, "crm", week_ms + 1000, &s.why));
	cr_assert_eq(attempts("crm", (struct slice){0}, 0, 9).n, 1);
	cr_assert(!forward_tidy(f, "crm", week_ms + 1001, &s.why));
	cr_assert_eq(attempts("crm", (struct slice){0}, 0, 9).n, 0);
	while (forward_tidy(f, "app", week_ms + 1001, &s.why))
		;
	check(true);
}

Test(forward_store, a_test_waits_until_it_is_answered, .init = open_one, .fini = done)
{
	struct list list = {.n = 0};
	uint64_t ask;

	put("app", 1);
	cr_assert(!forward_ask(f, "ap", 0, &ask, &s.why));
	cr_assert(forward_ask(f, "app", 42, &ask, &s.why) && ask);
	cr_assert(forward_asks(f, note_ask, &list, &s.why));
	cr_assert(list.n == 1 && list.number[0] == 42);
	cr_assert_str_eq(list.last, "app");
	cr_assert(forward_answered(f, ask, &s.why));
	list.n = 0;
	cr_assert(forward_asks(f, note_ask, &list, &s.why) && list.n == 0);
}

static struct forward_job job_found;

static bool
take_job(void *arg, const struct forward_job *job)
{
	++*(size_t *)arg;
	job_found = *job;
	return false;
}

static struct forward_job
job_now(const char *name)
{
	size_t n = 0;

	cr_assert(forward_jobs(f, name, take_job, &n, &s.why) && n == 1, "%s", s.why.text);
	return job_found;
}

Test(forward_store, a_replay_is_paused_gone_on_with_and_stopped, .init = open_one, .fini = done)
{
	struct forward_job job = {.name = "app",
		.next = 1,
		.end = 100,
		.rate = 50,
		.email = slice_of("jo@example.com")};
	bool found;

	put("app", 200);
	cr_assert(forward_job_make(f, &job, &s.why) && job.id == 1 && job.made_ms);
	cr_assert(forward_owe(
		f, "app", &(struct forward_owed){.job = 1, .first = 4, .last = 4}, &s.why));
	job.next = 50, job.sent = 49;
	cr_assert(forward_job_state(f, 1, FORWARD_JOB_PAUSED, &found, &s.why) && found);
	cr_assert(forward_job_put(f, &job, &s.why));
	cr_assert(job_now(NULL).state == FORWARD_JOB_PAUSED && job_now("app").sent == 49);
	cr_assert(forward_job_state(f, 1, FORWARD_JOB_RUNNING, &found, &s.why) && found);
	cr_assert(forward_job_state(f, 1, FORWARD_JOB_STOPPED, &found, &s.why) && found);
	cr_assert_eq(owing("app").count, 0);
	job.state = FORWARD_JOB_DONE;
	cr_assert(forward_job_put(f, &job, &s.why));
	cr_assert_eq(job_now("app").state, FORWARD_JOB_STOPPED);
	cr_assert(!forward_job_state(f, 1, FORWARD_JOB_RUNNING, &found, &s.why));
	cr_assert_str_eq(s.why.text, "replay 1 is stopped");
	cr_assert(forward_job_state(f, 9, FORWARD_JOB_PAUSED, &found, &s.why) && !found);
	check(true);
}

/* ---- transactions, processes, disks ---- */

Test(forward_store, what_is_taken_back_or_had_a_fault_is_not_in, .init = open_one, .fini = done)
{
	put("app", 1);
	begin();
	put("app", 2);
	forward_rollback(f);
	cr_assert_eq(find("app").next, 1);
	begin();
	put("app", 3);
	f->trouble = STORE_FULL;
	cr_assert_eq(forward_commit(f, &s.why), STORE_FULL);
	cr_assert_eq(find("app").next, 1);
	cr_assert_eq(forward_commit(f, &s.why), STORE_FAILED);
	begin();
	put("app", 4);
	commit();
	again();
	cr_assert_eq(find("app").next, 4);
}

Test(forward_store, the_stage_sees_that_an_operator_has_changed_something, .init = open_one,
	.fini = done)
{
	struct forward *other;
	uint64_t before;
	bool found;

	put("app", 1);
	before = forward_version(f);
	put("app", 2);
	cr_assert_eq(forward_version(f), before);
	other = opened(FORWARD_CHANGE);
	cr_assert(forward_pause(other, "app", true, &found, &s.why) && found);
	cr_assert_neq(forward_version(f), before);
	cr_assert(find("app").paused);
	forward_close(&other);
}

/* What a child was told is in; shared. */
static uint64_t *told;

static void
share(void)
{
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(told, MAP_FAILED);
}

enum { ROUNDS = 40 };

/* Each round takes ten events up, and settles those of the round before. */
static bool
round_of(uint64_t n)
{
	put("app", n * 10 + 11);
	for (uint64_t i = 1; i <= 10; i++) {
		owe("app", n * 10 + i, 0);
		if (n && !forward_settle(f, "app", 0, n * 10 + i - 10, n * 10 + i - 10, &s.why))
			return false;
	}
	bury("app", n, "evt_a_1");
	return true;
}

static void
live(void)
{
	f = opened(FORWARD_DELIVER);
	for (uint64_t n = 0; n < ROUNDS; n++) {
		if (!forward_begin(f, &s.why) || !round_of(n) ||
			forward_commit(f, &s.why) != STORE_OK)
			_exit(1);
		*told = n + 1;
	}
	forward_close(&f);
	told[1] = disk_calls;
}

static bool
live_and_die(unsigned at)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		disk_calls = 0;
		disk_die_at = at;
		live();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	return WEXITSTATUS(status) == DISK_KILLED;
}

/* What was told of is in, and of each round all or nothing. */
static void
assert_whole(void)
{
	uint64_t rounds;

	f = opened(FORWARD_DELIVER);
	check(true);
	rounds = (uint64_t)sql_number(f->db, "SELECT next / 10 FROM destination");
	if (*told || rounds + 1 > 1) {
		cr_assert(rounds == *told || rounds == *told + 1);
		cr_assert_eq(owing("app").count, 10);
		cr_assert_eq(owing("app").least, rounds * 10 - 9);
		cr_assert_eq(owing("app").letters, rounds);
	}
	forward_close(&f);
}

Test(forward_store, a_kill_at_any_write_costs_what_was_not_committed, .fini = done, .timeout = 120)
{
	unsigned last, step;

	scratch_open(&s, "");
	share();
	cr_assert(!live_and_die(0));
	last = (unsigned)told[1];
	step = last / 60 + 1;
	for (unsigned at = 1; at <= last; at += step) {
		scratch_close(&s);
		scratch_open(&s, "");
		*told = 0;
		cr_assert(live_and_die(at), "%u of %u", at, last);
		assert_whole();
	}
}

static void
pause_often(void)
{
	struct forward *other = opened(FORWARD_CHANGE);
	uint64_t n;
	bool found;

	for (int i = 0; i < 200; i++) {
		if (!forward_pause(other, "app", i % 2, &found, &s.why) || !found ||
			!forward_letters_drop(other, "app", 0, &n, &s.why))
			_exit(1);
		*told += n;
	}
	forward_close(&other);
	_exit(0);
}

Test(forward_store, the_stage_and_an_operator_write_side_by_side, .init = open_one, .fini = done,
	.timeout = 60)
{
	int status, rounds = 0;
	pid_t pid;

	share();
	put("app", 1);
	forward_close(&f);
	pid = fork();
	if (pid == 0)
		pause_often();
	f = opened(FORWARD_DELIVER);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		begin();
		bury("app", (uint64_t)++rounds, NULL);
		commit();
		nanosleep(&(struct timespec){0, 1000000}, NULL); /* a pace, as the stage has one */
	}
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_assert_eq(owing("app").letters + *told, rounds);
	check(true);
}

Test(forward_store, on_a_full_disk_nothing_is_half_in_and_it_goes_on_when_there_is_room,
	.init = open_one, .fini = done)
{
	put("app", 1);
	disk_full_from = disk_calls + 1;
	begin();
	put("app", 2);
	cr_assert_eq(forward_commit(f, &s.why), STORE_FULL, "%s", s.why.text);
	cr_assert_eq(find("app").next, 1);
	disk_full_from = 0;
	begin();
	put("app", 3);
	commit();
	again();
	cr_assert_eq(find("app").next, 3);
	check(true);
}

Test(forward_store, a_flush_that_fails_is_told, .init = open_one, .fini = done)
{
	put("app", 1);
	scratch_flush_error = EIO;
	begin();
	put("app", 2);
	cr_assert_eq(forward_commit(f, &s.why), STORE_FAILED);
	scratch_flush_error = 0;
	cr_assert_eq(find("app").next, 1);
	begin();
	put("app", 3);
	commit();
}

/* ---- a hundred thousand ---- */

static void
assert_plan(sqlite3_stmt *stmt)
{
	char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(stmt));
	sqlite3_stmt *plan;

	cr_assert_eq(sqlite3_prepare_v2(f->db, sql, -1, &plan, NULL), SQLITE_OK, "%s", sql);
	while (sqlite3_step(plan) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(plan, 3);

		cr_assert(!strstr(step, "SCAN owed") && !strstr(step, "SCAN letter") &&
				  !strstr(step, "SCAN attempt") && !strstr(step, "AUTOMATIC"),
			"%s: %s", sqlite3_sql(stmt), step);
	}
	sqlite3_finalize(plan);
	sqlite3_free(sql);
}

static void
owe_many(uint64_t n)
{
	begin();
	for (uint64_t i = 1; i <= n; i++)
		owe("app", i, 1000 + i % 1000);
	commit();
}

/* Steps of SQLite's machine, which are the same on a busy computer. */
static int steps;

static int
count_steps(void *arg)
{
	(void)arg;
	steps++;
	return 0;
}

static int
steps_of_a_look(uint64_t now_ms)
{
	steps = 0;
	due("app", now_ms, 64);
	owing("app");
	return steps * 100;
}

Test(forward_store, of_a_hundred_thousand_few_are_looked_at, .init = open_one, .fini = done,
	.timeout = 120)
{
	uint64_t n, ask;
	bool found;

	put("app", 200000);
	owe_many(100000);
	sqlite3_progress_handler(f->db, 100, count_steps, NULL);
	cr_assert_eq(owing("app").count, 100000);
	cr_assert_lt(steps_of_a_look(10), 2000, "none is due");
	cr_assert_lt(steps_of_a_look(1001), 10000, "200 are due");
	cr_assert_lt(steps_of_a_look(1019), 60000, "2,000 are due");
	cr_assert_lt(steps_of_a_look(1030), 60000, "3,000 are due");
	cr_assert_lt(steps_of_a_look(5000), 20000, "all are due");
	sqlite3_progress_handler(f->db, 0, NULL, NULL);
	bury("app", 1, "evt_a_1");
	attempted("app", "evt_a_1", 1);
	letters("app", 0, 10);
	attempts("app", slice_of("evt_a_1"), 0, 10);
	attempts("app", (struct slice){0}, 0, 10);
	forward_tidy(f, "app", 900000000, &s.why);
	cr_assert(forward_letter(
		f, "app", slice_of("x"), note_letter, &(struct list){.n = 0}, &found, &s.why));
	cr_assert(forward_letter(
		f, "app", slice_of("1"), note_letter, &(struct list){.n = 0}, &found, &s.why));
	cr_assert(forward_letters_replay(f, "app", 0, &n, &s.why));
	cr_assert(forward_letters_drop(f, "app", 0, &n, &s.why));
	cr_assert(forward_settle(f, "app", 0, 1, 1, &s.why));
	cr_assert(forward_ask(f, "app", 1, &ask, &s.why));
	for (sqlite3_stmt *it = NULL; (it = sqlite3_next_stmt(f->db, it));)
		assert_plan(it);
}

/* ---- fsck ---- */

Test(forward_store, rows_that_do_not_agree_are_told, .init = open_one, .fini = done)
{
	put("app", 10);
	owe("app", 4, 0);
	exec("DROP TRIGGER owed_out; DELETE FROM owed");
	cr_assert_str_eq(check(false).last, "1 wrong counts of what is owed");
	exec("UPDATE destination SET owed = 0; INSERT INTO owed(dest, job, first, last)"
	     " VALUES(1, 0, 12, 12)");
	cr_assert_str_eq(check(false).last, "1 owed that are still to come");
	exec("DELETE FROM destination");
	cr_assert_eq(check(false).n, 1);
}

Test(forward_store, room_that_a_backlog_has_left_goes_back_to_the_disk, .init = open_one,
	.fini = done)
{
	static char body[8192];
	const char *path = scratch_path(&s, "forward.db");
	struct stat full, tidied;
	uint64_t n;

	memset(body, 'x', sizeof body - 1);
	put("app", 1);
	begin();
	for (uint64_t i = 1; i <= 4000; i++)
		cr_assert(forward_bury(f, "app",
			&(struct forward_letter){
				.pos = i, .id = slice_of("evt_a_1"), .body = slice_of(body)},
			&s.why));
	commit();
	cr_assert(forward_letters_drop(f, "app", 0, &n, &s.why) && n == 4000);
	forward_close(&f);
	f = opened(FORWARD_DELIVER); /* its log is written back */
	cr_assert_eq(stat(path, &full), 0);
	for (int i = 0; i < 10; i++)
		forward_tidy(f, "app", 1, &s.why);
	forward_close(&f);
	cr_assert_eq(stat(path, &tidied), 0);
	cr_assert_lt(tidied.st_size, full.st_size / 2);
	f = opened(FORWARD_LOOK);
	check(true);
}

Test(forward_store, a_damaged_page_is_told, .init = open_one, .fini = done)
{
	FILE *file;

	put("app", 10);
	begin();
	for (uint64_t i = 1; i < 2000; i++)
		bury("app", i, "evt_a_1");
	commit();
	forward_close(&f);
	file = fopen(scratch_path(&s, "forward.db"), "r+");
	cr_assert(file);
	fseek(file, 60 * 4096, SEEK_SET); /* of a table, not of the schema */
	for (int i = 0; i < 4096; i++)
		fputc(0x55, file);
	fclose(file);
	f = opened(FORWARD_LOOK);
	cr_assert(check(false).n > 0);
}
