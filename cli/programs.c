/* programs - see programs.h.
 *
 * In: the table of processes, the configuration. Out: text. supervisord reads it in three ways: a
 * blank and ; or # begin a comment, % begins an expansion, and a command is taken apart as a shell
 * would. So a path in a command has a backslash before whatever is not plain; elsewhere there is no
 * way to say a path with such a comment in it, and it is refused. */
#include "programs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/config/config_descriptors.h"
#include "lib/config/config_processes.h"

enum { PATH_BYTES = 4096 };

struct printing {
	const struct config *cfg;
	FILE *to;
	char bin[PATH_BYTES];
	struct planned_process plan[PLAN_MAX];
	size_t n;
};

static const char intro[] =
	"; The pipeline of %s under supervisord: a program for each process.\n"
	"; Written by trotline: `trotline up` writes it anew at each start, `trotline supervisord`\n"
	"; prints it.\n"
	";\n"
	"; A lower priority starts first and stops last, so a stop drains from front to back. What\n"
	"; ends by itself is started again within a second, however often (startsecs=0: it never\n"
	"; counts as failed for good); but not after status 100, which says that its configuration\n"
	"; or its command line is wrong.\n\n";

static const char body[] = "startsecs=0\n"
			   "autorestart=unexpected\n"
			   "exitcodes=100\n"
			   "stopsignal=TERM\n"
			   "stopwaitsecs=20\n"
			   "redirect_stderr=true\n"
			   "stdout_logfile_maxbytes=10MB\n"
			   "stdout_logfile_backups=3\n";

/* The folder of this program, without a slash at its end. */
static bool
find_bin(char *out, size_t n, struct error *why)
{
	const ssize_t length = readlink("/proc/self/exe", out, n - 1);

	if (length < 0)
		return error_set(why, "cannot find my own folder: %s", strerror(errno));
	out[length] = '\0';
	*strrchr(out, '/') = '\0';
	return true;
}

static bool
check_program(const char *bin, const struct planned_process *p, struct error *why)
{
	char path[PATH_BYTES + PROCESS_NAME_BYTES + 16];

	snprintf(path, sizeof path, "%s/trotline-%s", bin, p->name);
	return access(path, X_OK) == 0 ||
	       error_set(why, "%s is missing; %s", path,
		       p->handler
			       ? "build it, or give the handler `processes: 0` and start it by hand"
			       : "run make");
}

bool
programs_check(const struct config *cfg, struct error *why)
{
	struct planned_process plan[PLAN_MAX];
	const size_t n = config_processes(cfg, plan);
	char bin[PATH_BYTES];
	bool good = find_bin(bin, sizeof bin, why);

	for (size_t i = 0; good && i < n; i++)
		good = plan[i].wanted == 0 || check_program(bin, &plan[i], why);
	return good;
}

static bool
check_path(const char *path, bool in_command, struct error *why)
{
	for (const char *p = path; *p; p++) {
		if (iscntrl((unsigned char)*p))
			return error_set(
				why, "%s: supervisord takes no control character in a path", path);
		if (!in_command && *p == ' ' && (p[1] == ';' || p[1] == '#'))
			return error_set(why,
				"%s: supervisord takes a blank and %c in a path as the beginning of a comment; choose another data_dir",
				path, p[1]);
	}
	return true;
}

/* A path as a value, or a part of one; percent: how a % is said in it. */
static void
print_path(FILE *to, const char *path, const char *percent)
{
	for (; *path; path++)
		fputs(*path == '%' ? percent : (char[]){*path, 0}, to);
}

/* The same as a word of a command. */
static void
print_word(FILE *to, const char *word)
{
	for (; *word; word++) {
		const unsigned char c = (unsigned char)*word;

		if (c < 0x80 && !isalnum(c) && !strchr("/._-+@:,=", c))
			fputc('\\', to);
		fputs(c == '%' ? "%%" : (char[]){*word, 0}, to);
	}
}

static void
print_data(const struct printing *p, const char *key, const char *tail)
{
	fprintf(p->to, "%s", key);
	print_path(p->to, p->cfg->data_dir, "%%");
	fprintf(p->to, "%s\n", tail);
}

/* This one value supervisord expands twice. */
static void
print_log(const struct printing *p)
{
	fprintf(p->to, "stdout_logfile=");
	print_path(p->to, p->cfg->data_dir, "%%%%");
	fprintf(p->to, "/log/%%(program_name)s.%%(process_num)d.log\n");
}

static void
print_head(const struct printing *p)
{
	fprintf(p->to, intro, p->cfg->path);
	fprintf(p->to, "[supervisord]\nsilent=true\numask=077\nminfds=%zu\n",
		config_descriptors(p->cfg, "supervisord"));
	print_data(p, "logfile=", "/log/supervisord.log");
	fprintf(p->to, "logfile_maxbytes=10MB\nlogfile_backups=3\n");
	print_data(p, "pidfile=", "/run/supervisord.pid");
	print_data(p, "\n[unix_http_server]\nfile=", "/run/supervisor.sock");
	fprintf(p->to,
		"chmod=0700\n\n[rpcinterface:supervisor]\n"
		"supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n");
	print_data(p, "\n[supervisorctl]\nserverurl=unix://", "/run/supervisor.sock");
}

static size_t
priority_of(const struct process_row *row)
{
	return 10 * (size_t)(process_table + PROCESSES_COUNT - row);
}

static void
print_program(const struct printing *p, const struct planned_process *one)
{
	char program[PROCESS_NAME_BYTES + 16];

	fprintf(p->to, "\n[program:%s]\ncommand=", one->name);
	print_word(p->to, p->bin);
	snprintf(program, sizeof program, "/trotline-%s", one->name);
	print_word(p->to, program);
	fprintf(p->to, " -c ");
	print_word(p->to, p->cfg->path);
	fprintf(p->to, " -i %%(process_num)d\nprocess_name=%%(program_name)s.%%(process_num)d\n");
	fprintf(p->to, "numprocs=%llu\npriority=%zu\n", (unsigned long long)one->wanted,
		priority_of(one->row));
	print_log(p);
	fprintf(p->to, "%s", body);
}

/* All handlers in one group: they stop together. */
static void
print_group(const struct printing *p, const struct process_row *row)
{
	const char *comma = "";

	for (size_t i = 0; i < p->n; i++) {
		if (p->plan[i].row != row || p->plan[i].wanted == 0)
			continue;
		if (!*comma)
			fprintf(p->to, "\n[group:%.*ss]\npriority=%zu\nprograms=",
				(int)strlen(row->name) - 1, row->name, priority_of(row));
		fprintf(p->to, "%s%s", comma, p->plan[i].name);
		comma = ",";
	}
	if (*comma)
		fputc('\n', p->to);
}

bool
programs_print(const struct config *cfg, FILE *to, struct error *why)
{
	struct printing p = {.cfg = cfg, .to = to};

	if (!find_bin(p.bin, sizeof p.bin, why) || !check_path(p.bin, true, why) ||
		!check_path(cfg->path, true, why) || !check_path(cfg->data_dir, false, why))
		return false;
	p.n = config_processes(cfg, p.plan);
	print_head(&p);
	for (size_t i = 0; i < PROCESSES_COUNT; i++)
		if (process_table[i].count == COUNT_HANDLERS)
			print_group(&p, &process_table[i]);
	for (size_t i = 0; i < p.n; i++)
		if (p.plan[i].wanted > 0)
			print_program(&p, &p.plan[i]);
	return !ferror(to) || error_set(why, "cannot write: %s", strerror(errno));
}

bool
programs_write(const struct config *cfg, char *out, size_t size, struct error *why)
{
	struct slice text = {NULL, 0};
	char *bytes = NULL;
	FILE *to = open_memstream(&bytes, &text.n);
	bool good = to && programs_print(cfg, to, why);

	if (!to)
		return error_set(why, "memory is short");
	good = fclose(to) == 0 && good;
	text.p = bytes;
	snprintf(out, size, "%s/run/supervisord.conf", cfg->data_dir);
	good = good && file_replace(out, &text, 1, false, why);
	free(bytes);
	return good;
}
