/* The store of what could not be read: nothing is kept twice, a full one refuses and can be emptied,
 * what is old goes and is told; and a kill leaves a group whole or not there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/store/unread.h"
#include "scratch.h"

enum { BIG = 100000 };

static struct scratch s;
static struct unread *store;
static struct error why;

static void
open_store(void)
{
	store = unread_open(s.cfg, UNREAD_KEEP, &why);
	cr_assert_not_null(store, "%s", why.text);
}

static void
setup(void)
{
	scratch_open(&s, "unread: {max_size: 1MiB, max_age: 1h}\n");
	open_store();
}

static void
teardown(void)
{
	unread_close(&store);
	scratch_close(&s);
}

TestSuite(unread, .init = setup, .fini = teardown);

static struct unread_item
item_of(const char *body, uint64_t at)
{
	const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};

	return (struct unread_item){
		.at = at,
		.source = slice_of("email"),
		.reason = slice_of("no_event"),
		.detail = slice_of(""),
		.target = slice_of("/webhooks/email"),
		.headers = none,
		.taken = none,
		.body = slice_of(body),
	};
}

static uint64_t
keep(const char *body, uint64_t at)
{
	const struct unread_item item = item_of(body, at);
	uint64_t number = 0;

	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_assert_eq(unread_put(store, &item, &number, &why), STORE_OK, "%s", why.text);
	cr_assert_eq(unread_commit(store, &why), STORE_OK);
	return number;
}

static uint64_t
count(void)
{
	struct unread_stat st;

	cr_assert(unread_stat(store, true, &st));
	cr_expect_eq(st.damaged, 0);
	return st.count;
}

static void
take_out(uint64_t number)
{
	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_assert_eq(unread_remove(store, number, &why), STORE_OK);
	cr_assert_eq(unread_commit(store, &why), STORE_OK);
}

struct seen {
	uint64_t numbers[16];
	char body[64];
	size_t n;
};

static bool
see(void *arg, const struct unread_item *item)
{
	struct seen *seen = arg;

	seen->numbers[seen->n++] = item->number;
	snprintf(seen->body, sizeof seen->body, "%.*s", SLICE_ARG(item->body));
	return true;
}

Test(unread, what_is_put_in_is_there_after_the_store_is_opened_again)
{
	const uint64_t number = keep("{\"a\":\"b\"}", 1);
	struct seen seen = {.n = 0};

	unread_close(&store);
	open_store();
	cr_assert(unread_walk(store, 0, see, &seen, &why));
	cr_expect_eq(seen.n, 1);
	cr_expect_eq(seen.numbers[0], number);
	cr_expect_str_eq(seen.body, "{\"a\":\"b\"}");
}

Test(unread, files_are_the_owners_alone)
{
	struct stat st;

	keep("{}", 1);
	cr_assert_eq(stat(scratch_path(&s, "unread/data.mdb"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(stat(scratch_path(&s, "unread"), &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0700);
}

Test(unread, the_same_bytes_are_kept_once)
{
	const uint64_t number = keep("{\"a\":1}", 1);
	struct unread_item other = item_of("{\"a\":1}", 3);
	uint64_t second;

	cr_expect_eq(keep("{\"a\":1}", 2), number);
	cr_expect_eq(count(), 1);
	other.source = slice_of("other");
	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_assert_eq(unread_put(store, &other, &second, &why), STORE_OK);
	cr_assert_eq(unread_commit(store, &why), STORE_OK);
	cr_expect_neq(second, number);
	cr_expect_eq(count(), 2);
}

Test(unread, a_number_is_never_given_out_twice)
{
	const uint64_t first = keep("1", 1), second = keep("2", 2);

	take_out(second);
	take_out(second);
	cr_expect_eq(count(), 1);
	cr_expect_gt(keep("2", 3), second);
	take_out(first);
	cr_expect_gt(keep("1", 4), second + 1);
}

static char *
big(int i)
{
	static char body[BIG + 1];

	memset(body, 'a' + i, BIG);
	return body;
}

static uint64_t
fill(void)
{
	enum store_rc rc = STORE_OK;
	uint64_t number, last = 0;

	for (int i = 0; rc == STORE_OK; i++) {
		const struct unread_item item = item_of(big(i), 1);

		cr_assert_lt(i, 20);
		cr_assert_eq(unread_begin(store, &why), STORE_OK);
		rc = unread_put(store, &item, &number, &why);
		if (rc == STORE_OK)
			last = number;
		cr_assert_eq(unread_commit(store, &why), STORE_OK);
	}
	cr_expect_eq(rc, STORE_FULL);
	cr_expect_str_eq(why.text, "what is unread: full (unread.max_size)");
	return last;
}

Test(unread, a_full_store_refuses_and_takes_again_when_there_is_room)
{
	const uint64_t last = fill();
	const uint64_t n = count();
	struct unread_item item = item_of(big(0), 1);
	uint64_t number;

	cr_expect_geq(n, 5);
	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_expect_eq(unread_put(store, &item, &number, &why), STORE_OK, "it is there already");
	item.body = slice_of(big(25));
	cr_expect_eq(unread_put(store, &item, &number, &why), STORE_FULL);
	cr_assert_eq(unread_commit(store, &why), STORE_OK);
	cr_expect_eq(count(), n);
	take_out(last);
	keep("{}", 2);
	keep(big(24), 2);
	cr_expect_eq(count(), n + 1);
}

Test(unread, what_is_old_goes_and_is_shown_before)
{
	struct seen seen = {.n = 0};
	size_t gone = 9;

	keep("1", 1000);
	keep("2", 2000);
	keep("3", 3600000);
	cr_assert_eq(unread_expire(store, 3600000, see, &seen, &gone, &why), STORE_OK);
	cr_expect_eq(gone, 0);
	cr_assert_eq(unread_expire(store, 3602000, see, &seen, &gone, &why), STORE_OK);
	cr_expect_eq(gone, 2);
	cr_expect_eq(seen.n, 2);
	cr_expect_str_eq(seen.body, "2");
	cr_expect_eq(count(), 1);
	keep("1", 3700000);
	cr_expect_eq(count(), 2);
}

static bool
remove_it(void *arg, const struct unread_item *item)
{
	(void)arg;
	take_out(item->number);
	return slice_is(item->body, "1");
}

Test(unread, one_that_is_shown_can_be_taken_out)
{
	keep("1", 1);
	keep("2", 1);
	cr_assert(unread_walk(store, 0, remove_it, NULL, &why));
	cr_expect_eq(count(), 0);
}

Test(unread, a_group_that_is_given_up_leaves_nothing)
{
	const struct unread_item item = item_of("1", 1);
	uint64_t number;

	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_assert_eq(unread_put(store, &item, &number, &why), STORE_OK);
	unread_abort(store);
	cr_expect_eq(count(), 0);
	cr_expect_eq(unread_commit(store, &why), STORE_FAILED);
	cr_expect_eq(unread_put(store, &item, &number, &why), STORE_FAILED);
}

static void
die_with(bool committed)
{
	const struct unread_item item = item_of(committed ? "1" : "2", 1);
	uint64_t number;
	pid_t child;

	unread_close(&store);
	child = fork();
	if (child == 0) {
		open_store();
		unread_begin(store, &why);
		unread_put(store, &item, &number, &why);
		if (committed)
			unread_commit(store, &why);
		kill(getpid(), SIGKILL);
	}
	waitpid(child, NULL, 0);
	open_store();
}

Test(unread, a_kill_leaves_a_group_whole_or_not_there)
{
	die_with(true);
	cr_expect_eq(count(), 1);
	die_with(false);
	cr_expect_eq(count(), 1);
	cr_expect_gt(keep("2", 1), 1);
}

Test(unread, a_disk_that_fails_leaves_nothing_and_is_told)
{
	const struct unread_item item = item_of("1", 1);
	uint64_t number;

	cr_assert_eq(unread_begin(store, &why), STORE_OK);
	cr_assert_eq(unread_put(store, &item, &number, &why), STORE_OK);
	scratch_flush_error = ENOSPC;
	cr_expect_eq(unread_commit(store, &why), STORE_FULL);
	scratch_flush_error = 0;
	unread_close(&store);
	open_store();
	cr_expect_eq(count(), 0);
	keep("3", 1);
}

Test(unread, nothing_to_watch_is_told)
{
	struct unread *none;

	unread_close(&store);
	cr_assert_eq(remove(scratch_path(&s, "unread/data.mdb")), 0);
	none = unread_open(s.cfg, UNREAD_WATCH, &why);
	cr_expect_null(none);
	cr_expect_neq(*why.text, '\0');
	open_store();
}
