/* The dedup index against the truth that it hints at: a seen log kept in an array here. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/store/dedup.h"

enum { JOURNAL = 42, LOG_MAX = 1 << 20, FIRST_SLOTS = 65536, HEADER_BYTES = 4096 };

/* Where the header has its fields. */
enum { AT_BOOT = 8, AT_JOURNAL = 48, AT_SLOTS = 56, AT_COMPLETE = 72 };

static char folder[] = "/tmp/trotline-dedup-XXXXXX";
static char path[64], fresh_path[64];
static struct error why;

/* The seen log: rows[seq] from oldest to newest. */
static struct {
	struct hash128 rows[LOG_MAX];
	uint64_t oldest, newest;
} seen;

static bool
hash_at(void *arg, uint64_t seq, struct hash128 *hash)
{
	(void)arg;
	if (seq < seen.oldest || seq > seen.newest)
		return false;
	*hash = seen.rows[seq];
	return true;
}

static bool
walk(void *arg, struct dedup *d)
{
	(void)arg;
	for (uint64_t seq = seen.oldest; seq <= seen.newest; seq++)
		dedup_add(d, seen.rows[seq], seq);
	return true;
}

static bool
walk_fails(void *arg, struct dedup *d)
{
	(void)arg;
	(void)d;
	return false;
}

static struct dedup_truth
truth(void)
{
	return (struct dedup_truth){
		hash_at, walk, NULL, seen.oldest, seen.newest + 1 - seen.oldest};
}

static void
setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/dedup.idx", folder);
	snprintf(fresh_path, sizeof fresh_path, "%s/dedup.idx.new", folder);
	seen.oldest = 1;
	seen.newest = 0;
}

static void
teardown(void)
{
	unlink(path);
	unlink(fresh_path);
	cr_expect_eq(rmdir(folder), 0, "something else is left");
}

TestSuite(dedup, .init = setup, .fini = teardown, .timeout = 120);

static struct dedup *
open_index(void)
{
	const struct dedup_truth t = truth();
	struct dedup *d = dedup_open(path, JOURNAL, &t, &why);

	cr_assert_not_null(d, "%s", why.text);
	return d;
}

static uint64_t
find(const struct dedup *d, struct hash128 hash)
{
	const struct dedup_truth t = truth();

	return dedup_find(d, hash, &t);
}

/* As the journal does it: the row first, then the slot. */
static bool
try_insert(struct dedup *d, struct hash128 hash)
{
	struct dedup_truth t;

	seen.rows[++seen.newest] = hash;
	t = truth();
	return dedup_insert(d, hash, seen.newest, &t, &why);
}

static uint64_t
insert(struct dedup *d, struct hash128 hash)
{
	cr_assert(try_insert(d, hash), "%s", why.text);
	return seen.newest;
}

static void
trim(struct dedup *d)
{
	const struct dedup_truth t = truth();

	dedup_remove(d, seen.rows[seen.oldest], seen.oldest, &t);
	seen.oldest++;
}

/* A transaction of n inserts that is given up: the slots stay. */
static void
insert_in_vain(struct dedup *d, const struct hash128 *hashes, size_t n)
{
	const uint64_t newest = seen.newest;

	for (size_t i = 0; i < n; i++)
		insert(d, hashes[i]);
	seen.newest = newest;
}

/* xorshift64*: the same numbers in every run. */
static uint64_t
draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dU;
}

static struct hash128
any_hash(uint64_t n)
{
	uint64_t state = n * 2 + 1;

	draw(&state);
	return (struct hash128){draw(&state), draw(&state)};
}

/* A hash whose home is the given slot of a table of that size. */
static struct hash128
hash_at_home(uint64_t slot, uint64_t slots, uint64_t lo)
{
	const unsigned __int128 step = ((unsigned __int128)1 << 64) / slots;

	return (struct hash128){(uint64_t)(step * slot + step / 2) + lo % 1000, lo};
}

static void
expect_all_found(const struct dedup *d)
{
	for (uint64_t seq = seen.oldest; seq <= seen.newest; seq++)
		cr_assert_eq(find(d, seen.rows[seq]), seq, "seq %llu", (unsigned long long)seq);
}

static ino_t
inode(void)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	return st.st_ino;
}

Test(dedup, a_new_table_knows_nothing_and_remembers_what_it_is_told)
{
	struct dedup *d = open_index();

	cr_expect_eq(dedup_used(d), 0);
	cr_expect_eq(find(d, any_hash(1)), 0);
	cr_expect_eq(insert(d, any_hash(1)), 1);
	cr_expect_eq(insert(d, any_hash(2)), 2);
	cr_expect_eq(find(d, any_hash(1)), 1);
	cr_expect_eq(find(d, any_hash(2)), 2);
	cr_expect_eq(find(d, any_hash(3)), 0);
	cr_expect_eq(dedup_used(d), 2);
	dedup_close(&d);
	cr_expect_null(d);
}

Test(dedup, a_fingerprint_alone_proves_nothing)
{
	struct dedup *d = open_index();
	const struct hash128 hash = any_hash(1);
	const struct hash128 same_print = {hash.hi, hash.lo ^ UINT64_C(1) << 40};
	const struct hash128 same_home = {hash.hi ^ 1, hash.lo};

	insert(d, hash);
	cr_expect_eq(find(d, same_print), 0);
	cr_expect_eq(find(d, same_home), 0);
	insert(d, same_print);
	cr_expect_eq(find(d, hash), 1);
	cr_expect_eq(find(d, same_print), 2);
	dedup_close(&d);
}

Test(dedup, an_id_given_a_new_seq_is_found_under_it_and_under_the_old_one_if_that_is_given_up)
{
	struct dedup *d = open_index();
	const struct hash128 again[] = {any_hash(1)};

	insert(d, any_hash(1));
	insert(d, any_hash(2));
	insert_in_vain(d, again, 1);
	cr_expect_eq(find(d, any_hash(1)), 1);
	insert(d, any_hash(1));
	cr_expect_eq(find(d, any_hash(1)), 3);
	dedup_close(&d);
}

Test(dedup, the_file_is_found_again_as_it_was)
{
	struct dedup *d = open_index();
	ino_t before;

	insert(d, any_hash(1));
	before = inode();
	dedup_close(&d);
	d = open_index();
	cr_expect_eq(inode(), before, "it was built anew");
	cr_expect_eq(find(d, any_hash(1)), 1);
	dedup_close(&d);
}

Test(dedup, a_chain_goes_on_at_the_tables_start_and_closes_its_gaps_there)
{
	struct dedup *d = open_index();

	for (uint64_t i = 0; i < 12; i++)
		insert(d, hash_at_home(FIRST_SLOTS - 1 - i % 4, FIRST_SLOTS, i));
	for (uint64_t i = 0; i < 4; i++)
		insert(d, hash_at_home(i, FIRST_SLOTS, 100 + i));
	expect_all_found(d);
	while (seen.oldest <= seen.newest) {
		trim(d);
		expect_all_found(d);
	}
	cr_expect_eq(dedup_used(d), 0);
	dedup_close(&d);
}

/* Ids out of a few hundred, homes crowded around the table's ends, fingerprints that repeat. */
static struct hash128
crowded_hash(uint64_t n)
{
	const uint64_t slot = (FIRST_SLOTS - 40 + n % 80) % FIRST_SLOTS;

	return hash_at_home(slot, FIRST_SLOTS, n % 7 | n << 32);
}

static void
expect_newest(const struct dedup *d, struct hash128 hash)
{
	uint64_t seq = seen.newest;

	while (seq >= seen.oldest && memcmp(&seen.rows[seq], &hash, sizeof hash) != 0)
		seq--;
	cr_assert_eq(find(d, hash), seq >= seen.oldest ? seq : 0);
}

static void
random_step(struct dedup **d, uint64_t *state)
{
	const uint64_t what = draw(state) % 100;
	struct hash128 vain[5];

	if (what < 45) {
		insert(*d, crowded_hash(draw(state) % 400));
	} else if (what < 85) {
		if (seen.oldest <= seen.newest)
			trim(*d);
	} else if (what < 97) {
		expect_newest(*d, crowded_hash(draw(state) % 400));
	} else if (what < 99) {
		for (size_t i = 0; i < 5; i++)
			vain[i] = crowded_hash(draw(state) % 400);
		insert_in_vain(*d, vain, 5);
	} else {
		dedup_close(d);
		if (draw(state) % 4 == 0)
			unlink(path);
		*d = open_index();
	}
}

ParameterizedTestParameters(dedup, whatever_the_order_it_says_what_a_plain_list_says)
{
	static uint64_t seeds[] = {1, 20260102, 0xfeedface, 0x9e3779b97f4a7c15};

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof *seeds);
}

ParameterizedTest(const uint64_t *seed, dedup, whatever_the_order_it_says_what_a_plain_list_says)
{
	struct dedup *d = open_index();
	uint64_t state = *seed;

	for (int i = 0; i < 60000; i++)
		random_step(&d, &state);
	for (uint64_t n = 0; n < 400; n++)
		expect_newest(d, crowded_hash(n));
	dedup_close(&d);
}

Test(dedup, slots_of_a_transaction_that_was_given_up_mislead_nobody)
{
	struct dedup *d = open_index();
	const struct hash128 vain[] = {any_hash(1), any_hash(2), any_hash(3)};

	insert_in_vain(d, vain, 3);
	for (uint64_t i = 1; i <= 3; i++)
		cr_expect_eq(find(d, any_hash(i)), 0);
	cr_expect_eq(insert(d, any_hash(4)), 1);
	cr_expect_eq(insert(d, any_hash(2)), 2);
	cr_expect_eq(find(d, any_hash(4)), 1);
	cr_expect_eq(find(d, any_hash(2)), 2);
	cr_expect_eq(find(d, any_hash(1)), 0);
	dedup_close(&d);
}

Test(dedup, slots_behind_the_oldest_row_are_taken_again)
{
	struct dedup *d = open_index();
	uint64_t used;

	for (uint64_t i = 0; i < 1000; i++)
		insert(d, hash_at_home(7, FIRST_SLOTS, i));
	used = dedup_used(d);
	seen.oldest =
		seen.newest + 1; /* as after a trim that was flushed though its slots were not */
	for (uint64_t i = 0; i < 1000; i++)
		insert(d, hash_at_home(7, FIRST_SLOTS, 5000 + i));
	cr_expect_eq(dedup_used(d), used);
	expect_all_found(d);
	dedup_close(&d);
}

Test(dedup, it_grows_with_what_it_holds_within_sixteen_bytes_an_id)
{
	struct dedup *d = open_index();

	for (uint64_t i = 1; i <= 300000; i++) {
		insert(d, any_hash(i));
		if (i > FIRST_SLOTS)
			cr_assert_leq(dedup_bytes(d) - HEADER_BYTES, i * 16);
	}
	expect_all_found(d);
	for (uint64_t i = 0; i < 1000; i++)
		cr_expect_eq(find(d, any_hash(1000000 + i)), 0);
	dedup_close(&d);
}

Test(dedup, an_id_that_the_log_holds_twice_is_found_under_its_newest_seq_after_rebuilding)
{
	struct dedup *d = open_index();

	insert(d, any_hash(1));
	insert(d, any_hash(2));
	insert(d, any_hash(1));
	dedup_close(&d);
	unlink(path);
	d = open_index();
	cr_expect_eq(find(d, any_hash(1)), 3);
	trim(d);
	cr_expect_eq(find(d, any_hash(1)), 3);
	cr_expect_eq(find(d, any_hash(2)), 2);
	dedup_close(&d);
}

/* Overwrites a few bytes of the closed file. */
static void
damage(off_t at, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, bytes, n, at), (ssize_t)n);
	close(fd);
}

/* What a file may be that is of no use. */
enum wrong { WRONG_BOOT, WRONG_JOURNAL, WRONG_MAGIC, WRONG_SIZE, UNFINISHED, CUT, EMPTY, GARBAGE };

static void
make_wrong(enum wrong wrong)
{
	static const char zeros[64];
	const uint64_t number = 7;

	switch (wrong) {
	case WRONG_BOOT:
		damage(AT_BOOT, "11111111-2222-3333-4444-555555555555", 36);
		break;
	case WRONG_JOURNAL:
		damage(AT_JOURNAL, &number, sizeof number);
		break;
	case WRONG_MAGIC:
		damage(0, "trotidx9", 8);
		break;
	case WRONG_SIZE:
		damage(AT_SLOTS, &number, sizeof number);
		break;
	case UNFINISHED:
		damage(AT_COMPLETE, zeros, 8);
		break;
	case CUT:
		cr_assert_eq(truncate(path, HEADER_BYTES + 4096), 0);
		break;
	case EMPTY:
		cr_assert_eq(truncate(path, 0), 0);
		break;
	case GARBAGE:
		cr_assert_eq(truncate(path, 100), 0);
		damage(0, zeros, sizeof zeros);
		break;
	}
}

ParameterizedTestParameters(dedup, a_file_of_no_use_is_built_anew_from_the_log)
{
	static enum wrong wrongs[] = {WRONG_BOOT, WRONG_JOURNAL, WRONG_MAGIC, WRONG_SIZE,
		UNFINISHED, CUT, EMPTY, GARBAGE};

	return cr_make_param_array(enum wrong, wrongs, sizeof wrongs / sizeof *wrongs);
}

ParameterizedTest(const enum wrong *wrong, dedup, a_file_of_no_use_is_built_anew_from_the_log)
{
	const struct dedup_truth t = truth();
	struct dedup *d = open_index();

	for (uint64_t i = 1; i <= 100; i++)
		insert(d, any_hash(i));
	dedup_close(&d);
	make_wrong(*wrong);
	cr_expect_eq(dedup_peek(path, JOURNAL, any_hash(1), &t), 0);
	d = open_index();
	expect_all_found(d);
	cr_expect_eq(dedup_used(d), 100);
	dedup_close(&d);
}

Test(dedup, a_second_handle_learns_that_the_file_was_replaced_by_growing)
{
	struct dedup *one = open_index(), *two = open_index();

	cr_expect_not(dedup_replaced(two));
	for (uint64_t i = 1; i <= FIRST_SLOTS; i++)
		insert(one, any_hash(i));
	cr_expect_not(dedup_replaced(one));
	cr_expect(dedup_replaced(two));
	dedup_close(&two);
	two = open_index();
	cr_expect_not(dedup_replaced(two));
	expect_all_found(two);
	dedup_close(&two);
	dedup_close(&one);
}

/* Whoever replaced it may have been killed before it could leave a word in the old one. */
Test(dedup, a_second_handle_learns_that_the_file_was_replaced_by_whomever)
{
	struct dedup *one = open_index(), *two;

	unlink(path);
	cr_expect(dedup_replaced(one), "gone");
	two = open_index();
	cr_expect(dedup_replaced(one), "made anew");
	cr_expect_not(dedup_replaced(two));
	dedup_close(&two);
	dedup_close(&one);
}

Test(dedup, a_kill_while_a_file_was_built_leaves_nothing_that_disturbs)
{
	struct dedup *d;
	FILE *f = fopen(fresh_path, "w");

	cr_assert_not_null(f);
	fputs("half of a table", f);
	fclose(f);
	d = open_index();
	insert(d, any_hash(1));
	cr_expect_eq(find(d, any_hash(1)), 1);
	cr_expect_neq(access(fresh_path, F_OK), 0);
	dedup_close(&d);
}

/* No file of this process may grow beyond so many bytes: a full disk for those that allocate. */
static void
limit_disk(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(dedup, a_full_disk_is_an_error_that_leaves_no_file_behind)
{
	const struct dedup_truth t = truth();

	limit_disk(HEADER_BYTES);
	why.text[0] = '\0';
	cr_expect_null(dedup_open(path, JOURNAL, &t, &why));
	cr_expect_neq(why.text[0], '\0');
	cr_expect_neq(access(path, F_OK), 0);
	cr_expect_neq(access(fresh_path, F_OK), 0, "it takes what little room there is");
}

Test(dedup, on_a_full_disk_it_does_not_grow_and_goes_on_when_there_is_room)
{
	struct dedup *d = open_index();
	uint64_t most = 0;

	limit_disk(HEADER_BYTES + FIRST_SLOTS * 8);
	while (try_insert(d, any_hash(most + 1)))
		most++;
	seen.newest = most;
	cr_expect_eq(most, FIRST_SLOTS / 4 * 3);
	cr_expect_neq(access(fresh_path, F_OK), 0, "it takes what little room there is");
	expect_all_found(d);
	limit_disk(RLIM_INFINITY);
	insert(d, any_hash(most + 1));
	expect_all_found(d);
	dedup_close(&d);
}

Test(dedup, a_log_that_cannot_be_read_gives_no_table)
{
	struct dedup_truth t = truth();

	t.walk = walk_fails;
	cr_expect_null(dedup_open(path, JOURNAL, &t, &why));
	cr_expect_str_eq(why.text, "cannot read the seen log");
	cr_expect_neq(access(path, F_OK), 0);
	cr_expect_neq(access(fresh_path, F_OK), 0);
}

Test(dedup, peeking_needs_no_lock_and_makes_no_file)
{
	const struct dedup_truth t = truth();
	struct dedup *d;

	cr_expect_eq(dedup_peek(path, JOURNAL, any_hash(1), &t), 0);
	cr_expect_neq(access(path, F_OK), 0);
	d = open_index();
	insert(d, any_hash(1));
	cr_expect_eq(dedup_peek(path, JOURNAL, any_hash(1), &t), 1);
	cr_expect_eq(dedup_peek(path, JOURNAL + 1, any_hash(1), &t), 0);
	dedup_close(&d);
}

Test(dedup, a_path_that_is_too_long_or_leads_nowhere_is_said)
{
	const struct dedup_truth t = truth();
	char longest[5000];

	memset(longest, 'x', sizeof longest);
	longest[sizeof longest - 1] = '\0';
	cr_expect_null(dedup_open(longest, JOURNAL, &t, &why));
	cr_expect_null(dedup_open("/nonexistent/dedup.idx", JOURNAL, &t, &why));
	cr_expect_str_eq(
		why.text, "cannot make /nonexistent/dedup.idx.new: No such file or directory");
}
