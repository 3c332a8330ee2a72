/* notify_command - a notice through a command of the operator's; see notify_way.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "notify_way.h"

enum { STEP_MS = 20, GRACE_MS = 1000 };

/* Signals as any program expects them: the stage has some blocked, and SIGPIPE ignored. A process
 * group of its own, so that all of it can be ended. */
static int
set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, defaults;
	int rc;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	rc = posix_spawnattr_setflags(
		attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &defaults);
	return rc ? rc : posix_spawnattr_setpgroup(attr, 0);
}

static int
set_files(posix_spawn_file_actions_t *files, int in)
{
	int rc = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);

	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
			files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	return rc ? rc : posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

static int
spawn(const char *command, int in, pid_t *pid)
{
	char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t)command, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		rc = set_attributes(&attr);
		if (rc == 0)
			rc = set_files(&files, in);
		if (rc == 0)
			rc = posix_spawn(pid, "/bin/sh", &files, &attr, argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* Starts the command with the text waiting for it in a pipe. Returns 0 or an errno. */
static int
start(const char *command, const char *text, pid_t *pid)
{
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return errno;
	rc = write(ends[1], text, strlen(text)) == (ssize_t)strlen(text) ? 0 : EMSGSIZE;
	fcntl(ends[0], F_SETFL, 0); /* the command's end waits, as programs expect */
	close(ends[1]);
	if (rc == 0)
		rc = spawn(command, ends[0], pid);
	close(ends[0]);
	return rc;
}

/* Waits for its end, for so long or until stop; reaps it. */
static bool
wait_end(pid_t pid, uint64_t ms, const atomic_bool *stop, int *status)
{
	const struct timespec step = {0, STEP_MS * 1000000L};
	const uint64_t until_ms = clock_mono_ms() + ms;
	pid_t ended;

	while ((ended = waitpid(pid, status, WNOHANG)) == 0 && clock_mono_ms() < until_ms &&
		!(stop && atomic_load(stop)))
		nanosleep(&step, NULL);
	return ended != 0;
}

static void
end_all(pid_t pid)
{
	int status;

	kill(-pid, SIGTERM);
	if (!wait_end(pid, GRACE_MS, NULL, &status)) {
		kill(-pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	kill(-pid, SIGKILL);
}

bool
notify_command(const char *command, const char *text, const struct notify_limits *limits,
	struct error *why)
{
	int status = 0;
	pid_t pid = 0;
	const int rc = start(command, text, &pid);

	if (rc != 0)
		return error_set(why, "cannot run notify.command: %s", strerror(rc));
	if (!wait_end(pid, limits->timeout_ms, limits->stop, &status)) {
		end_all(pid);
		return error_set(why, "notify.command was ended after %llu ms",
			(unsigned long long)limits->timeout_ms);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status))
		return error_set(why, "notify.command was ended by signal %d", WTERMSIG(status));
	return error_set(why, "notify.command exited %d", WEXITSTATUS(status));
}
