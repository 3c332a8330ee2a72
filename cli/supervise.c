/* supervise - see supervise.h.
 *
 * In: the configuration. Out: environment variables and run/handlers.conf, which together say how
 * many processes of which program run; supervisord and its children inherit the whole environment,
 * so that the validator finds the variables that secrets name. */
#include "supervise.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOCK_FD = 3 }; /* supervisord leaves this one open, but not to its children */

/* One program more, as they stand in deploy/supervisord.conf. */
static const char handler_block[] =
	"[program:handler-%s]\n"
	"command=\"%%(ENV_TROTLINE_BIN)s/trotline-%%(program_name)s\" -c "
	"\"%%(ENV_TROTLINE_CONFIG)s\" -i %%(process_num)d\n"
	"process_name=%%(program_name)s.%%(process_num)d\n"
	"numprocs=%llu\n"
	"priority=20\n"
	"startsecs=0\n"
	"autorestart=unexpected\n"
	"exitcodes=100\n"
	"stopsignal=TERM\n"
	"stopwaitsecs=20\n"
	"redirect_stderr=true\n"
	"stdout_logfile=%%(ENV_TROTLINE_LOG)s/%%(program_name)s.%%(process_num)d.log\n"
	"stdout_logfile_maxbytes=10MB\n"
	"stdout_logfile_backups=3\n\n";

/* The folder of this program, without a slash at its end. */
static bool
find_bin(char *out, size_t n, struct error *why)
{
	ssize_t length = readlink("/proc/self/exe", out, n - 1);
	char *slash;

	if (length < 0)
		return error_set(why, "cannot find my own folder: %s", strerror(errno));
	out[length] = '\0';
	slash = strrchr(out, '/');
	*slash = '\0';
	return true;
}

/* deploy/supervisord.conf: in $TROTLINE_DEPLOY, or beside the folder of the programs. */
static bool
find_conf(const char *bin, char *out, size_t n, struct error *why)
{
	static const char *const ways[] = {"/../deploy", "/../../deploy"};
	const char *named = getenv("TROTLINE_DEPLOY");

	if (named) {
		snprintf(out, n, "%s/supervisord.conf", named);
		return access(out, R_OK) == 0 || error_set(why, "cannot read %s", out);
	}
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		snprintf(out, n, "%s%s/supervisord.conf", bin, ways[i]);
		if (access(out, R_OK) == 0)
			return true;
	}
	return error_set(why,
		"no deploy/supervisord.conf beside %s; $TROTLINE_DEPLOY may name its "
		"folder",
		bin);
}

static bool
check_program(
	const char *bin, const char *kind, const char *name, const char *hint, struct error *why)
{
	char path[4096 + 128];

	snprintf(path, sizeof path, "%s/trotline-%s%s", bin, kind, name);
	return access(path, X_OK) == 0 || error_set(why, "%s is missing; %s", path, hint);
}

static bool
check_programs(const struct config *cfg, const char *bin, struct error *why)
{
	static const char *const stages[] = {"ingress", "validator", "router", "retrier", "dlq"};

	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (!check_program(bin, "", stages[i], "run make", why))
			return false;
	if (cfg->admin.listen && !check_program(bin, "", "admin", "run make", why))
		return false;
	for (size_t i = 0; i < cfg->handlers_count; i++)
		if (cfg->handlers[i].processes &&
			!check_program(bin, "handler-", cfg->handlers[i].name,
				"build it, or give the handler `processes: 0` and start it by hand",
				why))
			return false;
	return true;
}

static bool
write_handlers(const struct config *cfg, struct error *why)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/run/handlers.conf", cfg->data_dir);
	f = fopen(path, "we");
	if (!f)
		return error_set(why, "cannot write %s: %s", path, strerror(errno));
	fputs("; Written by `trotline up`: the handlers that trotline.yaml adds.\n\n", f);
	for (size_t i = cfg->handler_unknown + 1; i < cfg->handlers_count; i++)
		fprintf(f, handler_block, cfg->handlers[i].name,
			(unsigned long long)cfg->handlers[i].processes);
	if (fclose(f) != 0)
		return error_set(why, "cannot write %s: %s", path, strerror(errno));
	return true;
}

static void
export_count(const char *kind, const char *name, uint64_t count)
{
	char key[128], value[24];

	snprintf(key, sizeof key, "TROTLINE_N_%s%s", kind, name);
	for (char *p = key; *p; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	snprintf(value, sizeof value, "%llu", (unsigned long long)count);
	setenv(key, value, 1);
}

/* supervisord takes a list of patterns: what would end or widen one becomes `?`. */
static void
export_include(const struct config *cfg)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/run/handlers.conf", cfg->data_dir);
	for (char *p = path; *p; p++)
		if (strchr(" \t[]*?", *p))
			*p = '?';
	setenv("TROTLINE_INCLUDE", path, 1);
}

static void
export_all(const struct config *cfg, const char *bin)
{
	char log[4096];

	snprintf(log, sizeof log, "%s/log", cfg->data_dir);
	setenv("TROTLINE_CONFIG", cfg->path, 1);
	setenv("TROTLINE_DATA", cfg->data_dir, 1);
	setenv("TROTLINE_LOG", log, 1);
	setenv("TROTLINE_BIN", bin, 1);
	export_include(cfg);
	export_count("", "ingress", cfg->processes.ingress);
	export_count("", "validator", cfg->processes.validator);
	export_count("", "router", cfg->processes.router);
	export_count("", "admin", cfg->admin.listen ? 1 : 0);
	for (size_t i = 0; i <= cfg->handler_unknown; i++)
		export_count("HANDLER_", cfg->handlers[i].name, cfg->handlers[i].processes);
}

/* supervisord reads these as formats and in quotes. */
static bool
check_paths(const struct config *cfg, const char *bin, struct error *why)
{
	const char *const paths[] = {cfg->path, cfg->data_dir, bin};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (strpbrk(paths[i], "%\"\\\n"))
			return error_set(why,
				"%s: supervisord cannot take a path with %%, \" or \\", paths[i]);
	return true;
}

bool
supervise_prepare(const struct config *cfg, struct error *why)
{
	char bin[4096];

	if (!find_bin(bin, sizeof bin, why) || !check_paths(cfg, bin, why) ||
		!check_programs(cfg, bin, why) || !write_handlers(cfg, why))
		return false;
	export_all(cfg, bin);
	return true;
}

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
	execlp("supervisord", "supervisord", "-c", conf, (char *)NULL);
	fprintf(stderr, "trotline up: cannot start supervisord: %s\n", strerror(errno));
	_exit(127);
}

pid_t
supervise_start(int lock, struct error *why)
{
	char bin[4096], conf[4096 + 64];
	pid_t parent = getpid(), pid;

	if (!find_bin(bin, sizeof bin, why) || !find_conf(bin, conf, sizeof conf, why))
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
