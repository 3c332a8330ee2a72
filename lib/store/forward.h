/* forward - what destinations have had, and what they are still owed (in <data_dir>/forward.db).
 *
 * A destination reads the history with a cursor, `next`: the first number that it has not taken up. Below it
 * all is settled but what stands in `owed`: a row for what is on its way, what is tried again later, and what
 * waits for the destination. So cursor and rows of one commit say exactly what is missing; after a kill what was
 * answered since the last commit is sent again, and nothing else.
 *
 * The stage `forward` alone delivers, and holds a lock on it; operators change flags, letters and jobs beside
 * it, each in one transaction, and it sees that by forward_version. A number is a history's `pos`. */
#ifndef TROTLINE_STORE_FORWARD_H
#define TROTLINE_STORE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "store.h"

enum {
	FORWARD_NAME = 65,
	FORWARD_CAUSE = 256,
	FORWARD_ANSWER = 1024,
	FORWARD_OWED_MAX = 100000,
	FORWARD_LETTERS_MAX = 100000
};

struct forward;

enum forward_use {
	FORWARD_DELIVER, /* makes it; NULL also when another process delivers */
	FORWARD_CHANGE,  /* for an operator's acts; makes nothing */
	FORWARD_LOOK,
};

/* data_dir: its folder. NULL with the cause, or, with *exists false, where there is none yet. After any fork. */
struct forward *forward_open(
	const char *data_dir, enum forward_use use, bool *exists, struct error *why);
void forward_close(struct forward **f);

/* Another number when another process has changed something since the last call. */
uint64_t forward_version(struct forward *f);

/* Was the file removed or replaced since it was opened? */
bool forward_is_replaced(const struct forward *f);

/* ---- destinations ---- */

#define FORWARD_STATES(X)                                                                          \
	X(UP, "up")           /* takes events */                                                   \
	X(SLOW, "slow")       /* says that it has too many: 429, 503 ... */                        \
	X(DOWN, "down")       /* cannot be reached, or nothing succeeds: is probed */              \
	X(REFUSED, "refused") /* wants nothing from us: 401, 404 ...: is probed each 5 min */      \
	X(GONE, "gone")       /* 410: nothing is sent until `enable` */
#define FORWARD_STATE_ENUM(name, word) FORWARD_##name,
enum forward_state { FORWARD_STATES(FORWARD_STATE_ENUM) FORWARD_STATES_COUNT };
extern const char *const forward_state_words[FORWARD_STATES_COUNT];

struct forward_destination {
	char name[FORWARD_NAME];
	/* the stage's */
	uint64_t next, since_ms; /* since: when it was first seen in the configuration */
	enum forward_state state;
	uint64_t state_ms;                         /* since when */
	unsigned status;                           /* of the last answer; 0: there was none */
	char cause[FORWARD_CAUSE];                 /* why the last try failed; "": it did not */
	uint64_t tried_ms, done_ms;                /* last try, last success */
	uint64_t delivered, died, missed, skipped; /* events, since since_ms */
	/* an operator's */
	bool paused;
	uint64_t enable;  /* grows by one with each `enable` */
	uint64_t skip_to; /* go on from there once, forwards; 0: nothing is asked */
};
typedef bool forward_visit_destination(void *arg, const struct forward_destination *d);
bool forward_destinations(
	struct forward *f, forward_visit_destination *fn, void *arg, struct error *why);
/* *found: is there one of that name? */
bool forward_find(struct forward *f, const char *name, struct forward_destination *out, bool *found,
	struct error *why);

/* ---- what the stage writes: begin, any of these, commit ---- */

bool forward_begin(struct forward *f, struct error *why);
/* Flushed. After another answer than STORE_OK nothing of it is in. */
enum store_rc forward_commit(struct forward *f, struct error *why);
void forward_rollback(struct forward *f);

/* Its own fields, the operator's untouched; made when it is new. skip_to is cleared with cleared_skip. */
bool forward_put(
	struct forward *f, const struct forward_destination *d, bool clear_skip, struct error *why);
/* With all that it is owed, its letters, attempts and jobs: it left the configuration. */
bool forward_forget(struct forward *f, const char *name, struct error *why);

/* One event, or a batch: a fixed cut of the history as the destination filters it. */
struct forward_owed {
	uint64_t job;         /* the replay that it belongs to; 0: none */
	uint64_t first, last; /* numbers; of one event the same */
	uint64_t attempts;    /* that it was itself to blame for */
	uint64_t tries;       /* requests made with it */
	uint64_t due_ms;      /* 0: as soon as may be */
	uint64_t lane;        /* hash of its recipient, where order is by recipient; else 0 */
	uint64_t began_ms;    /* first try */
	unsigned status;      /* of the last answer */
	bool behind;          /* another of its lane goes first, until due_ms */
	/* Of a letter sent again, for the history may be gone; else absent. */
	struct slice id, type, email, body;
};
/* In, or as it is now: (job, first, last) is its key. */
bool forward_owe(
	struct forward *f, const char *name, const struct forward_owed *owed, struct error *why);
bool forward_settle(struct forward *f, const char *name, uint64_t job, uint64_t first,
	uint64_t last, struct error *why);

/* Is it owed the event of that number, alone or in a batch (job 0)? *due_ms: when it is due. */
bool forward_owes(struct forward *f, const char *name, uint64_t pos, bool *owes, uint64_t *due_ms,
	struct error *why);

/* Those that are due, the earliest number first. False from fn: enough. */
typedef bool forward_visit_owed(void *arg, const struct forward_owed *owed);
bool forward_due(struct forward *f, const char *name, uint64_t now_ms, size_t most,
	forward_visit_owed *fn, void *arg, struct error *why);

/* Order by recipient: the lowest number of a lane that is owed (0: none), and when it was first tried (0: it was
 * not yet). */
struct forward_lane {
	uint64_t first, began_ms;
};
bool forward_lane(struct forward *f, const char *name, uint64_t lane, struct forward_lane *out,
	struct error *why);
/* Those of a lane that are behind another, in order, until fn returns false. */
bool forward_lane_next(struct forward *f, const char *name, uint64_t lane, forward_visit_owed *fn,
	void *arg, struct error *why);
/* How many rows there are of each. */
typedef bool forward_visit_lane(void *arg, uint64_t lane, uint64_t count);
bool forward_lanes(
	struct forward *f, const char *name, forward_visit_lane *fn, void *arg, struct error *why);
/* The wall clock has jumped by so much: what is due is due at another time of it. */
bool forward_shift(struct forward *f, const char *name, int64_t ms, struct error *why);

/* Those behind nobody, as a kill may have left them, are due. */
bool forward_lanes_free(struct forward *f, const char *name, struct error *why);

struct forward_owing {
	uint64_t count;   /* rows */
	uint64_t least;   /* the lowest number of them that stands in history alone; 0: none */
	uint64_t due_ms;  /* the earliest due time that is not 0; 0: none */
	uint64_t letters; /* dead */
};
bool forward_owing(
	struct forward *f, const char *name, struct forward_owing *out, struct error *why);

/* ---- dead letters ---- */

struct forward_letter {
	uint64_t number; /* given by the store */
	uint64_t job, pos, attempts, began_ms, failed_ms;
	unsigned status;
	struct slice id, type, email, reason, answer, body; /* body: as it was sent */
};
bool forward_bury(struct forward *f, const char *name, const struct forward_letter *letter,
	struct error *why);
/* The newest first, below `below` (0: all). */
typedef bool forward_visit_letter(void *arg, const struct forward_letter *letter);
bool forward_letters(struct forward *f, const char *name, uint64_t below, size_t most,
	forward_visit_letter *fn, void *arg, struct error *why);
/* By its number, or by the event's id. */
bool forward_letter(struct forward *f, const char *name, struct slice which,
	forward_visit_letter *fn, void *arg, bool *found, struct error *why);
/* Operator's: sent again with the same id and body, or gone. number 0: all of them. *n: how many. */
bool forward_letters_replay(
	struct forward *f, const char *name, uint64_t number, uint64_t *n, struct error *why);
bool forward_letters_drop(
	struct forward *f, const char *name, uint64_t number, uint64_t *n, struct error *why);

/* ---- attempts: the last 10,000 of a destination, or 7 days ---- */

struct forward_attempt {
	uint64_t number, ask;         /* ask: the test that it answers; 0 */
	uint64_t at_ms, took_us, try; /* try: 1 and more */
	unsigned status;              /* 0: no answer */
	struct slice id, type, reason, cause,
		answer; /* reason: first, retry, probe, replay, test */
};
bool forward_attempted(struct forward *f, const char *name, const struct forward_attempt *attempt,
	struct error *why);
typedef bool forward_visit_attempt(void *arg, const struct forward_attempt *attempt);
/* The newest first. id absent: of any event. */
bool forward_attempts(struct forward *f, const char *name, struct slice id, uint64_t below,
	size_t most, forward_visit_attempt *fn, void *arg, struct error *why);
/* Drops what is too old or too many, a little at a time: true while there is more. */
bool forward_tidy(struct forward *f, const char *name, uint64_t now_ms, struct error *why);

/* ---- an operator's acts; *found: is there such a destination? ---- */

bool forward_pause(
	struct forward *f, const char *name, bool paused, bool *found, struct error *why);
bool forward_enable(struct forward *f, const char *name, bool *found, struct error *why);
bool forward_skip(struct forward *f, const char *name, uint64_t to, bool *found, struct error *why);

/* A test: the stage sends one event, of that number or (0) an invented one; its attempt carries *ask. */
bool forward_ask(
	struct forward *f, const char *name, uint64_t pos, uint64_t *ask, struct error *why);
/* For the stage: those that are asked, and that one is answered (within its transaction). */
typedef bool forward_visit_ask(void *arg, const char *name, uint64_t ask, uint64_t pos);
bool forward_asks(struct forward *f, forward_visit_ask *fn, void *arg, struct error *why);
bool forward_answered(struct forward *f, uint64_t ask, struct error *why);

/* ---- replays ---- */

#define FORWARD_JOB_STATES(X)                                                                      \
	X(RUNNING, "running") X(PAUSED, "paused") X(DONE, "done") X(STOPPED, "stopped")
#define FORWARD_JOB_ENUM(name, word) FORWARD_JOB_##name,
enum forward_job_state { FORWARD_JOB_STATES(FORWARD_JOB_ENUM) FORWARD_JOB_STATES_COUNT };
extern const char *const forward_job_words[FORWARD_JOB_STATES_COUNT];

struct forward_job {
	uint64_t id; /* 1 and more; given by the store */
	char name[FORWARD_NAME];
	enum forward_job_state state;
	struct slice email, type, source; /* as history_filter has them; absent: any */
	uint64_t since_ms, until_ms;
	uint64_t next, end; /* numbers: to look at next, and before which it ends */
	uint64_t begin;     /* where it began */
	uint64_t rate;      /* events/s; 0: as the destination takes them */
	bool new_ids;
	uint64_t meant, sent, died, missed; /* events; sent: answered 2xx */
	uint64_t made_ms, ended_ms;
};
bool forward_job_make(struct forward *f, struct forward_job *job, struct error *why);
typedef bool forward_visit_job(void *arg, const struct forward_job *job);
/* The newest first; name NULL: of all. */
bool forward_jobs(
	struct forward *f, const char *name, forward_visit_job *fn, void *arg, struct error *why);
bool forward_job_state(struct forward *f, uint64_t id, enum forward_job_state state, bool *found,
	struct error *why);
/* The stage's: how far it has come, within its transaction; the state too unless an operator has changed it. */
bool forward_job_put(struct forward *f, const struct forward_job *job, struct error *why);

/* ---- for fsck ---- */

typedef void forward_fault(void *arg, const char *fault);
/* SQLite's own check, and that rows agree. */
bool forward_check(struct forward *f, forward_fault *fn, void *arg, struct error *why);

#endif
