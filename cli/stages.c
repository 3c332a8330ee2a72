/* stages - see stages.h.
 *
 * A lock file keeps the number of a process that is dead, and the system may have given that number
 * to somebody else: so a process counts only when it has the very file open. */
#include "stages.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/processes.h"

/* A path that no file of ours exceeds; see config.c on the length of data_dir. */
enum { PATH_BYTES = 4096 };

static bool
has_open(pid_t pid, const struct stat *file)
{
	char path[64];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
			st.st_dev == file->st_dev && st.st_ino == file->st_ino;
	if (dir)
		closedir(dir);
	return found;
}

static pid_t
holder_of(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	pid_t pid = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && read(fd, text, sizeof text - 1) > 0)
		pid = atoi(text);
	close(fd);
	return pid > 0 && has_open(pid, &st) ? pid : 0;
}

pid_t
stages_holder(const struct config *cfg, const char *name)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s/run/%s.lock", cfg->data_dir, name);
	return holder_of(path);
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
