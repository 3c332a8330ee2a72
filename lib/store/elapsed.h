/* elapsed - how old a row is, by the time that has passed and not by a wall clock that jumps.
 *
 * Rows bear the wall clock's time, for people. A table of their store notes how far that was ahead of a
 * clock that only goes on:
 *
 * | key                                   | value                                               |
 * |---------------------------------------|-----------------------------------------------------|
 * | number of the first row that it is of | how far ahead; wall clock, time since boot, boot id |
 *
 * While the machine is up, CLOCK_BOOTTIME says what has passed; a wall clock that says otherwise, by
 * more than a second, has been set. Over a reboot there is the wall clock alone, and it may be wrong:
 * the time up to the first look is taken not to have passed. So rows may stay longer than they
 * must, by the time that the machine was off, and never shorter. */
#ifndef TROTLINE_STORE_ELAPSED_H
#define TROTLINE_STORE_ELAPSED_H

#include "lmdb_env.h"

struct elapsed_note {
	int64_t ahead_ms;
	uint64_t wall_ms, boot_ms, boot;
};

struct elapsed {
	MDB_txn *txn;
	MDB_dbi table;
	struct elapsed_note note;
	uint64_t from;   /* first number that the note is of; UINT64_MAX: not written yet */
	uint64_t now_ms; /* by the clock that only goes on */
	bool rebooted;
};

/* The clocks as they are: ahead_ms is 0. */
struct elapsed_note elapsed_read(void);

/* Inside a transaction, which it is good for: what time it is. */
void elapsed_look(struct elapsed *e, MDB_txn *txn, MDB_dbi table, const struct elapsed_note *now);

/* After a reboot: not before this, at which a row was written. */
void elapsed_not_before(struct elapsed *e, uint64_t ms);

/* When the row of a number was written, by that clock; at_ms: by the wall clock. */
uint64_t elapsed_at(const struct elapsed *e, uint64_t number, uint64_t at_ms);

/* Writes what elapsed_look has found out, if it is new, or was of rows that are gone: it is of those from
 * `first` on, of which none is there yet. LMDB's status. */
int elapsed_write(struct elapsed *e, uint64_t first);

/* Forgets one note that is of no row from `first` on. LMDB's status. */
int elapsed_trim(const struct elapsed *e, uint64_t first);

#endif
