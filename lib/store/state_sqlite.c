/* state_sqlite - the engine of state.h: opening, the turn, transactions and their flush.
 *
 * In: statements by name, from the one thread of a handler process. Out: <data_dir>/state.db and
 * its WAL. State: the connection, prepared statements, and the number of the journal met last. A
 * kill here costs the open transaction, or one that is not flushed: nobody was told about it.
 *
 * SQLite has one writer at a time and lets the others poll; with a dozen handler processes that
 * starves some and wastes time for all. So each waits its turn at flock() on <data_dir>/state.lock,
 * which the kernel hands on at once and frees when its holder dies. The busy time-out is for
 * outsiders only, such as an operator's sqlite3 shell.
 *
 * synchronous=NORMAL: SQLite commits without a flush, and flushes around a checkpoint, so that the
 * file is sound whatever is lost (https://www.sqlite.org/wal.html). The flush of a commit is made
 * here, after the turn was given on, so that the next handler applies meanwhile; it is over before
 * state_commit returns. Checkpoints are made here too: SQLite's own would come before that flush,
 * take the kernel's one report of a failure, and keep it to itself. */
#include "state_sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/doing.h"
#include "lib/base/file.h"
#include "state_schema.h"

/* A checkpoint comes after 8,000 pages, 32 MB: a page that many groups change, as most are, is then
 * written back once instead of with each thousand. Where less room is left on the disk the log may take an
 * eighth of it, and is then cut off, so that others have the room. */
enum { CHECKPOINT_PAGES = 8000, LEAST_PAGES = 128, PAGE_BYTES = 4096, PART_OF_ROOM = 8 };

enum { BUSY_MS = 5000, WAIT_MS = 500 };

static int
open_private(const char *data_dir, const char *name, struct error *why)
{
	char path[STATE_PATH_BYTES];

	snprintf(path, sizeof path, "%s/%s", data_dir, name);
	return file_open(path, why);
}

/* Is the lock that is held the one that others come to? */
static bool
is_theirs(const struct state_db *db)
{
	char path[STATE_PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof path, "%s/state.lock", db->dir);
	return fstat(db->turn, &st) == 0 &&
	       guard_look(guard_of(&st), guard_at(path, NULL)) == CAUSE_NONE;
}

static bool
open_turn(struct state_db *db, struct error *why)
{
	if (db->turn >= 0)
		close(db->turn);
	db->turn = open_private(db->dir, "state.lock", why);
	if (db->turn < 0)
		return false;
	state_guard_show(db);
	return true;
}

static void
tell_wait(struct state_db *db, enum store_cause held)
{
	if (db->waits)
		db->waits(db->waits_arg, held);
}

static void
set_timer(struct state_db *db, long ms)
{
	const struct timespec time = {0, ms * 1000000};

	if (db->has_timer)
		timer_settime(db->timer, 0, &(struct itimerspec){time, time}, NULL);
}

/* The kernel hands the turn on in order; a wait that is interrupted to say that it goes on begins anew. */
static bool
lock_turn(struct state_db *db)
{
	int rc = flock(db->turn, LOCK_EX | LOCK_NB);
	enum doing before;

	if (rc == 0 || errno != EWOULDBLOCK)
		return rc == 0;
	before = doing(DOING_LOCK);
	set_timer(db, WAIT_MS);
	while ((rc = flock(db->turn, LOCK_EX)) != 0 && errno == EINTR)
		tell_wait(db, CAUSE_NONE);
	set_timer(db, 0);
	doing(before);
	return rc == 0;
}

static bool
take_turn(struct state_db *db, struct error *why)
{
	for (;;) {
		if (!lock_turn(db))
			return error_set(why, "cannot lock state.lock: %s", strerror(errno));
		if (is_theirs(db))
			return true;
		if (!open_turn(db, why))
			return false;
	}
}

static void
give_turn(struct state_db *db)
{
	flock(db->turn, LOCK_UN);
}

bool
state_checkpoint(struct state_db *db, int how, struct error *why)
{
	enum doing before;
	int rc;

	state_guard_writing(db);
	before = doing(DOING_FLUSH);
	rc = sqlite3_wal_checkpoint_v2(db->sqlite, NULL, how, NULL, NULL);
	doing(before);
	state_guard_mark(db);
	if (rc != SQLITE_OK && !(rc == SQLITE_BUSY && how != SQLITE_CHECKPOINT_FULL))
		return state_fail(db, "writing back its log", why);
	db->wal_pages = 0;
	return true;
}

/* A flush that failed is not repeated: it would say yes though the kernel has dropped the pages. So
 * all that stands in the WAL is written once more. Without this, a commit whose flush failed would
 * be found applied and reported as done. */
static bool
write_again(struct state_db *db, struct error *why)
{
	db->unflushed = !state_checkpoint(db, SQLITE_CHECKPOINT_FULL, why);
	return !db->unflushed;
}

static int
pages_allowed(const struct state_db *db)
{
	char path[STATE_PATH_BYTES];
	struct statvfs disk;
	uint64_t pages;

	if (db->wal_pages < LEAST_PAGES)
		return CHECKPOINT_PAGES;
	snprintf(path, sizeof path, "%s/state.db", db->dir);
	if (statvfs(path, &disk) != 0)
		return CHECKPOINT_PAGES;
	pages = (uint64_t)disk.f_bavail * disk.f_frsize / PART_OF_ROOM / PAGE_BYTES;
	if (pages > CHECKPOINT_PAGES)
		return CHECKPOINT_PAGES;
	return pages < LEAST_PAGES ? LEAST_PAGES : (int)pages;
}

/* With the turn taken, before a transaction. */
static bool
write_back(struct state_db *db, struct error *why)
{
	const int allowed = pages_allowed(db);

	if (db->unflushed)
		return write_again(db, why);
	if (db->wal_pages < allowed)
		return true;
	return state_checkpoint(db,
		allowed < CHECKPOINT_PAGES ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
		why);
}

/* A lock of an outsider, for BUSY_MS at most. */
static int
on_busy(void *arg, int times)
{
	struct state_db *db = arg;
	const uint64_t now_ms = clock_mono_ms();
	enum doing before;

	if (times == 0)
		db->busy_ms = db->told_ms = now_ms;
	if (now_ms - db->busy_ms >= BUSY_MS)
		return 0;
	if (now_ms - db->told_ms >= WAIT_MS) {
		db->told_ms = now_ms;
		tell_wait(db, CAUSE_LOCKED);
	}
	before = doing(DOING_LOCK);
	nanosleep(&(struct timespec){0, times < 10 ? 1000000 : 10000000}, NULL);
	doing(before);
	return 1;
}

static void
on_alarm(int signum)
{
	(void)signum;
}

/* Only the thread that waits is interrupted; not by SIGALRM, which ends a handler that has an event in
 * hand for too long (handlers/hand.h). */
static void
sqlite_on_wait(struct state_db *db, state_waits *fn, void *arg)
{
	const struct sigaction act = {.sa_handler = on_alarm};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};

	event._sigev_un._tid = gettid();
	db->waits = fn;
	db->waits_arg = arg;
	sigaction(SIGUSR2, &act, NULL);
	db->has_timer = timer_create(CLOCK_MONOTONIC, &event, &db->timer) == 0;
}

static int
on_commit(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
	struct state_db *db = arg;

	(void)sqlite;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/* With the turn given on. */
static bool
flush(struct state_db *db, struct error *why)
{
	const enum doing before = doing(DOING_FLUSH);
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(db->sqlite, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	if (rc == SQLITE_OK && wal->pMethods)
		rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	doing(before);
	db->unflushed = rc != SQLITE_OK;
	if (rc == SQLITE_OK)
		return true;
	db->cause = state_cause_of(rc);
	return error_set(why, "state database: cannot flush it: %s", sqlite3_errstr(rc));
}

/* With the turn given on: is what was flushed where a restart would find it? In doubt nothing is told of
 * it: what comes again and is there is found to be applied. */
static bool
is_in_place(struct state_db *db, struct error *why)
{
	const uint64_t generation = db->mark.generation;
	bool good;

	if (state_guard_holds(db))
		return true;
	if (!take_turn(db, why))
		return false;
	good = state_guard_look(db, why);
	give_turn(db);
	if (!good)
		return false;
	if (generation == db->mark.generation)
		return true;
	db->cause = db->news;
	return error_set(
		why, "state.db was %s before its commit was told of", cause_table[db->cause].word);
}

static bool
sqlite_look(struct state_db *db, struct error *why)
{
	bool good;

	if (db->turn < 0 || db->began || state_guard_holds(db))
		return true;
	if (!take_turn(db, why))
		return false;
	good = state_guard_look(db, why);
	give_turn(db);
	return good;
}

static enum store_cause
sqlite_news(struct state_db *db, bool *lost)
{
	const enum store_cause news = db->news;

	*lost = db->news_lost;
	db->news = CAUSE_NONE;
	return news;
}

static enum store_cause
sqlite_cause(const struct state_db *db)
{
	return db->cause == CAUSE_NONE ? CAUSE_TROUBLE : db->cause;
}

static bool
sqlite_begin(struct state_db *db, struct error *why)
{
	if (db->cause == CAUSE_FULL)
		db->wal_pages = CHECKPOINT_PAGES; /* the room that the log takes may be enough */
	db->cause = CAUSE_NONE;
	if (!take_turn(db, why))
		return false;
	db->began = state_guard_look(db, why) && write_back(db, why) &&
		    sqlite_run(db, OWN(BEGIN), NULL, 0, why);
	if (!db->began)
		give_turn(db);
	return db->began;
}

static bool
sqlite_lost(const struct state_db *db)
{
	return db->began && sqlite3_get_autocommit(db->sqlite);
}

static void
sqlite_rollback(struct state_db *db)
{
	if (!db->began)
		return;
	if (!sqlite_lost(db))
		sqlite_run(db, OWN(ROLLBACK), NULL, 0, NULL);
	db->journal.id = 0; /* its row may have gone too */
	db->last.seq = 0;
	db->began = false;
	give_turn(db);
}

static bool
sqlite_commit(struct state_db *db, struct error *why)
{
	if (sqlite_lost(db) || !sqlite_run(db, OWN(COMMIT), NULL, 0, why)) {
		sqlite_rollback(db);
		return false;
	}
	db->began = false;
	state_guard_mark(db);
	give_turn(db);
	return flush(db, why) && is_in_place(db, why);
}

static bool
sqlite_restart(struct state_db *db, struct error *why)
{
	db->journal.id = 0;
	db->last.seq = 0;
	if (sqlite_lost(db))
		return error_set(why, "the transaction was ended early");
	return sqlite_run(db, OWN(ROLLBACK), NULL, 0, why) &&
	       sqlite_run(db, OWN(BEGIN), NULL, 0, why);
}

static bool
add_journal(struct state_db *db, struct slice journal, int64_t *id, struct error *why)
{
	if (!sqlite_run(db, OWN(JOURNAL_ADD), STATE_VALUES(SV_TEXT(journal)), why))
		return false;
	*id = sqlite3_last_insert_rowid(db->sqlite);
	return true;
}

/* The small number that stands for a journal's id here. */
static bool
find_journal(struct state_db *db, struct slice journal, int64_t *id, struct error *why)
{
	struct state_cell cell;

	if (db->journal.id && slice_eq(journal, (struct slice){db->journal.name, db->journal.n})) {
		*id = db->journal.id;
		return true;
	}
	switch (sqlite_get(db, OWN(JOURNAL_GET), STATE_VALUES(SV_TEXT(journal)), &cell, 1, why)) {
	case STATE_ROW_FAILED:
		return false;
	case STATE_ROW:
		*id = cell.number;
		break;
	case STATE_NO_ROW:
		if (!add_journal(db, journal, id, why))
			return false;
	}
	if (journal.n <= sizeof db->journal.name) {
		memcpy(db->journal.name, journal.p, journal.n);
		db->journal.n = journal.n;
		db->journal.id = *id;
	}
	return true;
}

static enum state_event
enter_one(
	struct state_db *db, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	int64_t id = 0;

	if (!find_journal(db, key->journal, &id, why) ||
		!sqlite_run(db, OWN(APPLIED_ADD),
			STATE_VALUES(
				SV_INT(id), SV_INT(key->seq), SV_INT(now_ms), SV_INT(key->mark)),
			why))
		return STATE_FAILED;
	if (sqlite3_changes(db->sqlite) == 0)
		return STATE_APPLIED;
	if (key->journal.n == sizeof db->last.journal) {
		memcpy(db->last.journal, key->journal.p, sizeof db->last.journal);
		db->last.seq = key->seq;
	}
	return STATE_NEW;
}

static bool
sqlite_enter(struct state_db *db, const struct state_event_key *keys, size_t n, uint64_t now_ms,
	enum state_event *entered, struct error *why)
{
	for (size_t i = 0; i < n; i++) {
		entered[i] = enter_one(db, &keys[i], now_ms, why);
		if (entered[i] == STATE_FAILED)
			return false;
	}
	return true;
}

static bool
sqlite_event_keep(struct state_db *db, struct error *why)
{
	return sqlite_run(db, OWN(EVENT_KEEP), NULL, 0, why);
}

static void
sqlite_event_undo(struct state_db *db)
{
	if (sqlite_lost(db))
		return;
	db->last.seq = 0;
	sqlite_run(db, OWN(EVENT_UNDO), NULL, 0, NULL);
	sqlite_run(db, OWN(EVENT_KEEP), NULL, 0, NULL);
}

static enum state_event
sqlite_event_begin(
	struct state_db *db, const struct state_event_key *key, uint64_t now_ms, struct error *why)
{
	enum state_event entered;

	if (!sqlite_run(db, OWN(EVENT_BEGIN), NULL, 0, why))
		return STATE_FAILED;
	entered = enter_one(db, key, now_ms, why);
	if (entered == STATE_FAILED)
		sqlite_event_undo(db);
	if (entered == STATE_APPLIED && !sqlite_event_keep(db, why))
		return STATE_FAILED;
	return entered;
}

static bool
sqlite_forget(struct state_db *db, uint64_t before_ms, size_t limit, struct error *why)
{
	struct state_cell oldest;
	enum state_row row = sqlite_get(db, OWN(APPLIED_OLDEST), NULL, 0, &oldest, 1, why);

	if (row != STATE_ROW || oldest.number >= (int64_t)before_ms)
		return row != STATE_ROW_FAILED;
	return sqlite_run(
		db, OWN(APPLIED_FORGET), STATE_VALUES(SV_INT(before_ms), SV_INT(limit)), why);
}

/* Makes the file with its mode before SQLite would make it with another; -wal and -shm follow it.
 * An existing one is never opened here: closing it would drop the locks of other connections. */
static bool
make_file(const char *path, struct error *why)
{
	const int fd = file_make(path, why);

	if (fd >= 0)
		return close(fd) == 0;
	return (errno == EEXIST && chmod(path, 0600) == 0) ||
	       error_set(why, "cannot make %s: %s", path, strerror(errno));
}

static bool
open_file(struct state_db *db, struct error *why)
{
	char path[STATE_PATH_BYTES];
	int rc;

	snprintf(path, sizeof path, "%s/state.db", db->dir);
	if (!make_file(path, why))
		return false;
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* count no bytes: a lock each malloc */
	rc = sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		db->cause = state_cause_of(rc);
		return error_set(why, "cannot open %s: %s", path,
			db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory");
	}
	sqlite3_busy_handler(db->sqlite, on_busy, db);
	if (!schema_prepare(db->sqlite, why)) {
		db->cause = state_cause_of(sqlite3_extended_errcode(db->sqlite));
		return false;
	}
	sqlite3_wal_hook(db->sqlite, on_commit, db);
	return state_checkpoint(db, SQLITE_CHECKPOINT_PASSIVE, why);
}

bool
state_reopen(struct state_db *db, struct error *why)
{
	bool good;

	state_guard_writing(db);
	good = open_file(db, why);
	if (!good)
		state_shut(db);
	state_guard_opened(db, good);
	return good;
}

static struct state_db *
new_state(const char *data_dir, struct error *why)
{
	struct state_db *db = calloc(1, sizeof *db);

	if (!db || (size_t)snprintf(db->dir, sizeof db->dir, "%s", data_dir) >= sizeof db->dir) {
		free(db);
		error_set(why, "out of memory, or data_dir is too long");
		return NULL;
	}
	db->turn = -1;
	return db;
}

static void
finalize_all(struct state_db *db)
{
	for (size_t i = 0; i < OWN_COUNT; i++) {
		sqlite3_finalize(db->prepared[i]);
		db->prepared[i] = NULL;
	}
}

/* SQLite would write its log into whatever stands there now, and remove that one's log. */
void
state_shut(struct state_db *db)
{
	if (!db->sqlite)
		return;
	finalize_all(db);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
	db->journal.id = 0;
	db->unflushed = false;
}

/* The last one writes the log back, and removes it. */
static void
close_file(struct state_db *db)
{
	if (db->turn >= 0 && (!take_turn(db, NULL) || !state_guard_look(db, NULL))) {
		state_shut(db);
		return;
	}
	finalize_all(db);
	if (db->turn >= 0)
		state_guard_writing(db);
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
	if (db->turn >= 0)
		state_guard_mark(db);
}

static void
sqlite_close(struct state_db **db_p)
{
	struct state_db *db = *db_p;

	if (!db)
		return;
	sqlite_rollback(db);
	if (db->sqlite)
		close_file(db);
	if (db->has_timer)
		timer_delete(db->timer);
	if (db->turn >= 0)
		close(db->turn);
	free(db);
	*db_p = NULL;
}

/* The file is opened with the turn taken: several handlers start at once on a fresh database. What
 * a process that has ended could not flush is written again. */
static struct state_db *
sqlite_start(const struct config *cfg, struct error *why)
{
	struct state_db *db = new_state(cfg->data_dir, why);

	if (!db)
		return NULL;
	if (!open_turn(db, why) || !take_turn(db, why)) {
		sqlite_close(&db);
		return NULL;
	}
	if (state_guard_start(db, why))
		state_reopen(db, why);
	give_turn(db);
	return db;
}

static bool
sqlite_is_open(const struct state_db *db)
{
	return db->sqlite != NULL;
}

/* Where neither the database nor its folder can be written, SQLite reads a log beside it, but needs to
 * make files where there is none; so it is told that nothing changes. */
static bool
is_still(const char *path)
{
	char log[STATE_PATH_BYTES + 8];

	snprintf(log, sizeof log, "%s-wal", path);
	return access(path, W_OK) != 0 && access(log, F_OK) != 0;
}

/* "file:...?immutable=1", for a path that holds what has a meaning there. */
static char *
still_name(const char *path)
{
	char *name = malloc(3 * strlen(path) + 32), *to = name;

	if (!name)
		return NULL;
	to = stpcpy(to, "file:");
	for (; *path; path++)
		if (strchr("%?#", *path))
			to += sprintf(to, "%%%02X", (unsigned)*path);
		else
			*to++ = *path;
	stpcpy(to, "?immutable=1");
	return name;
}

static bool
watch_file(struct state_db *db, const char *path, bool *exists, struct error *why)
{
	const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	char *still = is_still(path) ? still_name(path) : NULL;
	const int rc = sqlite3_open_v2(
		still ? still : path, &db->sqlite, still ? flags | SQLITE_OPEN_URI : flags, NULL);

	free(still);
	if (rc != SQLITE_OK)
		return error_set(why, "cannot open %s: %s", path,
			db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory");
	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	*exists = !schema_is_unmade(db->sqlite);
	return *exists || error_set(why, "%s is being made", path);
}

static struct state_db *
sqlite_watch(const struct config *cfg, bool *exists, struct error *why)
{
	struct state_db *db = new_state(cfg->data_dir, why);
	char path[STATE_PATH_BYTES];

	snprintf(path, sizeof path, "%s/state.db", cfg->data_dir);
	*exists = access(path, F_OK) == 0;
	if (!db || !*exists) {
		if (db)
			error_set(why, "there is no %s yet", path);
		free(db);
		return NULL;
	}
	if (!watch_file(db, path, exists, why))
		sqlite_close(&db);
	return db;
}

/* What fails has failed by itself, at once, and says whether the transaction is lost. */
static enum state_failure
sqlite_failure(const struct state_db *db)
{
	(void)db;
	return STATE_NO_FAILURE;
}

/* The turn is waited for, not rows. */
static void
sqlite_expect(struct state_db *db, const struct state_event_key *keys, size_t n)
{
	(void)db;
	(void)keys;
	(void)n;
}

const struct state_engine state_sqlite = {
	.name = "state.db",
	.start = sqlite_start,
	.watch = sqlite_watch,
	.close = sqlite_close,
	.is_open = sqlite_is_open,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.restart = sqlite_restart,
	.lost = sqlite_lost,
	.failure = sqlite_failure,
	.expect = sqlite_expect,
	.enter = sqlite_enter,
	.event_begin = sqlite_event_begin,
	.event_keep = sqlite_event_keep,
	.event_undo = sqlite_event_undo,
	.forget = sqlite_forget,
	.run = sqlite_run,
	.get = sqlite_get,
	.each = sqlite_each,
	.on_wait = sqlite_on_wait,
	.sizes = sqlite_sizes,
	.cause = sqlite_cause,
	.look = sqlite_look,
	.news = sqlite_news,
	.lost_ms = sqlite_lost_ms,
	.look_until = sqlite_look_until,
	.applied_at = sqlite_applied_at,
	.newest = sqlite_newest,
	.each_applied = sqlite_each_applied,
	.each_marked = sqlite_each_marked,
	.check = sqlite_check,
};
