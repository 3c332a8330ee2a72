/* state - the database that handlers write: what became of messages and people, one transaction a
 * group of events, and which events are in it.
 *
 * The narrow door to it. Behind it stands the engine that `database.kind` names: SQLite in
 * <data_dir>/state.db (state_sqlite*.c), or a PostgreSQL that several nodes share (state_postgres*.c).
 * A transaction looks like
 *
 *	state_begin, state_expect
 *	state_enter: all events, once
 *	for each one that is new: its statements
 *	state_commit
 *
 * or, where an event may have to be taken back alone, which costs half as much again (SQLite keeps
 * a copy of each page for each savepoint; PostgreSQL is asked for each event by itself),
 *
 *	for each event: state_event_begin, its statements, state_event_keep or state_event_undo
 *
 * What callers build on, whatever the engine:
 * - An event is entered by (journal, seq) in the transaction of its effects: both are there, or
 *   neither is, after a kill and after a power cut. Of two processes that enter the same one, the
 *   second waits for the end of the first one's transaction, and then finds it applied, or not.
 * - A statement sees all that was committed before its transaction began, and what the transaction
 *   itself has done. What it does is undone by whatever ends the transaction without a commit. One
 *   that fails changes nothing, and leaves the transaction open unless state_lost says otherwise.
 * - A statement that gives no rows may be done late: with the others of its kind, and in another order
 *   where that makes no difference, by the next one that gives rows, state_event_keep or state_commit.
 *   So may its failure be told late.
 * - A state is used by one thread, and has one transaction at a time. Outside of one each statement
 *   stands alone; a statement is not run from within another one's state_visit.
 * - Numbers are 64 bits with their sign; texts may hold any byte but are UTF-8 where JSON was.
 * - Functions that fail say why, in words with the statement's name in them; why may be NULL. */
#ifndef TROTLINE_STORE_STATE_H
#define TROTLINE_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"
#include "proto/causes.h"
#include "state_statements.h"

struct state;

/* Opens the database that cfg names, making or upgrading it as needed; files are for their owner only.
 * NULL with the cause. cfg outlives it. The caller closes it. */
struct state *state_open(const struct config *cfg, struct error *why);

/* The same for who goes on without it for a while: opened or not, with the cause then, and each
 * state_begin tries again. NULL only where nothing would ever go. */
struct state *state_start(const struct config *cfg, struct error *why);
bool state_is_open(const struct state *db);

/* Opens it for looking only: never waits for a turn, makes and upgrades nothing, and no statement
 * changes anything. NULL with the cause; *exists is false when there is no database yet. */
struct state *state_watch(const struct config *cfg, bool *exists, struct error *why);

/* Can `database.url` be read, and does it ask for TLS where it leads to another machine? False with the
 * cause, which quotes no password. */
bool state_url_check(const char *url, struct error *why);

/* What log, health and figures call it: "state.db" or "postgresql". */
const char *state_name(const struct state *db);

/* Rolls back what is open; *db becomes NULL, and may be already. */
void state_close(struct state **db);

/* Waits for its turn among all handler processes, then begins. At false nothing is held. */
bool state_begin(struct state *db, struct error *why);

/* Commits, gives the turn on, and flushes; at true everything is on disk. At false nothing may be
 * told of it: it is not applied, or others see it but a power cut may take it back, until the next
 * state_begin has written it again (or has failed). */
bool state_commit(struct state *db, struct error *why);

/* fn is called about twice a second while state_begin waits: held is CAUSE_LOCKED when another program has
 * the database, CAUSE_NONE when it is another process's turn. */
typedef void state_waits(void *arg, enum store_cause held);
void state_on_wait(struct state *db, state_waits *fn, void *arg);

/* Bytes of state.db and of its log, at their paths; 0: there is none, as with a server. */
void state_sizes(const struct state *db, uint64_t *file, uint64_t *log);

/* What the last false was for. */
enum store_cause state_cause(const struct state *db);

/* Outside of a transaction, now and then: is the database that is open still what stands in data_dir? If
 * not it is opened anew, which state_begin and state_commit see to as well: nothing that state_commit
 * has said true of is in a file that had been removed or replaced before. False with the cause. */
bool state_look(struct state *db, struct error *why);

/* What has happened to the files since it was last asked: CAUSE_NONE, or REMOVED or REPLACED; *lost: with
 * all that was in them. */
enum store_cause state_news(struct state *db, bool *lost);

void state_rollback(struct state *db);

/* Takes back all that was done since state_begin and begins again, within the same turn. At false
 * the transaction is over; state_rollback gives the turn on. */
bool state_restart(struct state *db, struct error *why);

/* A serious error (disk full, I/O, a server gone) has ended the transaction by itself; nothing of it is
 * left. */
bool state_lost(const struct state *db);

/* Whose fault it was that something failed since state_begin or state_restart. */
enum state_failure {
	STATE_NO_FAILURE,
	STATE_OURS, /* the database's: come again later */
	STATE_AGAIN, /* nobody's: another process was in the way (deadlock); the same again may go at once */
	STATE_BLAMED, /* one of the statements': the database will never take it. state_event_keep tells
		       * of which event */
};
enum state_failure state_failure(const struct state *db);

enum state_event {
	STATE_NEW,     /* go on */
	STATE_APPLIED, /* is in the database already; nothing is open */
	STATE_KNOWN, /* the same event is in under another identity, from another node; nothing is open */
	STATE_FAILED, /* nothing is open */
};

/* Which event: its identity (proto/origin.h), and a mark of what it is (64 bits of hash over source and
 * id). A journal that was restored from a copy gives numbers out a second time: the same place with
 * another mark is another event.
 *
 * What makes it the same event again, whoever accepted it (the frame's `key`, or absent: not asked for):
 * with an engine that nodes share it is remembered as well, for window_ms around received_ms.
 *
 * email: whom it is about, or absent; for the order in which processes wait for one another. */
struct state_event_key {
	struct slice journal;
	uint64_t seq;
	int64_t mark;
	struct slice same;
	uint64_t received_ms, window_ms;
	struct slice email;
};

/* Right after state_begin: the events that this transaction is for. They stay the caller's until it is
 * over, over each state_restart. */
void state_expect(struct state *db, const struct state_event_key *keys, size_t n);

/* Enters events as applied; their changes follow, and stay or go with all others of the transaction.
 * Sets entered, by event, to all but STATE_FAILED. now_ms: wall clock, kept with the entries. False with
 * the cause: nothing is known of any. */
bool state_enter(struct state *db, const struct state_event_key *keys, size_t n, uint64_t now_ms,
	enum state_event *entered, struct error *why);

/* The same for one event. */
enum state_event state_event_enter(
	struct state *db, const struct state_event_key *key, uint64_t now_ms, struct error *why);

/* The same, but its changes are kept or undone on their own. */
enum state_event state_event_begin(
	struct state *db, const struct state_event_key *key, uint64_t now_ms, struct error *why);
bool state_event_keep(struct state *db, struct error *why);
/* Takes back this event's changes alone. */
void state_event_undo(struct state *db);

/* Forgets up to about `limit` events that were applied before before_ms. An entry may go when its
 * event can no longer be delivered; the caller knows when that is. Call it inside a transaction. */
bool state_forget(struct state *db, uint64_t before_ms, size_t limit, struct error *why);

/* A value for a statement. Text is copied while the statement runs; it may hold NUL. */
struct state_value {
	enum { STATE_NULL, STATE_INT, STATE_TEXT } kind;
	int64_t number;
	struct slice text;
};

#define SV_INT(n_) ((struct state_value){.kind = STATE_INT, .number = (int64_t)(n_)})
#define SV_NULL ((struct state_value){.kind = STATE_NULL})
/* An absent slice is NULL. */
static inline struct state_value
SV_TEXT(struct slice text) {
	return (struct state_value){.kind = text.p ? STATE_TEXT : STATE_NULL, .text = text};
}

/* One statement's values, as the two arguments that state_run and state_get take. */
#define STATE_VALUES(...)                                                                          \
	(const struct state_value[]){__VA_ARGS__},                                                 \
		sizeof((const struct state_value[]){__VA_ARGS__}) / sizeof(struct state_value)

/* Runs a statement that gives no rows. */
bool
state_run(struct state *db, enum statement which, const struct state_value *values, size_t n,
	struct error *why);

/* One column of a row: a number, or a text cut at 63 bytes. */
struct state_cell {
	bool null;
	int64_t number;
	char text[64];
};

enum state_row { STATE_ROW, STATE_NO_ROW, STATE_ROW_FAILED };

/* Runs a query and fills `columns` cells from its first row. */
enum state_row state_get(struct state *db, enum statement which, const struct state_value *values,
	size_t n, struct state_cell *cells, size_t columns, struct error *why);

/* Runs a query and calls fn with each row's values, texts whole and good for the call only, until
 * it returns false. False with the cause. */
typedef bool state_visit(void *arg, const struct state_value *row);
bool state_each(struct state *db, enum statement which, const struct state_value *values, size_t n,
	size_t columns, state_visit *fn, void *arg, struct error *why);

/* The mark of an event. */
int64_t state_mark(struct slice source, struct slice id);

/* ---- for whoever looks at it as a whole ---- */

/* From now on what takes longer than until then fails: state_each after the rows that it has found, in
 * words that end in "interrupted". end_ms: as clock_mono_ms counts. */
void state_look_until(struct state *db, uint64_t end_ms);

/* When was the event entered? False when it is not in, and also when that cannot be told. */
bool state_applied_at(struct state *db, struct slice journal, uint64_t seq, uint64_t *at_ms);

/* Is the event in, whatever its mark? False also when that cannot be told. */
bool state_applied(struct state *db, struct slice journal, uint64_t seq);

/* The newest number of the journal that is in; 0: none. False when it cannot be told. */
bool state_newest(struct state *db, struct slice journal, uint64_t *seq);

/* Is the event in, whatever its mark? STATE_ROW, STATE_NO_ROW, or STATE_ROW_FAILED: it cannot be told. */
enum state_row state_holds(struct state *db, struct slice journal, uint64_t seq);

/* Calls fn with the number of each event of the journal that is in, rising, all as of one moment,
 * until it returns false: row->number. False with the cause; fn may have been called before. */
bool state_each_applied(
	struct state *db, struct slice journal, state_visit *fn, void *arg, struct error *why);

/* Calls fn with each event that was entered with the mark, the newest journal's first: row[0].text is the
 * journal, row[1].number the number in it, row[2].number when it was entered. Reads all that there are. */
bool state_each_marked(
	struct state *db, int64_t mark, state_visit *fn, void *arg, struct error *why);

/* When (wall clock) the database was last found to be removed or replaced, with all that was in it; 0:
 * never. */
uint64_t state_lost_ms(const struct state *db);

/* Reads all of it and calls fn with each fault that is found, in words; at most ten. True when it
 * is sound. */
typedef void state_fault(void *arg, const char *fault);
bool state_check(struct state *db, state_fault *fn, void *arg);

#endif
