/* state_sqlite_private - what the files of state.h's SQLite engine share. */
#ifndef TROTLINE_STORE_STATE_SQLITE_PRIVATE_H
#define TROTLINE_STORE_STATE_SQLITE_PRIVATE_H

#include <sqlite3.h>
#include <time.h>

#include "guard.h"
#include "state_private.h"

/* Statements that only the engine itself runs, behind those that others may name. */
enum {
	OWN_BEGIN = SQL_COUNT,
	OWN_COMMIT,
	OWN_ROLLBACK,
	OWN_EVENT_BEGIN,
	OWN_EVENT_KEEP,
	OWN_EVENT_UNDO,
	OWN_JOURNAL_GET,
	OWN_JOURNAL_ADD,
	OWN_APPLIED_ADD,
	OWN_APPLIED_OLDEST,
	OWN_APPLIED_FORGET,
	OWN_APPLIED_ONE,
	OWN_APPLIED_ALL,
	OWN_APPLIED_NEWEST,
	OWN_APPLIED_MARKED,
	OWN_CHECK,
	OWN_COUNT
};
#define OWN(name) ((enum statement)OWN_##name)

struct state_sql {
	const char *name, *text;
};
extern const struct state_sql state_sql[OWN_COUNT];

enum { JOURNAL_ID_MAX = 16, STATE_PATH_BYTES = 4096 };

/* The files of the database that are open. */
struct state_files {
	struct guard db, wal, shm;
};

/* How a file of it was left. */
struct file_mark {
	struct guard file;
	uint64_t bytes, written_ns;
};

/* What stands in state.lock; see state_sqlite_guard.c. */
struct mark {
	char magic[8];
	uint64_t generation; /* of the open files: one more when all must be opened anew */
	uint64_t writing;    /* state.db is being written: its time says nothing */
	uint64_t backfilled;
	char journal[JOURNAL_ID_MAX]; /* the event that was applied last, and its number; 0: none */
	uint64_t seq;
	uint64_t unsure;  /* another file is in its place: is that event in it? */
	uint64_t lost_ms; /* when it was last found that it is not, wall clock */
	struct file_mark db, wal;
};

struct state_db {
	sqlite3 *sqlite; /* NULL: could not be opened, or who looks at it has closed it */
	char dir[STATE_PATH_BYTES - 64];
	sqlite3_stmt *prepared[OWN_COUNT]; /* made at first use */
	int turn;                          /* state.lock */
	state_waits *waits;                /* or NULL */
	void *waits_arg;
	timer_t timer; /* interrupts the wait for the turn */
	bool has_timer;
	uint64_t busy_ms,
		told_ms; /* a wait for a lock: its beginning, and when it was last told of */
	bool began;
	bool unflushed;  /* a flush has failed: see write_again */
	int wal_pages;   /* since the last checkpoint here */
	uint64_t end_ms; /* of all looking */
	struct {
		char journal[JOURNAL_ID_MAX];
		uint64_t seq;   /* 0: none */
	} last;                 /* of the events entered in this transaction */
	enum store_cause cause; /* of the last false */
	enum store_cause news;  /* what has happened to the files, until it is asked for */
	bool news_lost;         /* and what was in them is gone */
	struct state_files open;
	struct mark mark;         /* the last one that was written or met here */
	struct file_mark changed; /* what was found at the path of state.db, */
	uint64_t changed_ms;      /* and since when (monotonic); 0: nothing */
	struct {
		char name[JOURNAL_ID_MAX];
		size_t n;
		int64_t id; /* 0: none */
	} journal;
};

/* ---- state_sqlite_run.c, as in state_private.h ---- */

bool sqlite_run(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, struct error *why);
enum state_row sqlite_get(struct state_db *db, enum statement which,
	const struct state_value *values, size_t n, struct state_cell *cells, size_t columns,
	struct error *why);
bool sqlite_each(struct state_db *db, enum statement which, const struct state_value *values,
	size_t n, size_t columns, state_visit *fn, void *arg, struct error *why);
enum state_row sqlite_applied_at(
	struct state_db *db, struct slice journal, uint64_t seq, uint64_t *at_ms);
void sqlite_look_until(struct state_db *db, uint64_t end_ms);
bool sqlite_newest(struct state_db *db, struct slice journal, uint64_t *seq);
bool sqlite_each_applied(
	struct state_db *db, struct slice journal, state_visit *fn, void *arg, struct error *why);
bool sqlite_each_marked(
	struct state_db *db, int64_t mark, state_visit *fn, void *arg, struct error *why);
bool sqlite_check(struct state_db *db, state_fault *fn, void *arg);

/* False, with what SQLite says of its last failure; which is noted. */
bool state_fail(struct state_db *db, const char *what, struct error *why);

/* The cause that one of SQLite's results stands for. */
enum store_cause state_cause_of(int rc);

/* With the turn taken. Writes what stands in the log into state.db, and flushes that. How: FULL, or
 * PASSIVE or TRUNCATE, which leave what an outsider still reads for another time. */
bool state_checkpoint(struct state_db *db, int how, struct error *why);

/* Closes the connection without writing back; and opens it, with the turn taken. */
void state_shut(struct state_db *db);
bool state_reopen(struct state_db *db, struct error *why);

/* ---- state_sqlite_guard.c; all but state_guard_holds with the turn taken ---- */

/* Before it is opened: parts from a log that is not the database's. False with the cause: not yet. */
bool state_guard_start(struct state_db *db, struct error *why);

/* Others see whether this process has the database open, as long as it lives. */
void state_guard_show(struct state_db *db);

/* The files that are at the paths are those that have been opened, if good. */
void state_guard_opened(struct state_db *db, bool good);

/* Before state.db is written, and behind whatever was written: how it is left. */
void state_guard_writing(struct state_db *db);
void state_guard_mark(struct state_db *db);

/* Opens anew what is not what it was, or was not open; db->news says so. False with the cause. */
bool state_guard_look(struct state_db *db, struct error *why);

/* A quick look without the turn: is all as it was? False: perhaps. */
bool state_guard_holds(struct state_db *db);

/* As in state_private.h. */
uint64_t sqlite_lost_ms(const struct state_db *db);
void sqlite_sizes(const struct state_db *db, uint64_t *file, uint64_t *log);

#endif
