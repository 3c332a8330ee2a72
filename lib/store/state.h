/* state - the database that handlers write: <data_dir>/state.db, one transaction a group of events.
 *
 * The narrow door to it: nothing but state.c and schema.c knows that it is SQLite. A transaction
 * looks like
 *
 *	state_begin
 *	for each event: state_event_enter, its statements
 *	state_commit
 *
 * or, where an event may have to be taken back alone, which costs half as much again (SQLite keeps
 * a copy of each page for each savepoint),
 *
 *	for each event: state_event_begin, its statements, state_event_keep or state_event_undo
 *
 * An event is entered in `applied` by (journal, seq) in the same transaction as its effects, so
 * both are there or neither is. */
#ifndef TROTLINE_STORE_STATE_H
#define TROTLINE_STORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "state_statements.h"

struct state;

/* Opens the database, making or upgrading it as needed; files are for their owner only. NULL with
 * the cause. The caller closes it. */
struct state *state_open(const char *data_dir, struct error *why);
/* Opens it for looking only: never waits for a turn, makes and upgrades nothing. NULL with the
 * cause; *exists is false when there is no database yet. */
struct state *state_watch(const char *data_dir, bool *exists, struct error *why);
/* Rolls back what is open. */
void state_close(struct state **db);

/* Waits for its turn among all handler processes, then begins. At false nothing is held. */
bool state_begin(struct state *db, struct error *why);

/* Commits, gives the turn on, and flushes; at true everything is on disk. At false nothing may be
 * told of it: it is not applied, or others see it but a power cut may take it back, until the next
 * state_begin has written it again (or has failed). */
bool state_commit(struct state *db, struct error *why);
void state_rollback(struct state *db);

/* Takes back all that was done since state_begin and begins again, within the same turn. At false
 * the transaction is over; state_rollback gives the turn on. */
bool state_restart(struct state *db, struct error *why);

/* A serious error (disk full, I/O) has ended the transaction by itself; nothing of it is left. */
bool state_lost(const struct state *db);

enum state_event {
	STATE_NEW,     /* go on */
	STATE_APPLIED, /* is in the database already; nothing is open */
	STATE_FAILED,  /* nothing is open */
};

/* Which event: its place in its journal, and a mark of what it is (64 bits of hash over source and
 * id). A journal that was restored from a copy gives numbers out a second time: the same place with
 * another mark is another event. */
struct state_event_key {
	struct slice journal;
	uint64_t seq;
	int64_t mark;
};

/* Enters an event as applied; its changes follow, and stay or go with all others of the
 * transaction. now_ms: wall clock, kept with the entry. */
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

#endif
