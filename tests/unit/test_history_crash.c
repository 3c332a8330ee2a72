/* The history after a kill between any two of its writes, and after damage. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "history_kit.h"

enum { EVENTS = 700, POINTS = 40 };

static struct kit k;

static void
done(void)
{
	kit_close(&k);
}

static char *
file_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof path, "%s/%s", k.folder, name);
	return path;
}

/* What the child was told is durable; shared. */
static uint64_t *acknowledged;

static bool
append_some(uint64_t from, uint64_t end)
{
	for (; from < end; from += 35) {
		struct history_event group[35];

		for (uint64_t i = 0; i < 35; i++)
			group[i] = kit_event(&k, from + i);
		if (history_append(k.h, group, 35, k.now_ms, NULL, &k.why) != STORE_OK)
			return false;
		*acknowledged = from + 34;
		history_work(k.h, k.now_ms, 200, &k.why);
	}
	return true;
}

/* Two days: segments are sealed, counted and merged. */
static void
live(void)
{
	k.h = history_open(k.folder, &k.limits, &k.why);
	if (!k.h || !append_some(1, EVENTS / 2 + 1))
		_exit(1);
	kit_work(&k);
	k.now_ms += KIT_DAY_MS;
	if (!append_some(EVENTS / 2 + 1, EVENTS + 1))
		_exit(1);
	kit_work(&k);
	history_close(&k.h);
}

/* Ends at call number `at`; false: it came to its end. */
static bool
live_and_die(unsigned at)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		disk_calls = 0;
		disk_die_at = at;
		live();
		*(unsigned *)(acknowledged + 1) = disk_calls;
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) &&
			  (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DISK_KILLED),
		"status %x at call %u", status, at);
	return WEXITSTATUS(status) == DISK_KILLED;
}

static void
check_all_once(uint64_t most)
{
	static unsigned char seen[EVENTS + 2];
	const struct kit_found *f = kit_read(&k, 0);

	memset(seen, 0, sizeof seen);
	cr_assert_eq(f->look.damaged, 0);
	for (size_t i = 0; i < f->n; i++) {
		cr_assert_leq(f->seq[i], most);
		cr_assert_eq(seen[f->seq[i]]++, 0, "%u twice", (unsigned)f->seq[i]);
	}
	for (uint64_t seq = 1; seq <= *acknowledged; seq++)
		cr_assert_eq(
			seen[seq], 1, "%u of %u is lost", (unsigned)seq, (unsigned)*acknowledged);
}

/* All is delivered again, as the journal would. */
static void
check_it_heals(void)
{
	kit_append(&k, 1, EVENTS + 1);
	*acknowledged = EVENTS;
	kit_work(&k);
	check_all_once(EVENTS);
	cr_assert_str_eq(kit_fault(&k), "");
	cr_assert_eq(kit_count(&k, &(struct history_stats){.span = HISTORY_DAY})->all, EVENTS);
	cr_assert_eq(
		kit_find(&k, &(struct history_filter){.email = slice_of("user3@example.com")}, 0)
			->n,
		EVENTS / 10);
}

static unsigned
one_life(unsigned at)
{
	unsigned all;

	kit_open(&k, 100);
	history_close(&k.h);
	*acknowledged = 0;
	live_and_die(at);
	all = *(unsigned *)(acknowledged + 1);
	if (*acknowledged)
		check_all_once(EVENTS); /* who looks needs nobody who writes */
	k.now_ms = KIT_NOON + KIT_DAY_MS;
	kit_again(&k);
	check_all_once(EVENTS);
	check_it_heals();
	kit_close(&k);
	return all;
}

Test(history_crash, a_kill_at_any_write_loses_nothing_and_doubles_nothing, .timeout = 300)
{
	unsigned all;

	acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	all = one_life(0);
	cr_assert_gt(all, 200);
	for (unsigned i = 0; i < POINTS; i++)
		one_life(1 + (unsigned)((uint64_t)i * all / POINTS));
}

Test(history_crash, a_full_disk_refuses_whole_groups_and_heals, .fini = done)
{
	struct history_event ev;
	size_t refusals = 0;

	kit_open(&k, 100);
	kit_append(&k, 1, 151);
	disk_full_from = disk_calls + 1;
	for (uint64_t seq = 151; seq < 200; seq++) {
		ev = kit_event(&k, seq);
		refusals += kit_append_one(&k, &ev) == STORE_FULL;
		history_work(k.h, k.now_ms, 1000, &k.why);
	}
	cr_assert_eq(refusals, 49);
	disk_full_from = 0;
	k.now_ms += 10000;
	cr_assert_eq(kit_append(&k, 100, 301), 150);
	kit_work(&k);
	cr_assert_eq(kit_read(&k, 0)->n, 300);
	cr_assert_eq(kit_count(&k, &(struct history_stats){.span = HISTORY_DAY})->all, 300);
}

Test(history_crash, a_start_on_a_full_disk_fails_and_sets_nothing_aside, .fini = done)
{
	struct history_figures f;

	kit_open(&k, 100);
	kit_append(&k, 1, 151);
	kit_work(&k);
	history_close(&k.h);
	disk_full_from = disk_calls + 1;
	cr_assert_null(history_open(k.folder, &k.limits, &k.why));
	disk_full_from = 0;
	kit_again(&k);
	history_figures(k.h, &f);
	cr_assert_eq(f.damaged, 0);
	cr_assert_eq(f.events, 150);
	cr_assert_eq(kit_append(&k, 1, 151), 0);
}

Test(history_crash, counts_of_what_is_gone_outlive_a_full_disk, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 301);
	kit_work(&k);
	k.now_ms += 31 * KIT_DAY_MS;
	kit_append(&k, 301, 302);
	kit_work(&k);
	kit_again(&k);
	disk_full_from = disk_calls + 1;
	for (int i = 0; i < 3; i++, k.now_ms += 10000)
		cr_assert_neq(history_work(k.h, k.now_ms, 1000, &k.why), HISTORY_MORE);
	disk_full_from = 0;
	kit_work(&k);
	cr_assert_eq(kit_count(&k, &(struct history_stats){.span = HISTORY_DAY})->all, 301);
}

Test(history_crash, what_a_failed_flush_has_left_in_the_log_is_in_the_file_alone, .fini = done)
{
	struct history_event ev;
	struct stat log;

	kit_open(&k, 100);
	kit_append(&k, 1, 51);
	ev = kit_event(&k, 51);
	scratch_flush_error = EIO;
	cr_assert_neq(kit_append_one(&k, &ev), STORE_OK);
	scratch_flush_error = 0;
	cr_assert_eq(kit_append_one(&k, &ev), STORE_OK);
	cr_assert_eq(stat(file_of("open.1-wal"), &log), 0);
	cr_assert_eq(log.st_size, 0);
}

Test(history_crash, a_group_whose_flush_failed_is_written_again_before_it_counts, .fini = done)
{
	kit_open(&k, 100);
	kit_append(&k, 1, 51);
	scratch_flush_error = EIO;
	for (int i = 0; i < 3; i++) {
		const struct history_event ev = kit_event(&k, 51);

		cr_assert_neq(kit_append_one(&k, &ev), STORE_OK);
	}
	scratch_flush_error = 0;
	kit_append(&k, 51, 151);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 1, 151), 0);
	cr_assert_eq(kit_read(&k, 0)->n, 150);
}

Test(history_crash, a_sealed_file_cut_short_is_told_and_the_others_are_read, .fini = done)
{
	struct history_figures f;
	const struct kit_found *found;

	kit_open(&k, 100);
	kit_append(&k, 1, 351);
	kit_work(&k);
	history_close(&k.h);
	cr_assert_eq(truncate(file_of("2026-11-28.101-200"), 9000), 0);
	found = kit_find(&k, &(struct history_filter){.email = slice_of("user1@example.com")}, 0);
	cr_assert_eq(found->n, 25);
	cr_assert_eq(found->look.damaged, 1);
	found = kit_read(&k, 0);
	cr_assert_eq(found->n + found->look.missed, 350);
	cr_assert_str_neq(kit_fault(&k), "");
	kit_again(&k);
	kit_work(&k);
	history_figures(k.h, &f);
	cr_assert_eq(f.damaged, 1);
	cr_assert_eq(kit_append(&k, 351, 401), 50);
	k.now_ms += 31 * KIT_DAY_MS;
	kit_append(&k, 401, 402);
	kit_work(&k);
	history_figures(k.h, &f);
	cr_assert_eq(f.damaged, 0);
	cr_assert_eq(f.events, 1);
}

Test(history_crash, an_open_file_that_is_none_is_set_aside_and_no_number_is_used_twice,
	.fini = done)
{
	struct history_figures f;
	int fd;

	kit_open(&k, 100);
	kit_append(&k, 1, 151);
	kit_work(&k);
	history_close(&k.h);
	fd = open(file_of("open.101"), O_WRONLY);
	cr_assert_eq(write(fd, "no database at all", 18), 18);
	close(fd);
	kit_again(&k);
	history_figures(k.h, &f);
	cr_assert_eq(f.damaged, 1);
	cr_assert_eq(access(file_of("damaged.open.101"), F_OK), 0);
	cr_assert_eq(kit_append(&k, 101, 151), 50);
	history_figures(k.h, &f);
	cr_assert_eq(f.last, 101 + HISTORY_SEGMENT_EVENTS + 49);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 1, 151), 0);
}

Test(history_crash, with_another_key_what_is_there_is_found_all_the_same, .fini = done)
{
	const struct history_filter filter = {.email = slice_of("user1@example.com")};

	kit_open(&k, 100);
	kit_append(&k, 1, 251);
	kit_work(&k);
	history_close(&k.h);
	cr_assert_eq(remove(file_of("key")), 0);
	kit_again(&k);
	kit_append(&k, 251, 301);
	cr_assert_eq(kit_find(&k, &filter, 0)->n, 30);
	k.now_ms += KIT_DAY_MS;
	kit_work(&k);
	cr_assert_eq(kit_find(&k, &filter, 0)->n, 30);
	cr_assert_eq(kit_append(&k, 1, 301), 0);
}

Test(history_crash, with_another_key_an_empty_one_gives_way_to_one_of_its_own, .fini = done)
{
	struct history_figures f;

	kit_open(&k, 100);
	history_close(&k.h);
	cr_assert_eq(remove(file_of("key")), 0);
	kit_again(&k);
	history_figures(k.h, &f);
	cr_assert_eq(f.segments, 1);
	kit_append(&k, 1, 51);
	kit_work(&k);
	kit_append(&k, 51, 101);
	kit_again(&k);
	cr_assert_eq(kit_append(&k, 1, 101), 0);
	cr_assert_eq(kit_read(&k, 0)->n, 100);
}

Test(history_crash, who_looks_reads_what_a_killed_writer_has_flushed, .fini = done)
{
	int status;
	const pid_t pid = (kit_open(&k, 1000), history_close(&k.h), fork());

	if (pid == 0) {
		k.h = history_open(k.folder, &k.limits, &k.why);
		kit_append(&k, 1, 501);
		_exit(DISK_KILLED);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(kit_read(&k, 0)->n, 500);
}

/* In a view of the files of its own, so that it ends with the test. */
static bool
make_read_only(void)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(k.folder, k.folder, NULL, MS_BIND, NULL) == 0 &&
	       mount("", k.folder, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0;
}

static void
look_read_only(void)
{
	if (!make_read_only())
		return; /* who is not root may not */
	cr_assert_eq(kit_read(&k, 0)->n, 500);
	cr_assert_eq(kit_find(&k, &(struct history_filter){.id = slice_of("e-499")}, 0)->n, 1);
	cr_assert_eq(kit_count(&k, &(struct history_stats){.span = HISTORY_DAY})->all, 500);
	cr_assert_eq(umount(k.folder), 0);
}

Test(history_crash, a_read_only_mount_is_read_after_a_kill, .fini = done)
{
	int status;
	const pid_t pid = (kit_open(&k, 200), history_close(&k.h), fork());

	if (pid == 0) {
		k.h = history_open(k.folder, &k.limits, &k.why);
		kit_append(&k, 1, 301);
		kit_work(&k);
		kit_append(&k, 301, 501);
		_exit(DISK_KILLED);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	look_read_only();
}

Test(history_crash, a_read_only_mount_is_read_after_an_orderly_end, .fini = done)
{
	kit_open(&k, 200);
	kit_append(&k, 1, 501);
	kit_work(&k);
	history_close(&k.h);
	look_read_only();
}

Test(history_crash, a_read_only_mount_of_a_copy_without_what_processes_share_is_read, .fini = done)
{
	int status;
	const pid_t pid = (kit_open(&k, 1000), history_close(&k.h), fork());

	if (pid == 0) {
		k.h = history_open(k.folder, &k.limits, &k.why);
		kit_append(&k, 1, 501);
		_exit(DISK_KILLED);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(remove(file_of("open.1-shm")), 0);
	look_read_only();
}
