/* Files and folders of this user alone. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"

static char folder[64], path[96];
static struct error why;

static void
setup(void)
{
	strcpy(folder, "/tmp/trotline-file-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/it", folder);
	why.text[0] = '\0';
}

static void
teardown(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(file, .init = setup, .fini = teardown);

static mode_t
mode_of(const char *name)
{
	struct stat st;

	cr_assert_eq(stat(name, &st), 0);
	return st.st_mode & 07777;
}

static void
put(const char *text, mode_t mode)
{
	const struct slice all = slice_of(text);

	cr_assert(file_replace(path, &all, 1, false, &why), "%s", why.text);
	cr_assert_eq(chmod(path, mode), 0);
}

Test(file, a_folder_is_private_and_may_be_there_already)
{
	cr_expect(file_make_folder(path, &why), "%s", why.text);
	cr_expect_eq(mode_of(path), 0700);
	cr_expect(file_make_folder(path, &why), "%s", why.text);
}

Test(file, what_stands_in_a_folders_place_is_told)
{
	put("x", 0600);
	cr_expect_not(file_make_folder(path, &why));
	cr_expect_not_null(strstr(why.text, "cannot make folder "));
	cr_expect_not_null(strstr(why.text, "File exists"));
}

Test(file, a_file_that_is_made_was_not_there_and_is_private)
{
	FILE *f = file_make_stream(path, &why);

	cr_assert_not_null(f, "%s", why.text);
	fclose(f);
	cr_expect_eq(mode_of(path), 0600);
	cr_expect_lt(file_make(path, &why), 0);
	cr_expect_eq(errno, EEXIST);
	cr_expect_null(file_make_stream(path, &why));
	cr_expect_not_null(strstr(why.text, "cannot make "));
}

Test(file, a_file_that_is_opened_keeps_what_it_holds)
{
	char text[8];
	int fd;

	put("abc", 0600);
	fd = file_open(path, &why);
	cr_assert_geq(fd, 0);
	cr_expect_eq(read(fd, text, sizeof text), 3);
	close(fd);
	snprintf(path, sizeof path, "%s/none/it", folder);
	cr_expect_lt(file_open(path, &why), 0);
	cr_expect_not_null(strstr(why.text, "cannot open "));
}

Test(file, a_file_is_replaced_whole_and_nothing_stays_beside_it)
{
	const struct slice parts[] = {slice_of("two "), {NULL, 0}, slice_of("parts")};
	char command[128];
	size_t n;
	char *text;

	put("one", 0644);
	cr_assert(file_replace(path, parts, 3, true, &why), "%s", why.text);
	text = file_read(path, 100, &n, &why);
	cr_expect_str_eq(text, "two parts");
	cr_expect_eq(n, 9);
	cr_expect_eq(mode_of(path), 0600);
	free(text);
	snprintf(command, sizeof command, "test \"$(ls %s)\" = it", folder);
	cr_expect_eq(system(command), 0);
}

Test(file, what_cannot_be_replaced_stays_and_the_cause_is_told)
{
	const struct slice part = slice_of("x");

	snprintf(path, sizeof path, "%s/none/it", folder);
	cr_expect_not(file_replace(path, &part, 1, true, &why));
	cr_expect_not_null(strstr(why.text, "No such file"));
}

Test(file, a_file_is_read_whole_or_not_at_all)
{
	const size_t size = 200000;
	char *text = malloc(size + 1), *back;
	size_t n;

	memset(text, 'x', size);
	text[size] = '\0';
	put(text, 0600);
	back = file_read(path, size, &n, &why);
	cr_assert_not_null(back, "%s", why.text);
	cr_expect(n == size && strcmp(back, text) == 0);
	cr_expect_null(file_read(path, size - 1, &n, &why));
	cr_expect_not_null(strstr(why.text, "is larger than 199999 bytes"));
	put("", 0600);
	free(back);
	back = file_read(path, 0, &n, &why);
	cr_expect_str_eq(back, "");
	free(back);
	free(text);
	cr_expect_null(file_read(folder, 10, &n, &why));
	cr_expect_not_null(strstr(why.text, "Is a directory"));
}

Test(file, a_peek_ends_at_the_room)
{
	char text[4];

	put("abcdef", 0600);
	cr_expect_eq(file_peek(path, text, sizeof text), 3);
	cr_expect_str_eq(text, "abc");
	cr_expect_eq(file_peek("/nonexistent", text, sizeof text), 0);
	cr_expect_str_eq(text, "");
}

Test(file, a_private_file_is_closed_to_others)
{
	static const mode_t open_ones[] = {0640, 0604, 0620, 0601};
	size_t size;
	char *text;

	put("secret\n", 0600);
	text = file_read_private(path, &size, &why);
	cr_assert_not_null(text, "%s", why.text);
	cr_expect_str_eq(text, "secret\n");
	wipe_free(text, size);
	for (size_t i = 0; i < sizeof open_ones / sizeof *open_ones; i++) {
		cr_assert_eq(chmod(path, open_ones[i]), 0);
		cr_expect_null(file_read_private(path, &size, &why));
		cr_expect_not_null(strstr(why.text, "chmod 600"));
	}
}

Test(file, a_private_file_is_a_regular_one_of_bounded_size)
{
	size_t size;

	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_null(file_read_private(path, &size, &why));
	cr_expect_not_null(strstr(why.text, "is no regular file"));
	unlink(path);
	put("", 0600);
	cr_assert_eq(truncate(path, FILE_PRIVATE_MAX + 1), 0);
	cr_expect_null(file_read_private(path, &size, &why));
	cr_expect_not_null(strstr(why.text, "is larger than 65536 bytes"));
	wipe_free(NULL, 0);
}

Test(file, a_lock_is_taken_when_it_is_free_and_told_when_it_is_not)
{
	const int one = file_open(path, &why), other = file_open(path, &why);

	cr_assert(one >= 0 && other >= 0, "%s", why.text);
	cr_expect(file_lock(one));
	cr_expect(file_lock(one), "by whom it has");
	errno = 0;
	cr_expect_not(file_lock(other));
	cr_expect_eq(errno, EWOULDBLOCK);
	close(one);
	cr_expect(file_lock(other));
	close(other);
}
