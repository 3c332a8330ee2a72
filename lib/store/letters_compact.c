/* letters_compact - the file without its free pages, put in the old one's place; see letters.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "letters_private.h"
#include "lib/base/doing.h"
#include "lib/base/file.h"

enum { SPARE_BYTES = 16 << 20 }; /* a file with fewer free bytes is not worth a compaction */

static int
copy_compacted(MDB_env *env, const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	enum doing before;
	int rc;

	if (fd < 0)
		return errno;
	before = doing(DOING_COMPACT);
	rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
	if (rc == 0 && fsync(fd) != 0)
		rc = errno;
	doing(before);
	close(fd);
	return rc;
}

/* LMDB's own lock file stays: nobody has either open, so the next one sets it up anew; made anew,
 * it could be root's, and shut the service out. */
static int
put_in_place(const struct letters *l, const char *new)
{
	char path[LETTERS_PATH_BYTES];

	if (rename(new, letters_path(l, "data.mdb", path)) != 0)
		return errno;
	return file_flush_folder(l->dir) ? 0 : errno;
}

/* Copies while others read, and nobody can write; then shuts all others out for the moment that the
 * change takes. Whoever is at the store then, even one who waits to write, keeps it as it is. */
static int
replace_file(struct letters *l, const char *new)
{
	MDB_txn *still;
	bool alone = false;
	int rc = lmdb_begin(l->env, 0, &still);

	if (rc != 0)
		return rc;
	rc = copy_compacted(l->env, new);
	if (rc == 0)
		alone = flock(l->lock, LOCK_EX | LOCK_NB) == 0;
	mdb_txn_abort(still);
	lmdb_close(&l->env);
	return rc == 0 && alone ? put_in_place(l, new) : rc;
}

static bool
is_worth_it(const struct letters_stat *st)
{
	return st->file_bytes > 2 * st->used_bytes + SPARE_BYTES;
}

bool
letters_compact(struct letters *l, uint64_t *saved, struct error *why)
{
	struct letters_stat before;
	char new[LETTERS_PATH_BYTES];
	uint64_t after;
	int rc;

	*saved = 0;
	if (!letters_stat(l, &before) || !is_worth_it(&before))
		return true;
	letters_path(l, "data.mdb.new", new);
	rc = letters_enter(l);
	if (rc == 0) {
		rc = replace_file(l, new);
		letters_leave(l);
	}
	unlink(new);
	if (rc != 0)
		return error_set(why, "cannot compact the dead letters: %s", lmdb_words(rc));
	after = letters_file_bytes(l);
	*saved = before.file_bytes > after ? before.file_bytes - after : 0;
	return true;
}
