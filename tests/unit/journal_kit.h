/* journal_kit - what the tests of the journal share: one in a folder of its own, events by number, and
 * looks at where they stand. */
#ifndef TROTLINE_TEST_JOURNAL_KIT_H
#define TROTLINE_TEST_JOURNAL_KIT_H

#include "scratch.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* The test's own. */
extern struct scratch s;
extern struct journal *j;
extern struct error why;

/* For a suite's .init and .fini. */
void journal_kit_open(void);
void journal_kit_close(void);
/* Closes the journal and opens it again. */
void reopen(void);

/* Accepts an event with that id, in a transaction of its own, and returns its seq. */
uint64_t take(const char *id);
/* The same for number n: evt_<n>. */
uint64_t take_number(uint64_t n);
/* Numbers from..to, in the transaction that is open. */
void append_many(uint64_t from, uint64_t to);

struct journal_stat stat_now(void);

/* Where an event stands, by the state table. */
enum state { GONE, ACCEPTED, SCHEDULED, DEAD };
enum state state_of(uint64_t seq);
/* Rows in `due` whatever their time. */
size_t due_rows(void);

/* What may happen to the index beside the journal. */
enum mishap { NOTHING, DELETED, OF_ANOTHER_BOOT, CUT_OFF };
void meet(enum mishap mishap);

/* ---- until it is full ---- */

/* As the validator does: what finds the door closed stays outside, the rest is committed. *number: of the
 * last event. */
enum store_rc append_group(struct slice frame, size_t n, uint64_t *number);
/* Small groups until one finds no room, nor when it is sent again; returns how many events entered. */
size_t fill_up(size_t size, uint64_t *number);
/* Settles all events as the retrier does, up to 4,096 in a transaction. */
void settle_all(enum journal_move move, uint64_t last);

#endif
