/* guard - see guard.h. */
#include "guard.h"

struct guard
guard_of(const struct stat *file)
{
	return (struct guard){(uint64_t)file->st_dev, (uint64_t)file->st_ino};
}

struct guard
guard_at(const char *path, struct stat *file)
{
	struct stat own = {.st_size = 0}, *st = file ? file : &own;

	if (stat(path, st) == 0)
		return guard_of(st);
	*st = (struct stat){.st_size = 0};
	return (struct guard){0, 0};
}

enum store_cause
guard_look(struct guard open, struct guard now)
{
	if (now.device == open.device && now.inode == open.inode)
		return CAUSE_NONE;
	return now.inode == 0 ? CAUSE_REMOVED : CAUSE_REPLACED;
}
