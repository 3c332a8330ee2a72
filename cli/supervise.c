/* supervise - see supervise.h.
 *
 * In: the configuration. Out: supervisord. It and its children inherit the whole environment, so
 * that the validator finds the variables that secrets name. */
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "programs.h"

enum { LOCK_FD = 3 }; /* supervisord leaves this one open, but not to its children */

/* In the child: never returns. */
__attribute__((noreturn)) static void
become_supervisord(const char *conf, int lock, pid_t parent)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent || dup3(lock, LOCK_FD == lock ? LOCK_FD + 1 : LOCK_FD, 0) < 0)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execlp("supervisord", "supervisord", "-n", "-c", conf, (char *)NULL);
	fprintf(stderr, "trotline up: cannot start supervisord: %s\n", strerror(errno));
	_exit(127);
}

pid_t
supervise_start(const struct config *cfg, int lock, struct error *why)
{
	char conf[4096 + 64];
	pid_t parent = getpid(), pid;

	if (!programs_check(cfg, why) || !programs_write(cfg, conf, sizeof conf, why))
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_supervisord(conf, lock, parent);
	if (pid < 0)
		error_set(why, "cannot fork: %s", strerror(errno));
	return pid;
}

void
supervise_nudge(const struct config *cfg)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(to.sun_path, sizeof to.sun_path, "%s/run/supervisor.sock", cfg->data_dir);
	if (fd < 0)
		return;
	/* Its only use is that supervisord wakes up: an answer does not matter. */
	(void)!connect(fd, (struct sockaddr *)&to, sizeof to);
	close(fd);
}
