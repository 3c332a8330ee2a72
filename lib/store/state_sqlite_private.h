/* state_sqlite_private - what the files of state.h's SQLite engine share. */
#ifndef TROTLINE_STORE_STATE_SQLITE_PRIVATE_H
#define TROTLINE_STORE_STATE_SQLITE_PRIVATE_H

#include <sqlite3.h>

#include "state.h"

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
	OWN_APPLIED_MARKED,
	OWN_CHECK,
	OWN_COUNT
};
#define OWN(name) ((enum statement)OWN_##name)

struct state_sql {
	const char *name, *text;
};
extern const struct state_sql state_sql[OWN_COUNT];

enum { JOURNAL_ID_MAX = 16 };

struct state {
	sqlite3 *sqlite;
	sqlite3_stmt *prepared[OWN_COUNT]; /* made at first use */
	int turn;                          /* state.lock */
	bool began;
	bool unflushed;  /* a flush has failed: see write_again */
	int wal_pages;   /* since the last checkpoint here */
	uint64_t end_ms; /* of all looking */
	struct {
		char name[JOURNAL_ID_MAX];
		size_t n;
		int64_t id; /* 0: none */
	} journal;
};

/* False, with what SQLite says of its last failure. */
bool state_fail(const struct state *db, const char *what, struct error *why);

#endif
