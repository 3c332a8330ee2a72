/* A folder whose files nobody else can change, whatever comes and goes in it meanwhile. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/harden.h"

enum { LOOKS = 3000, SOMEBODY = 12345 };

static char folder[64], path[96];
static struct error why;
static atomic_bool over;

static void
setup(void)
{
	strcpy(folder, "/tmp/trotline-harden-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/it", folder);
}

static void
teardown(void)
{
	char command[96];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(harden, .init = setup, .fini = teardown);

Test(harden, what_others_may_change_does_not_pass)
{
	cr_expect(harden_check_folder("/tmp/trotline-harden-none", &why));
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_expect(harden_check_folder(folder, &why), "%s", why.text);
	cr_assert_eq(chmod(path, 0720), 0);
	cr_expect_not(harden_check_folder(folder, &why));
	cr_assert(rmdir(path) == 0 && symlink("/tmp", path) == 0);
	cr_expect_not(harden_check_folder(folder, &why));
}

static void *
come_and_go(void *arg)
{
	while (!over) {
		mkdir(path, 0700);
		rmdir(path);
	}
	return arg;
}

Test(harden, what_goes_away_meanwhile_is_no_danger)
{
	bool good = true;
	pthread_t other;

	cr_assert_eq(pthread_create(&other, NULL, come_and_go, NULL), 0);
	for (int i = 0; good && i < LOOKS; i++)
		good = harden_check_folder(folder, &why);
	over = true;
	pthread_join(other, NULL);
	cr_expect(good, "%s", why.text);
}

/* As another user: whether the folder passes. */
static bool
passes_for_somebody(void)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0)
		_exit(setuid(SOMEBODY) != 0 || !harden_check_folder(folder, &why));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status == 0;
}

Test(harden, a_folder_of_roots_alone_passes_unread)
{
	if (geteuid() != 0)
		cr_skip_test("only root can make one");
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chown(folder, SOMEBODY, (gid_t)-1), 0);
	cr_expect(passes_for_somebody());
	cr_assert_eq(chmod(path, 0711), 0);
	cr_expect_not(passes_for_somebody(), "what is in it can be opened by its name");
}
