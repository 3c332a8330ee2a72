/* state_sqlite_guard - is state.db still the file that was opened, and what stands in it what we wrote?
 *
 * Whoever commits looks with the turn taken, before, and again after the flush. Which files are open is
 * asked of their inodes. What somebody has written over state.db is seen by its time and size: each
 * process leaves in state.lock, before it gives the turn on, how it has left the files (the mark). A
 * kill between a write and its mark is told by `writing`, which is flushed, so that a power cut leaves it
 * too; another program's checkpoint by the counts of pages that SQLite has written back, or is at.
 *
 * - state.db-wal or -shm is gone, state.db is as it was: all that is committed is written into state.db
 *   from the open log, at once; nothing is lost.
 * - state.db itself is gone or another: so is what was in it. Its log, which would spoil what stands
 *   there now, is set aside as state.db-wal.replaced. First it must have been still for a second: who
 *   puts a backup back may be at it.
 * Whether what stands there has the event that was applied last tells whether anything is lost.
 * Then all files are opened anew, by the other processes too: the mark's generation is another. */
#include "state_sqlite_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/doing.h"

enum { STILL_MS = 1000, SHM_BYTES = 32768 };

static const char MAGIC[8] = "trotmrk1";

/* What stands at the paths. */
struct seen {
	struct state_files files;
	struct file_mark db, wal;
};

static struct file_mark
look_at(const struct state_db *db, const char *suffix)
{
	char path[STATE_PATH_BYTES];
	struct file_mark mark;
	struct stat st;

	snprintf(path, sizeof path, "%s/state.db%s", db->dir, suffix);
	mark.file = guard_at(path, &st);
	mark.bytes = (uint64_t)st.st_size;
	mark.written_ns =
		(uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
	return mark;
}

static struct seen
look(const struct state_db *db)
{
	struct seen seen = {.db = look_at(db, ""), .wal = look_at(db, "-wal")};

	seen.files = (struct state_files){seen.db.file, seen.wal.file, look_at(db, "-shm").file};
	return seen;
}

static bool
is_same(const struct file_mark *a, const struct file_mark *b)
{
	return guard_look(a->file, b->file) == CAUSE_NONE && a->bytes == b->bytes &&
	       a->written_ns == b->written_ns;
}

/* As another process has left it, or this one, where there is none to be read. */
static struct mark
read_mark(const struct state_db *db)
{
	struct mark mark;

	if (pread(db->turn, &mark, sizeof mark, 0) == (ssize_t)sizeof mark &&
		memcmp(mark.magic, MAGIC, sizeof MAGIC) == 0)
		return mark;
	return db->mark;
}

/* One that cannot be written is an old one: at worst all is opened anew. (By its member, gcc would see
 * no more of the mark than the magic, and warn.) */
static void
write_mark(struct state_db *db)
{
	memcpy(&db->mark, MAGIC, sizeof MAGIC);
	(void)!pwrite(db->turn, &db->mark, sizeof db->mark, 0);
}

/* The index that all processes share of SQLite's log, or NULL; its words: WalIndexHdr and WalCkptInfo,
 * https://www.sqlite.org/walformat.html#the_wal_index_file_format. */
enum { SALT = 8, BACKFILLED = 24, ATTEMPTED = 32 };

static const volatile uint32_t *
index_of(const struct state_db *db)
{
	sqlite3_file *file = NULL;
	volatile void *at = NULL;

	if (!db->sqlite ||
		sqlite3_file_control(db->sqlite, NULL, SQLITE_FCNTL_FILE_POINTER, &file) !=
			SQLITE_OK ||
		!file->pMethods || file->pMethods->iVersion < 2 ||
		file->pMethods->xShmMap(file, 0, SHM_BYTES, 0, &at) != SQLITE_OK)
		return NULL;
	return at;
}

/* How far SQLite has written its log back. */
static uint64_t
backfilled(const struct state_db *db)
{
	const volatile uint32_t *index = index_of(db);

	return index ? (uint64_t)index[SALT] << 32 | index[BACKFILLED] : 0;
}

/* Somebody writes it back, or was ended in the middle of that. */
static bool
is_written_back(const struct state_db *db)
{
	const volatile uint32_t *index = index_of(db);

	return index && index[ATTEMPTED] > index[BACKFILLED];
}

void
state_guard_writing(struct state_db *db)
{
	enum doing before;

	db->mark.writing = 1;
	write_mark(db);
	before = doing(DOING_FLUSH);
	(void)fdatasync(db->turn);
	doing(before);
}

void
state_guard_mark(struct state_db *db)
{
	const struct seen seen = look(db);

	if (db->last.seq) {
		memcpy(db->mark.journal, db->last.journal, sizeof db->mark.journal);
		db->mark.seq = db->last.seq;
	}
	db->last.seq = 0;
	db->mark.writing = 0;
	db->mark.backfilled = backfilled(db);
	db->mark.db = seen.db;
	db->mark.wal = seen.wal;
	write_mark(db);
}

static bool
is_in(struct state_db *db, struct slice journal, uint64_t seq)
{
	uint64_t at_ms;

	return sqlite_applied_at(db, journal, seq, &at_ms) == STATE_ROW;
}

/* What stands in the place of another has all that was in that, or has not: the newest event tells. */
static void
judge(struct state_db *db)
{
	const struct slice journal = {db->mark.journal, sizeof db->mark.journal};

	db->news_lost = db->mark.seq && !is_in(db, journal, db->mark.seq);
	if (db->news_lost)
		db->mark.lost_ms = clock_wall_ms();
	db->mark.unsure = 0;
}

void
state_guard_opened(struct state_db *db, bool good)
{
	if (good && db->mark.unsure)
		judge(db);
	state_guard_show(db);
	db->open = look(db).files;
	state_guard_mark(db);
}

/* Nobody but us has written to it. */
static bool
is_untouched(const struct state_db *db, const struct mark *mark, const struct seen *seen)
{
	return guard_look(mark->db.file, seen->db.file) == CAUSE_NONE &&
	       (mark->writing || is_same(&mark->db, &seen->db) ||
		       (db->sqlite && (backfilled(db) != mark->backfilled || is_written_back(db))));
}

static enum store_cause
what_happened(const struct state_db *db, const struct mark *mark, const struct seen *seen)
{
	enum store_cause cause = guard_look(db->open.db, seen->db.file);

	if (cause == CAUSE_NONE && !is_untouched(db, mark, seen))
		cause = CAUSE_REPLACED;
	if (cause == CAUSE_NONE)
		cause = guard_look(db->open.wal, seen->files.wal);
	return cause == CAUSE_NONE ? guard_look(db->open.shm, seen->files.shm) : cause;
}

/* Has it been as it is for a while? */
static bool
is_still(struct state_db *db, const struct seen *seen)
{
	const uint64_t now_ms = clock_mono_ms();

	if (!db->changed_ms || !is_same(&db->changed, &seen->db)) {
		db->changed = seen->db;
		db->changed_ms = now_ms;
	}
	return now_ms - db->changed_ms >= STILL_MS;
}

static void
remove_file(const struct state_db *db, const char *suffix, const char *as)
{
	char path[STATE_PATH_BYTES], aside[STATE_PATH_BYTES];

	snprintf(path, sizeof path, "%s/state.db%s", db->dir, suffix);
	snprintf(aside, sizeof aside, "%s/state.db%s", db->dir, as ? as : "");
	if (as)
		rename(path, aside);
	else
		unlink(path);
}

/* The log that was written last by us is of the database that is gone; another has come with the new
 * one. The index is made anew from the log. */
static void
part_from(struct state_db *db, const struct seen *seen)
{
	if (seen->wal.bytes > 0 && is_same(&db->mark.wal, &seen->wal))
		remove_file(db, "-wal", "-wal.replaced");
	remove_file(db, "-shm", NULL);
	db->mark.unsure = 1;
}

/* state.db is ours, its log is not where it was: with all of it in state.db it is needed no more. */
static bool
save(struct state_db *db, struct error *why)
{
	if (!state_checkpoint(db, SQLITE_CHECKPOINT_FULL, why))
		return false;
	remove_file(db, "-wal", NULL);
	remove_file(db, "-shm", NULL);
	return true;
}

static bool
wait_for_it(struct state_db *db, enum store_cause cause, struct error *why)
{
	db->cause = cause;
	return error_set(why, "state.db was %s: it is opened anew once it is still",
		cause_table[cause].word);
}

/* With the turn taken, and something found. The first to find it deals with it. False with the cause:
 * not yet. */
static bool
open_anew(struct state_db *db, const struct mark *mark, const struct seen *seen, struct error *why)
{
	const bool first = mark->generation == db->mark.generation;
	const bool ours = guard_look(db->open.db, seen->db.file) == CAUSE_NONE &&
			  is_untouched(db, mark, seen);
	const enum store_cause cause = what_happened(db, mark, seen);

	if (first && !ours && !is_still(db, seen))
		return wait_for_it(db, cause, why);
	db->mark = *mark;
	if (first && ours && !save(db, why))
		return false;
	if (first && !ours)
		part_from(db, seen);
	db->changed_ms = 0;
	db->news = cause == CAUSE_NONE ? CAUSE_REPLACED : cause;
	db->news_lost = false;
	db->mark.generation = mark->generation + first;
	state_shut(db);
	return state_reopen(db, why);
}

/* While no process had it open, or this one could not open it. */
static bool
is_another(const struct mark *mark, const struct seen *seen)
{
	return mark->db.file.inode != 0 &&
	       (guard_look(mark->db.file, seen->db.file) != CAUSE_NONE ||
		       !(mark->writing || is_same(&mark->db, &seen->db)));
}

static bool
open_late(struct state_db *db, const struct mark *mark, const struct seen *seen, struct error *why)
{
	if (is_another(mark, seen) && !is_still(db, seen))
		return wait_for_it(db, CAUSE_REPLACED, why);
	db->changed_ms = 0;
	return state_guard_start(db, why) && state_reopen(db, why);
}

bool
state_guard_look(struct state_db *db, struct error *why)
{
	const struct mark mark = read_mark(db);
	const struct seen seen = look(db);

	if (!db->sqlite)
		return open_late(db, &mark, &seen, why);
	if (mark.generation != db->mark.generation || what_happened(db, &mark, &seen) != CAUSE_NONE)
		return open_anew(db, &mark, &seen, why);
	db->mark = mark;
	db->changed_ms = 0;
	return true;
}

bool
state_guard_holds(struct state_db *db)
{
	const struct mark mark = read_mark(db);
	const struct seen seen = look(db);

	return db->sqlite && !mark.writing && mark.generation == db->mark.generation &&
	       what_happened(db, &mark, &seen) == CAUSE_NONE;
}

/* Others have the files open. */
static bool
others_are_in(const struct state_db *db)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(db->turn, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void
state_guard_show(struct state_db *db)
{
	struct flock lock = {
		.l_type = db->sqlite ? F_RDLCK : F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};

	fcntl(db->turn, F_OFD_SETLK, &lock);
}

bool
state_guard_start(struct state_db *db, struct error *why)
{
	const struct mark *mark = &db->mark;
	const struct seen seen = look(db);
	bool log_gone;

	db->mark = read_mark(db);
	if (is_another(mark, &seen)) {
		part_from(db, &seen);
		db->mark.generation++;
		return true;
	}
	log_gone = mark->wal.file.inode && guard_look(mark->wal.file, seen.wal.file) != CAUSE_NONE;
	if (!log_gone)
		return true;
	if (!others_are_in(db)) {
		db->mark.unsure = 1;
		return true;
	}
	db->cause = CAUSE_REMOVED;
	return error_set(why, "state.db-wal was removed: others write it back first");
}

uint64_t
sqlite_lost_ms(const struct state_db *db)
{
	char path[STATE_PATH_BYTES];
	struct mark mark = {.lost_ms = 0};
	int fd;

	snprintf(path, sizeof path, "%s/state.lock", db->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (pread(fd, &mark, sizeof mark, 0) != (ssize_t)sizeof mark ||
		memcmp(mark.magic, MAGIC, sizeof MAGIC) != 0)
		mark.lost_ms = 0;
	close(fd);
	return mark.lost_ms;
}

void
sqlite_sizes(const struct state_db *db, uint64_t *file, uint64_t *log)
{
	*file = look_at(db, "").bytes;
	*log = look_at(db, "-wal").bytes;
}
