/* guard - is the file that is open still the one that stands at its path? For every store: what was
 * written to a file that has been removed or replaced is not there after a restart, and so must not be
 * told of. A look is one system call. */
#ifndef TROTLINE_STORE_GUARD_H
#define TROTLINE_STORE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "proto/causes.h"

/* Which file: {0} for none. What an open file has is given to no other. */
struct guard {
	uint64_t device, inode;
};

struct guard guard_of(const struct stat *file);

/* What stands at a path now; *file, which may be NULL, is zeroed when nothing does. */
struct guard guard_at(const char *path, struct stat *file);

/* CAUSE_NONE when that is the same; CAUSE_REMOVED where nothing is, else CAUSE_REPLACED. */
enum store_cause guard_look(struct guard open, struct guard now);

#endif
