/* The events done last: what is remembered of them, in files of bounded size, whatever is in these. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/ended.h"
#include "scratch.h"

static struct scratch s;
static struct ended *ended;
static uint64_t seen[64], seen_count;

static void
setup(void)
{
	scratch_open(&s, NULL);
	ended = ended_new(s.folder, 1024);
}

static void
teardown(void)
{
	ended_destroy(&ended);
	scratch_close(&s);
}

TestSuite(ended, .init = setup, .fini = teardown);

static void
note(uint64_t seq)
{
	char id[32];

	snprintf(id, sizeof id, "id-%lu", (unsigned long)seq);
	ended_note(ended, &(struct ended_row){
				  .received_ms = seq * 10,
				  .ended_ms = seq * 10 + 5,
				  .attempts = 2,
				  .handler = slice_of("opened"),
				  .head = scratch_frame(
					  slice_of("0123456789abcdef"), seq, "email_opened", id),
			  });
}

static bool
look(void *arg, const struct ended_row *row)
{
	struct slice id;
	uint64_t seq;

	(void)arg;
	cr_assert(frame_uint(row->head.p, row->head.n, "seq", &seq));
	cr_expect(frame_text(row->head.p, row->head.n, "id", &id) && slice_starts(id, "id-"));
	cr_expect_eq(row->ended_ms, seq * 10 + 5);
	cr_expect_eq(row->attempts, 2);
	cr_expect(slice_is(row->handler, "opened"));
	cr_assert_lt(seen_count, 64);
	seen[seen_count++] = seq;
	return true;
}

static uint64_t
count(void)
{
	seen_count = 0;
	ended_each(s.folder, look, NULL);
	return seen_count;
}

static off_t
size_of(const char *name)
{
	char path[128];
	struct stat file;

	snprintf(path, sizeof path, "%s/%s", s.folder, name);
	return stat(path, &file) == 0 ? file.st_size : 0;
}

Test(ended, what_was_written_is_there_in_order_and_what_was_forgotten_is_not)
{
	cr_expect_eq(count(), 0);
	note(1);
	note(2);
	ended_write(ended);
	note(3);
	ended_forget(ended);
	note(4);
	ended_write(ended);
	cr_assert_eq(count(), 3);
	cr_expect(seen[0] == 1 && seen[1] == 2 && seen[2] == 4);
}

Test(ended, the_files_stay_within_their_bounds_and_hold_the_newest)
{
	for (uint64_t seq = 1; seq <= 100; seq++) {
		note(seq);
		ended_write(ended);
	}
	cr_expect_leq(size_of("ended"), 1024);
	cr_expect_leq(size_of("ended.old"), 1024);
	cr_assert_gt(count(), 4);
	cr_expect_eq(seen[seen_count - 1], 100);
	cr_expect_eq(seen[0], 101 - seen_count);
}

Test(ended, another_process_goes_on_behind_what_is_there)
{
	note(1);
	ended_write(ended);
	ended_destroy(&ended);
	ended = ended_new(s.folder, 1024);
	note(2);
	ended_write(ended);
	cr_expect_eq(count(), 2);
}

Test(ended, a_part_of_a_row_and_garbage_cost_no_others)
{
	char path[128];
	int fd;

	note(1);
	ended_write(ended);
	snprintf(path, sizeof path, "%s/ended", s.folder);
	cr_assert_eq(truncate(path, size_of("ended") - 20), 0);
	ended_destroy(&ended);
	ended = ended_new(s.folder, 1024);
	note(2);
	ended_write(ended);
	cr_assert_eq(count(), 1);
	cr_expect_eq(seen[0], 2);
	fd = open(path, O_WRONLY | O_APPEND);
	cr_assert_eq(write(fd, "TEnd\xff\xff\xff\xff garbage", 16), 16);
	close(fd);
	ended_destroy(&ended);
	ended = ended_new(s.folder, 1024);
	note(3);
	ended_write(ended);
	cr_assert_geq(count(), 1);
	cr_expect_eq(seen[seen_count - 1], 3);
}
