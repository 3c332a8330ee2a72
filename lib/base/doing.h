/* doing - what this process is at just now that may take long by its nature: a word for whoever would
 * take it for hung.
 *
 * State: one number, written by the thread that works and read by the one that tells of it (heart.h).
 * Nothing is written in a program that has no such thread. */
#ifndef TROTLINE_BASE_DOING_H
#define TROTLINE_BASE_DOING_H

#include <stdint.h>

/* X(name, word). Nobody is at the last one by his own account: others find him so. */
#define DOINGS(X)                                                                                  \
	X(NOTHING, "nothing long")                                                                 \
	X(START, "starting")                                                                       \
	X(PAUSE, "waiting before it starts again, for it has died repeatedly")                     \
	X(SCAN, "scanning a store")                                                                \
	X(INDEX, "rebuilding the index of ids")                                                    \
	X(LOCK, "waiting for a lock")                                                              \
	X(DATABASE, "waiting for the database")                                                    \
	X(FLUSH, "waiting for the disk")                                                           \
	X(HANDLER, "in a handler's function")                                                      \
	X(COMPACT, "compacting a store")                                                           \
	X(LOG, "writing its log, which nobody takes in")                                           \
	X(STOP, "stopping")                                                                        \
	X(HUNG, "hung")

#define DOING_ENUM(name, word) DOING_##name,
enum doing { DOINGS(DOING_ENUM) DOINGS_COUNT };

extern const char *const doing_words[DOINGS_COUNT];

/* The calling thread is the one whose doings count: those of others, and of all before this call, are
 * nothing. */
void doing_counts(void);

/* From now on it is at that. Returns what it was at before, to be set again when this is over. */
enum doing doing(enum doing now);

enum doing doing_now(void);

/* Grows with each call of doing(): who begins and ends things goes on. */
uint64_t doing_steps(void);

#endif
