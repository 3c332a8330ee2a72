/* letters - see letters.h. */
#include "letters.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"

enum {
	JOURNAL_LEN = 16,
	KEY_LEN = JOURNAL_LEN + 8,
	READERS = 64,
	KEPT_FREE = 8,          /* one part in so many is for deleting */
	ROW_BYTES = 64,         /* a row's key and header */
	SPARE_BYTES = 16 << 20, /* a file with fewer free bytes is not worth a compaction */
	PATH_BYTES = 4096,
};

_Static_assert(sizeof((struct letters_place *)NULL)->key == KEY_LEN, "a place is a key");

struct letters {
	enum letters_use use;
	int lock;     /* dlq/lock, -1 before there is one; flock'd shared while `env` is open */
	MDB_env *env; /* while users > 0 */
	unsigned users;
	MDB_dbi letters, dropped;
	MDB_txn *write, *read;
	msgpack_zone zone;
	uint64_t max_bytes, limit_bytes;
	int last; /* code of the last failure */
	char dir[PATH_BYTES - 64];
};

static bool
fail(struct letters *l, int rc, const char *what, struct error *why)
{
	letters_abort(l);
	l->last = rc;
	return error_set(why, "%s: %s", what,
		rc == MDB_MAP_FULL ? "the store of dead letters is full (dlq.max_size)"
				   : mdb_strerror(rc));
}

bool
letters_full(const struct letters *l)
{
	return l->last == MDB_MAP_FULL || l->last == ENOSPC || l->last == EDQUOT;
}

static const char *
path_of(const struct letters *l, const char *file, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s", l->dir, file);
	return path;
}

static int
open_lock(struct letters *l)
{
	const int make = l->use == LETTERS_KEEP ? O_CREAT : 0;
	char path[PATH_BYTES];

	if (l->use == LETTERS_KEEP && !file_make_folder(l->dir, NULL))
		return errno;
	l->lock = open(path_of(l, "lock", path), O_RDWR | O_CLOEXEC | make, 0600);
	return l->lock >= 0 ? 0 : errno;
}

static int
lock_shared(struct letters *l)
{
	int rc = l->lock >= 0 ? 0 : open_lock(l);

	while (rc == 0 && flock(l->lock, LOCK_SH) != 0)
		if (errno != EINTR)
			rc = errno;
	return rc;
}

static uint64_t
file_size(const struct letters *l)
{
	char path[PATH_BYTES];
	struct stat st;

	return stat(path_of(l, "data.mdb", path), &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* A file that is larger than dlq.max_size, which was lowered, must still be emptied. */
static uint64_t
map_size(const struct letters *l)
{
	const uint64_t file = file_size(l);
	const uint64_t bytes = file > l->max_bytes ? file + l->max_bytes / KEPT_FREE : l->max_bytes;

	return bytes & ~(uint64_t)0xffff;
}

static int
open_tables(struct letters *l)
{
	const unsigned watch = l->use == LETTERS_WATCH ? MDB_RDONLY : 0;
	const unsigned make = watch ? 0 : MDB_CREATE;
	MDB_txn *txn;
	int rc = mdb_txn_begin(l->env, NULL, watch, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "letters", make, &l->letters);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "dropped", make, &l->dropped);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static int
open_env(struct letters *l)
{
	const unsigned watch = l->use == LETTERS_WATCH ? MDB_RDONLY : 0;
	int rc = mdb_env_create(&l->env);

	if (rc != 0)
		return rc;
	mdb_env_set_maxdbs(l->env, 2);
	mdb_env_set_maxreaders(l->env, READERS);
	mdb_env_set_mapsize(l->env, map_size(l));
	rc = mdb_env_open(l->env, l->dir, MDB_NOTLS | MDB_NORDAHEAD | watch, 0600);
	if (rc == 0)
		rc = mdb_reader_check(l->env, NULL);
	return rc ? rc : open_tables(l);
}

static void
close_env(struct letters *l)
{
	if (l->env)
		mdb_env_close(l->env);
	l->env = NULL;
	if (l->lock >= 0)
		flock(l->lock, LOCK_UN);
}

/* Every snapshot and every group is one user. */
static int
enter(struct letters *l)
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

static void
leave(struct letters *l)
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
	if (rc == 0 && use == LETTERS_KEEP && (rc = enter(l)) == 0)
		leave(l);
	if (rc == 0)
		return l;
	error_set(
		why, "cannot open the dead letters in %s/dlq: %s", cfg->data_dir, mdb_strerror(rc));
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

/* Sorts by journal, then by place in it. */
static void
make_key(struct slice journal, uint64_t seq, unsigned char key[KEY_LEN])
{
	memset(key, 0, KEY_LEN);
	memcpy(key, journal.p, journal.n < JOURNAL_LEN ? journal.n : JOURNAL_LEN);
	for (int i = 0; i < 8; i++)
		key[JOURNAL_LEN + i] = (unsigned char)(seq >> (56 - 8 * i));
}

/* ---- writing ---- */

bool
letters_begin(struct letters *l, struct error *why)
{
	int rc = enter(l);

	l->last = 0;
	if (rc == 0 && (rc = mdb_txn_begin(l->env, NULL, 0, &l->write)) != 0) {
		l->write = NULL;
		leave(l);
	}
	return rc == 0 || fail(l, rc, "cannot write to the dead letters", why);
}

static uint64_t
pages_of(MDB_txn *txn, MDB_dbi table, uint64_t *rows)
{
	MDB_stat st;

	if (mdb_stat(txn, table, &st) != 0)
		return 0;
	*rows = st.ms_entries;
	return (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) *
	       (uint64_t)st.ms_psize;
}

static uint64_t
used_bytes(const struct letters *l, MDB_txn *txn)
{
	uint64_t rows;

	return pages_of(txn, l->letters, &rows) + pages_of(txn, l->dropped, &rows);
}

bool
letters_put(struct letters *l, const struct dead *letter, struct slice frame, struct error *why)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value = {frame.n, (void *)(uintptr_t)frame.p};
	int rc = MDB_MAP_FULL;

	make_key(letter->journal, letter->seq, bytes);
	if (used_bytes(l, l->write) + frame.n + ROW_BYTES <= l->limit_bytes)
		rc = mdb_put(l->write, l->letters, &key, &value, 0);
	return rc == 0 || fail(l, rc, "cannot store a dead letter", why);
}

static int
delete_row(struct letters *l, MDB_dbi table, struct slice journal, uint64_t seq)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes};
	int rc;

	make_key(journal, seq, bytes);
	rc = mdb_del(l->write, table, &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

bool
letters_remove(struct letters *l, struct slice journal, uint64_t seq, struct error *why)
{
	const int rc = delete_row(l, l->letters, journal, seq);

	return rc == 0 || fail(l, rc, "cannot remove a dead letter", why);
}

/* The event without its own fields; nothing when it cannot be read. */
static bool
pack_envelope(struct slice frame, msgpack_sbuffer *out)
{
	msgpack_zone zone;
	struct event ev;
	bool good = true;

	msgpack_zone_init(&zone, 4096);
	if (frame_unpack(&event_schema, frame.p, frame.n, &zone, &ev, NULL)) {
		ev.data = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
		good = frame_pack(&event_schema, &ev, out);
	}
	msgpack_zone_destroy(&zone);
	return good;
}

/* What is left of a dropped letter, packed: its texts may point into the page that is about to
 * change. */
static bool
pack_note(const struct dead *letter, uint64_t now_ms, msgpack_sbuffer *out)
{
	struct dead note = *letter;
	msgpack_sbuffer envelope;
	char reason[512];
	int n = snprintf(reason, sizeof reason, "dropped by an operator; before that: %.*s",
		SLICE_ARG(letter->reason));
	bool good;

	note.reason =
		(struct slice){reason, n < (int)sizeof reason ? (size_t)n : sizeof reason - 1};
	note.failed_at = now_ms;
	msgpack_sbuffer_init(&envelope);
	good = pack_envelope(letter->event, &envelope);
	note.event = (struct slice){envelope.data ? envelope.data : "", envelope.size};
	good = good && frame_pack(&dead_schema, &note, out);
	msgpack_sbuffer_destroy(&envelope);
	return good;
}

static int
put_note(struct letters *l, const struct dead *letter, const msgpack_sbuffer *note)
{
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value = {note->size, note->data};

	make_key(letter->journal, letter->seq, bytes);
	return mdb_put(l->write, l->dropped, &key, &value, 0);
}

bool
letters_drop(
	struct letters *l, struct slice journal, uint64_t seq, uint64_t now_ms, struct error *why)
{
	msgpack_sbuffer note;
	struct dead letter;
	int rc = 0;

	if (!letters_find(l, journal, seq, &letter))
		return letters_remove(l, journal, seq, why);
	msgpack_sbuffer_init(&note);
	if (!pack_note(&letter, now_ms, &note))
		rc = ENOMEM;
	letter.journal = journal;
	if (rc == 0)
		rc = delete_row(l, l->letters, journal, seq);
	if (rc == 0)
		rc = put_note(l, &letter, &note);
	msgpack_sbuffer_destroy(&note);
	return rc == 0 || fail(l, rc, "cannot drop a dead letter", why);
}

static bool
unpack(struct letters *l, const MDB_val *value, struct dead *letter)
{
	msgpack_zone_clear(&l->zone);
	return frame_unpack(&dead_schema, value->mv_data, value->mv_size, &l->zone, letter, NULL);
}

bool
letters_forget(struct letters *l, uint64_t before_ms, struct error *why)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct dead note;
	int rc = mdb_cursor_open(l->write, l->dropped, &cursor);

	if (rc != 0)
		return fail(l, rc, "cannot forget dropped letters", why);
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		if ((!unpack(l, &value, &note) || note.failed_at < before_ms) &&
			(rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND || fail(l, rc, "cannot forget dropped letters", why);
}

bool
letters_commit(struct letters *l, struct error *why)
{
	int rc;

	if (!l->write)
		return error_set(why, "cannot commit dead letters: the group is over");
	rc = mdb_txn_commit(l->write);
	l->write = NULL;
	leave(l);
	return rc == 0 || fail(l, rc, "cannot commit dead letters", why);
}

void
letters_abort(struct letters *l)
{
	if (!l->write)
		return;
	mdb_txn_abort(l->write);
	l->write = NULL;
	leave(l);
}

/* ---- reading ---- */

/* A watcher meets no store, or one whose maker is not done with it. */
static bool
is_empty(const struct letters *l, int rc)
{
	return l->use == LETTERS_WATCH && (rc == ENOENT || rc == MDB_NOTFOUND);
}

bool
letters_read_begin(struct letters *l, struct error *why)
{
	int rc;

	if (l->read)
		return error_set(why, "the dead letters are being read already");
	rc = enter(l);
	if (is_empty(l, rc))
		return true;
	if (rc == 0 && (rc = mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->read)) != 0) {
		l->read = NULL;
		leave(l);
	}
	if (rc == 0)
		return true;
	return error_set(why, "cannot read the dead letters: %s", mdb_strerror(rc));
}

void
letters_read_end(struct letters *l)
{
	if (!l->read)
		return;
	mdb_txn_abort(l->read);
	l->read = NULL;
	leave(l);
}

static bool
find_in(struct letters *l, MDB_dbi table, struct slice journal, uint64_t seq, struct dead *letter)
{
	MDB_txn *txn = l->write ? l->write : l->read;
	unsigned char bytes[KEY_LEN];
	MDB_val key = {sizeof bytes, bytes}, value;

	make_key(journal, seq, bytes);
	return txn && mdb_get(txn, table, &key, &value) == 0 && unpack(l, &value, letter);
}

bool
letters_find(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter)
{
	return find_in(l, l->letters, journal, seq, letter);
}

bool
letters_find_dropped(struct letters *l, struct slice journal, uint64_t seq, struct dead *letter)
{
	return find_in(l, l->dropped, journal, seq, letter);
}

/* Puts the cursor on the row after (before) the place. */
static int
step(MDB_cursor *cursor, const struct letters_place *place, bool back, MDB_val *key, MDB_val *value)
{
	int rc;

	*key = (MDB_val){KEY_LEN, (void *)(uintptr_t)place->key};
	if (!place->started)
		return mdb_cursor_get(cursor, key, value, back ? MDB_LAST : MDB_FIRST);
	rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (back)
		return mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
	if (rc == 0 && key->mv_size == KEY_LEN && memcmp(key->mv_data, place->key, KEY_LEN) == 0)
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return rc;
}

/* A row that cannot be read is passed over. */
static bool
walk_on(struct letters *l, MDB_dbi table, struct letters_place *place, bool back,
	struct dead *letter)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	bool found = false;

	if (!l->read || mdb_cursor_open(l->read, table, &cursor) != 0)
		return false;
	while (!found && step(cursor, place, back, &key, &value) == 0 && key.mv_size == KEY_LEN) {
		memcpy(place->key, key.mv_data, KEY_LEN);
		place->started = true;
		found = unpack(l, &value, letter);
	}
	mdb_cursor_close(cursor);
	return found;
}

bool
letters_next(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->letters, place, false, letter);
}

bool
letters_previous(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->letters, place, true, letter);
}

bool
letters_next_dropped(struct letters *l, struct letters_place *place, struct dead *letter)
{
	return walk_on(l, l->dropped, place, false, letter);
}

struct letters_place
letters_from(struct slice journal, uint64_t seq)
{
	struct letters_place place = {.started = true};

	make_key(journal, seq ? seq - 1 : 0, place.key);
	return place;
}

void
letters_walk(struct letters *l, letters_visit *fn, void *arg)
{
	struct letters_place place = {.started = false};
	struct dead letter;

	while (letters_next(l, &place, &letter) && fn(arg, &letter))
		;
}

bool
letters_stat(struct letters *l, struct letters_stat *st)
{
	*st = (struct letters_stat){.limit_bytes = l->limit_bytes};
	if (!letters_read_begin(l, NULL))
		return false;
	if (l->read) {
		st->used_bytes = pages_of(l->read, l->letters, &st->count) +
				 pages_of(l->read, l->dropped, &st->dropped);
		st->file_bytes = file_size(l);
	}
	letters_read_end(l);
	return true;
}

/* ---- compaction ---- */

static int
copy_compacted(MDB_env *env, const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return errno;
	rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
	if (rc == 0 && fsync(fd) != 0)
		rc = errno;
	close(fd);
	return rc;
}

/* LMDB's own lock file stays: nobody has either open, so the next one sets it up anew; made anew,
 * it could be root's, and shut the service out. */
static int
put_in_place(const struct letters *l, const char *new)
{
	char path[PATH_BYTES];

	if (rename(new, path_of(l, "data.mdb", path)) != 0)
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
	int rc = mdb_txn_begin(l->env, NULL, 0, &still);

	if (rc != 0)
		return rc;
	rc = copy_compacted(l->env, new);
	if (rc == 0)
		alone = flock(l->lock, LOCK_EX | LOCK_NB) == 0;
	mdb_txn_abort(still);
	mdb_env_close(l->env);
	l->env = NULL;
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
	char new[PATH_BYTES];
	uint64_t after;
	int rc;

	*saved = 0;
	if (!letters_stat(l, &before) || !is_worth_it(&before))
		return true;
	path_of(l, "data.mdb.new", new);
	rc = enter(l);
	if (rc == 0) {
		rc = replace_file(l, new);
		leave(l);
	}
	unlink(new);
	if (rc != 0)
		return error_set(why, "cannot compact the dead letters: %s", mdb_strerror(rc));
	after = file_size(l);
	*saved = before.file_bytes > after ? before.file_bytes - after : 0;
	return true;
}
