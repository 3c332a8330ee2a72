/* stages - see stages.h.
 *
 * A lock file keeps the number of a process that is dead, and the system may have given that number
 * to somebody else: so a process counts only while the file is locked. (/proc tells no more of a
 * process that has hardened itself; see lib/base/harden.h.) */
#include "stages.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "proto/processes.h"

/* A path that no file of ours exceeds; see config.c on the length of data_dir. */
enum { PATH_BYTES = 4096 };

/* Looked at with a shared lock, for an instant; who starts just then tries more than once. */
static bool
is_locked(int fd)
{
	const bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	flock(fd, LOCK_UN);
	return locked;
}

static pid_t
holder_of(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	if (is_locked(fd) && read(fd, text, sizeof text - 1) > 0)
		pid = atoi(text);
	close(fd);
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

pid_t
stages_holder(const struct config *cfg, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/run/%s.lock", cfg->data_dir, name);
	return holder_of(path);
}

bool
stages_adopted(const struct config *cfg, struct error *why)
{
	char path[PATH_BYTES], text[256];
	struct slice by;

	snprintf(path, sizeof path, "%s/" CONFIG_ADOPTED_FILE, cfg->data_dir);
	if (access(path, F_OK) != 0)
		return false;
	file_peek(path, text, sizeof text);
	by = slice_trim(slice_of(text), " \n");
	error_set(why,
		"%s was adopted%s%.*s: nothing is started there again, give this node a new data_dir",
		cfg->data_dir, by.n ? " " : "", SLICE_ARG(by));
	return true;
}

bool
stage_lives(const struct config *cfg, const struct live_stage *stage)
{
	char name[128];

	snprintf(name, sizeof name, "%s.%zu", stage->name, stage->instance);
	return stages_holder(cfg, name) == stage->pid;
}

/* "<stage>.<instance>.lock" to its parts; false for other files. */
static bool
parse_file(const char *file, struct live_stage *stage)
{
	const char *tail = strstr(file, ".lock"), *dot;
	char *end;

	if (!tail || tail[5] || (size_t)(tail - file) >= sizeof stage->name)
		return false;
	memcpy(stage->name, file, (size_t)(tail - file));
	stage->name[tail - file] = 0;
	dot = strrchr(stage->name, '.');
	if (!dot || dot[1] < '0' || dot[1] > '9')
		return false;
	stage->instance = strtoul(dot + 1, &end, 10);
	stage->name[dot - stage->name] = 0;
	return *end == 0;
}

static int
compare(const void *a, const void *b)
{
	const struct live_stage *x = a, *y = b;
	const int places = (int)process_place(x->name) - (int)process_place(y->name);
	const int names = strcmp(x->name, y->name);

	if (places || names)
		return places ? places : names;
	return x->instance < y->instance ? -1 : x->instance > y->instance;
}

void
stages_find(const struct config *cfg, struct live_stages *out)
{
	char path[PATH_BYTES], file[PATH_BYTES + 300];
	struct dirent *entry;
	DIR *dir;

	out->n = 0;
	snprintf(path, sizeof path, "%s/run", cfg->data_dir);
	dir = opendir(path);
	while (dir && out->n < STAGES_MAX && (entry = readdir(dir))) {
		struct live_stage *stage = &out->list[out->n];

		if (!parse_file(entry->d_name, stage))
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		stage->pid = holder_of(file);
		out->n += stage->pid > 0;
	}
	if (dir)
		closedir(dir);
	qsort(out->list, out->n, sizeof *out->list, compare);
}
