/* letters - opening, the lock, and what the store takes; see letters.h for the whole. */
#include "letters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guard.h"
#include "letters_private.h"
#include "lib/base/file.h"

enum {
	READERS = 64,
	KEPT_FREE = 8, /* one part in so many is for deleting */
};

_Static_assert(sizeof((struct letters_place *)NULL)->key == LETTERS_KEY_BYTES, "a place is a key");

bool
letters_fail(struct letters *l, int rc, const char *what, struct error *why)
{
	letters_abort(l);
	l->last = lmdb_trouble(rc, what, "the store of dead letters is full (dlq.max_size)", why);
	return false;
}

enum store_rc
letters_result(const struct letters *l)
{
	return l->last;
}

const char *
letters_path(const struct letters *l, const char *file, char path[LETTERS_PATH_BYTES])
{
	snprintf(path, LETTERS_PATH_BYTES, "%s/%s", l->dir, file);
	return path;
}

static int
open_lock(struct letters *l)
{
	const int make = l->use == LETTERS_KEEP ? O_CREAT : 0;
	char path[LETTERS_PATH_BYTES];

	if (l->use == LETTERS_KEEP && !file_make_folder(l->dir, NULL))
		return errno;
	l->lock = open(letters_path(l, "lock", path), O_RDWR | O_CLOEXEC | make, 0600);
	if (l->lock < 0 && l->use == LETTERS_WATCH && (errno == EROFS || errno == EACCES))
		l->lock = open(path, O_RDONLY | O_CLOEXEC);
	return l->lock >= 0 ? 0 : errno;
}

/* Who removes the store removes its lock; one that stands nowhere locks nobody out. */
static bool
lock_stands(const struct letters *l)
{
	char path[LETTERS_PATH_BYTES];
	struct stat open;

	return fstat(l->lock, &open) == 0 &&
	       guard_look(guard_of(&open), guard_at(letters_path(l, "lock", path), NULL)) ==
		       CAUSE_NONE;
}

static int
lock_once(struct letters *l)
{
	int rc = l->lock >= 0 ? 0 : open_lock(l);

	while (rc == 0 && flock(l->lock, LOCK_SH) != 0)
		if (errno != EINTR)
			rc = errno;
	return rc;
}

static int
lock_shared(struct letters *l)
{
	int rc = lock_once(l);

	while (rc == 0 && !lock_stands(l)) {
		close(l->lock);
		l->lock = -1;
		rc = lock_once(l);
	}
	return rc;
}

uint64_t
letters_file_bytes(const struct letters *l)
{
	char path[LETTERS_PATH_BYTES];
	struct stat st;

	return stat(letters_path(l, "data.mdb", path), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* A file that is larger than dlq.max_size, which was lowered, must still be emptied. */
static uint64_t
map_size(const struct letters *l)
{
	const uint64_t file = letters_file_bytes(l);

	return file > l->max_bytes ? file + l->max_bytes / KEPT_FREE : l->max_bytes;
}

static int
open_env(struct letters *l)
{
	const struct lmdb_table tables[] = {
		{"letters", 0, &l->letters, NULL},
		{"dropped", 0, &l->dropped, NULL},
	};
	const struct lmdb_plan plan = {
		l->dir, map_size(l), READERS, l->use == LETTERS_WATCH, tables, 2};

	return lmdb_open(&plan, &l->env);
}

static void
close_env(struct letters *l)
{
	lmdb_close(&l->env);
	if (l->lock >= 0)
		flock(l->lock, LOCK_UN);
}

int
letters_enter(struct letters *l)
{
	int rc = 0;

	if (l->users == 0)
		rc = lock_shared(l);
	if (rc == 0 && l->users == 0)
		rc = open_env(l);
	if (rc == 0)
		l->users++;
	else if (l->users == 0)
		close_env(l);
	return rc;
}

void
letters_leave(struct letters *l)
{
	if (--l->users == 0)
		close_env(l);
}

void
letters_limit(struct letters *l, const struct config *cfg)
{
	l->max_bytes = cfg->dlq.max_bytes;
	l->limit_bytes = cfg->dlq.max_bytes - cfg->dlq.max_bytes / KEPT_FREE;
}

struct letters *
letters_open(const struct config *cfg, enum letters_use use, struct error *why)
{
	struct letters *l = calloc(1, sizeof *l);
	int rc = l ? 0 : ENOMEM;

	if (l) {
		msgpack_zone_init(&l->zone, 4096);
		l->use = use;
		l->lock = -1;
		letters_limit(l, cfg);
		if ((size_t)snprintf(l->dir, sizeof l->dir, "%s/dlq", cfg->data_dir) >=
			sizeof l->dir)
			rc = ENAMETOOLONG;
	}
	if (rc == 0 && use == LETTERS_KEEP && (rc = letters_enter(l)) == 0)
		letters_leave(l);
	if (rc == 0)
		return l;
	error_set(why, "cannot open the dead letters in %s/dlq: %s", cfg->data_dir, lmdb_words(rc));
	letters_close(&l);
	return NULL;
}

void
letters_close(struct letters **l_p)
{
	struct letters *l = *l_p;

	if (!l)
		return;
	letters_abort(l);
	letters_read_end(l);
	if (l->lock >= 0)
		close(l->lock);
	msgpack_zone_destroy(&l->zone);
	free(l);
	*l_p = NULL;
}

bool
letters_stat(struct letters *l, struct letters_stat *st)
{
	*st = (struct letters_stat){.limit_bytes = l->limit_bytes};
	if (!letters_read_begin(l, NULL))
		return false;
	if (l->read) {
		st->count = lmdb_rows(l->read, l->letters);
		st->dropped = lmdb_rows(l->read, l->dropped);
		st->used_bytes = lmdb_used(l->read, l->letters) + lmdb_used(l->read, l->dropped);
		st->file_bytes = letters_file_bytes(l);
		st->changes = mdb_txn_id(l->read);
	}
	letters_read_end(l);
	return true;
}
