/* history_pins - how far readers have come, a small file each: pins/<name>, "<pos> <hold> <ms>". Each
 * reader writes its own; who writes the history reads them before it drops anything. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "history_private.h"
#include "lib/base/file.h"

enum { NAME_MOST = 80, TEXT_ROOM = 80 };

static bool
is_name(const char *name)
{
	const size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n > 0 && n <= NAME_MOST && !name[n];
}

static void
path_of(const char *folder, const char *name, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/pins/%s", folder, name);
}

bool
history_pin(const char *folder, const char *name, uint64_t pos, bool hold, uint64_t now_ms,
	struct error *why)
{
	char path[PATH_ROOM], text[TEXT_ROOM];
	struct slice bytes = {text, 0};

	if (!is_name(name))
		return error_set(why, "\"%s\" is no name of a reader", name);
	path_of(folder, "", path);
	if (!file_make_folder(path, why))
		return false;
	path_of(folder, name, path);
	bytes.n = (size_t)snprintf(
		text, sizeof text, "%" PRIu64 " %d %" PRIu64 "\n", pos, hold, now_ms);
	return file_replace(path, &bytes, 1, false, why);
}

bool
history_unpin(const char *folder, const char *name, struct error *why)
{
	char path[PATH_ROOM];

	if (!is_name(name))
		return error_set(why, "\"%s\" is no name of a reader", name);
	path_of(folder, name, path);
	return unlink(path) == 0 || errno == ENOENT ||
	       error_set(why, "cannot remove %s: %s", path, strerror(errno));
}

/* One that cannot be made out holds all: it is there for a reason. */
static struct history_pinned
read_pin(const char *folder, const char *name)
{
	struct history_pinned pin = {.name = name};
	char path[PATH_ROOM], text[TEXT_ROOM];
	int hold = 0;

	path_of(folder, name, path);
	file_peek(path, text, sizeof text);
	if (sscanf(text, "%" SCNu64 " %d %" SCNu64, &pin.pos, &hold, &pin.at_ms) != 3)
		pin.pos = pin.at_ms = 0;
	pin.hold = hold;
	return pin;
}

bool
history_pins(const char *folder, history_visit_pin *fn, void *arg, struct error *why)
{
	char path[PATH_ROOM];
	struct dirent *file;
	DIR *d;

	path_of(folder, "", path);
	d = opendir(path);
	if (!d)
		return errno == ENOENT ||
		       error_set(why, "cannot read folder %s: %s", path, strerror(errno));
	while ((file = readdir(d)))
		if (is_name(file->d_name)) {
			const struct history_pinned pin = read_pin(folder, file->d_name);

			fn(arg, &pin);
		}
	closedir(d);
	return true;
}
