/* The journal between processes: whoever is killed, whatever was said is there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "journal_kit.h"

TestSuite(journal_processes, .init = journal_kit_open, .fini = journal_kit_close, .timeout = 120);

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

Test(journal_processes, a_writer_killed_in_its_transaction_leaves_all_as_it_was)
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

Test(journal_processes, a_writer_that_waits_goes_on_when_the_one_before_it_is_killed)
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

Test(journal_processes, whatever_a_writer_said_is_there_after_it_was_killed_at_any_instant)
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

Test(journal_processes, every_event_is_in_one_state_of_the_table_after_its_custodian_was_killed)
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

Test(journal_processes, a_second_process_knows_what_was_accepted_after_the_index_was_deleted)
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

Test(journal_processes, a_second_process_knows_what_was_accepted_after_the_index_has_grown)
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

Test(journal_processes, a_killed_reader_pins_no_room_for_long)
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
