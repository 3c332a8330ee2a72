/* history_names - which segments a folder holds, by the names of its files. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "history_private.h"

static void
day_text(uint32_t day, char out[16])
{
	const time_t at = (time_t)day * 86400;
	struct tm t;

	gmtime_r(&at, &t);
	strftime(out, 16, "%Y-%m-%d", &t);
}

char *
name_path(const char *folder, const struct segment_name *name, char *path)
{
	char day[16];

	day_text(name->day, day);
	if (name->last)
		snprintf(path, PATH_ROOM, "%s/%s.%" PRIu64 "-%" PRIu64, folder, day, name->first,
			name->last);
	else
		snprintf(path, PATH_ROOM, "%s/open.%" PRIu64, folder, name->first);
	return path;
}

/* A name is one if it is what would be written for it. */
static bool
is_written(const struct segment_name *name, const char *file)
{
	char path[PATH_ROOM];

	return strcmp(name_path("", name, path) + 1, file) == 0;
}

static bool
read_name(const char *file, struct segment_name *name)
{
	struct tm t = {0};
	int year, month, mday;

	*name = (struct segment_name){0};
	if (sscanf(file, "open.%" SCNu64, &name->first) == 1)
		return name->first && is_written(name, file);
	if (sscanf(file, "%4d-%2d-%2d.%" SCNu64 "-%" SCNu64, &year, &month, &mday, &name->first,
		    &name->last) != 5)
		return false;
	t.tm_year = year - 1900, t.tm_mon = month - 1, t.tm_mday = mday;
	name->day = (uint32_t)(timegm(&t) / 86400);
	return name->first && name->last >= name->first && is_written(name, file);
}

static bool
add(struct segment_names *names, const struct segment_name *name)
{
	struct segment_name *grown;

	if (names->n == names->room) {
		names->room = names->room ? names->room * 2 : 64;
		grown = realloc(names->list, names->room * sizeof *grown);
		if (!grown)
			return false;
		names->list = grown;
	}
	names->list[names->n++] = *name;
	return true;
}

/* The one that has more comes first. */
static int
by_first(const void *a, const void *b)
{
	const struct segment_name *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->last < y->last) - (x->last > y->last);
}

static void
tell(name_stray *stray, void *arg, const struct segment_name *name)
{
	char path[PATH_ROOM];

	if (stray)
		stray(arg, name_path("", name, path) + 1);
}

/* Takes out what lies within the numbers of a sealed one. */
static void
keep_widest(struct segment_names *names, name_stray *stray, void *arg)
{
	size_t kept = 0;
	uint64_t covered = 0;

	for (size_t i = 0; i < names->n; i++) {
		const struct segment_name name = names->list[i];
		const bool inside = name.last ? name.last <= covered : name.first <= covered;

		if (inside)
			tell(stray, arg, &name);
		else
			names->list[kept++] = name;
		if (name.last > covered)
			covered = name.last;
	}
	names->n = kept;
}

static bool
read_folder(DIR *d, struct segment_names *out, name_stray *stray, void *arg)
{
	struct segment_name name;
	struct dirent *file;

	while ((file = readdir(d))) {
		if (read_name(file->d_name, &name)) {
			if (!add(out, &name))
				return false;
		} else if (stray) {
			stray(arg, file->d_name);
		}
	}
	return true;
}

bool
names_list(const char *folder, struct segment_names *out, name_stray *stray, void *arg,
	struct error *why)
{
	DIR *d = opendir(folder);
	bool good;

	out->n = 0;
	if (!d)
		return error_set(why, "cannot read folder %s: %s", folder, strerror(errno));
	good = read_folder(d, out, stray, arg);
	closedir(d);
	if (!good)
		return error_set(why, "out of memory");
	if (out->n)
		qsort(out->list, out->n, sizeof *out->list, by_first);
	keep_widest(out, stray, arg);
	return true;
}

void
names_free(struct segment_names *names)
{
	free(names->list);
	*names = (struct segment_names){0};
}

uint64_t
name_bytes(const char *folder, const struct segment_name *name)
{
	char path[PATH_ROOM + 4];
	struct stat st;
	uint64_t bytes = stat(name_path(folder, name, path), &st) == 0 ? (uint64_t)st.st_size : 0;

	if (!name->last) {
		strcat(path, "-wal");
		bytes += stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	return bytes;
}

/* The file first: what is without it is a stray. */
bool
name_unlink(const char *folder, const struct segment_name *name)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[PATH_ROOM], more[PATH_ROOM + 4];
	bool good = true;

	name_path(folder, name, path);
	for (size_t i = 0; i < (name->last ? 1 : 3); i++) {
		snprintf(more, sizeof more, "%s%s", path, ends[i]);
		good &= unlink(more) == 0 || errno == ENOENT;
	}
	return good;
}
