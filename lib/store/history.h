/* history - every accepted event, kept to be found, counted and handed on (in <data_dir>/history).
 *
 * One process writes; any number look, also where nothing can be written, and after the writer was
 * killed. An event has a number of its own, `pos`, which counts up for the whole installation and
 * is never used twice; (journal, seq) says that it is in already, so that a second delivery is
 * harmless. Events are appended to an open segment, which is sealed when it is full or its day is
 * over: compressed, and indexed once. A day's sealed segments are merged the day after. What is
 * older than `keep` goes file by file.
 *
 * A kill between any two lines leaves what the next history_open makes whole: an append is in whole or
 * not at all, and what was being sealed or merged is begun again. */
#ifndef TROTLINE_STORE_HISTORY_H
#define TROTLINE_STORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "proto/frame.h"
#include "store.h"

enum { HISTORY_SEGMENT_EVENTS = 250000 };

struct history_limits {
	uint64_t keep_ms;        /* 0: only what a reader has not passed */
	uint64_t max_bytes;      /* 0: without limit */
	bool plain;              /* sealed segments are not compressed */
	uint32_t segment_events; /* 0: HISTORY_SEGMENT_EVENTS, which is the most */
};

/* An event as it travels; for who looks, with its number. What it points to is its owner's. */
struct history_event {
	uint64_t pos;
	const struct event *event;
	struct slice frame;
};

/* ---- the one who writes ---- */

struct history;

/* Makes the folder, and whole what a kill has left. NULL with the cause; also when another process
 * writes there. Open it after any fork. */
struct history *history_open(
	const char *folder, const struct history_limits *limits, struct error *why);
void history_close(struct history **h);

/* From now on other limits. */
void history_limit(struct history *h, const struct history_limits *limits);

/* Appends what is not in yet, all in one transaction, and flushes it: STORE_OK means durable. At most
 * 4,096 a call. *added (may be NULL): how many were new. After another answer none is in, and it
 * may be tried again. */
enum store_rc history_append(struct history *h, const struct history_event *events, size_t n,
	uint64_t now_ms, size_t *added, struct error *why);

enum history_work {
	HISTORY_IDLE,   /* nothing is left to do now */
	HISTORY_MORE,   /* call again soon */
	HISTORY_FAILED, /* with the cause; it is tried again later */
};

/* Goes on with what is due: sealing, merging, writing back, roll-ups, retention; about so long. A
 * single step may take 100 ms. */
enum history_work history_work(
	struct history *h, uint64_t now_ms, uint64_t budget_us, struct error *why);

struct history_figures {
	uint64_t events, first, last;     /* how many are there, and their numbers; 0: none */
	uint64_t oldest_ms, newest_ms;    /* when they were received */
	uint64_t bytes;                   /* of all files */
	uint64_t segments, open, damaged; /* files; not sealed yet; that cannot be read */
	uint64_t appended, repeated; /* since it was opened: new ones, and those that were in */
	uint64_t sealed, merged, dropped; /* since it was opened: files */
	bool working;                     /* a file is being sealed or merged */
};
void history_figures(const struct history *h, struct history_figures *out);

/* ---- readers with a cursor: what they have not passed yet ---- */

/* Whoever reads on from where it was says so here, from any process; cheap, but a file written: once a
 * second will do. `hold`: nothing from pos on is dropped because of its age while it is told anew
 * within the hour (a replay, an export); the others hold what keep_ms 0 would drop, and else nothing:
 * keep_ms is the end. A name is 1 to 80 letters, digits, - and _. */
bool history_pin(const char *folder, const char *name, uint64_t pos, bool hold, uint64_t now_ms,
	struct error *why);
bool history_unpin(const char *folder, const char *name, struct error *why);

struct history_pinned {
	const char *name;
	uint64_t pos;   /* the next that it reads */
	uint64_t at_ms; /* when it said so */
	bool hold;
};
typedef void history_visit_pin(void *arg, const struct history_pinned *pin);
/* False when the folder cannot be read; without one there are none. */
bool history_pins(const char *folder, history_visit_pin *fn, void *arg, struct error *why);

/* When that number goes because of its age; 0: it is gone, not there yet, or keep_ms is 0. */
uint64_t history_expiry(const struct history *h, uint64_t pos);

/* ---- those who look: in any process, beside the one who writes ---- */

struct history_view;

/* NULL with the cause, and where there is no history yet; then *exists is false. Open it after any
 * fork. Files are open only during a call. */
struct history_view *history_watch(const char *folder, bool *exists, struct error *why);
void history_view_close(struct history_view **v);

/* A descriptor that is readable once events have been added, for who reads on; less than 0 with the cause. It
 * may say so without need, and says nothing of a folder that was removed and made anew: look now and then all the
 * same. history_notice_of: false where there is no history yet. */
int history_notice(struct error *why);
bool history_notice_of(int notice, const char *folder);
void history_notice_clear(int notice);

/* What is asked for. Texts are absent (p == NULL) for "any" and live as long as the query. */
struct history_filter {
	struct slice email;   /* one address as a person writes it; in any case of its letters */
	struct slice message; /* a Message-ID, with or without <> */
	struct slice id;      /* the sender's event id; or ours, evt_<journal>_<seq> */
	struct slice type, source, campaign; /* may end in * */
	uint64_t since_ms, until_ms;         /* from, and before; until 0: no end */
	bool happened;                       /* these are times at the sender; else of acceptance */
	int machine;          /* 1: what a machine did alone; -1: what none did; 0: all */
	struct slice written; /* what else must be the same where a cursor goes on: how a person
			       * wrote the times */
};

struct history_query;

/* False with the cause, in words for who asked: what is no address, a time before its beginning, a
 * text that is longer than any of its kind. */
bool history_filter_check(const struct history_filter *filter, struct error *why);

/* NULL with the cause: the same, or memory is short. Its texts are copied. */
struct history_query *history_query(
	struct history_view *v, const struct history_filter *filter, struct error *why);
void history_query_free(struct history_query **q);

/* Where a look goes on. As text it carries a mark of its filter, and its times. */
enum { HISTORY_CURSOR_ROOM = 80 };
char *history_cursor(const struct history_query *q, uint64_t pos, char out[HISTORY_CURSOR_ROOM]);
/* *pos: where to go on. False with the cause: no cursor, or one of another filter. The query takes
 * its times, so that "2h ago" means the same as on the page before. */
bool history_resume(struct history_query *q, struct slice cursor, uint64_t *pos, struct error *why);

struct history_look {
	uint64_t pos;       /* in: go on from here; 0: begin. out: for the next call */
	size_t most;        /* events at most; 0: without limit */
	uint64_t budget_us; /* 0: without limit */
	/* out */
	bool complete;   /* there is nothing more */
	size_t found;    /* events given to the visitor */
	uint64_t looked; /* numbers that are behind us */
	uint64_t missed; /* history_read: numbers that are gone, or could not be read */
	size_t damaged;  /* files that could not be read, or not whole */
};

/* The event lives as long as the call. False: enough, this one counts. */
typedef bool history_visit(void *arg, const struct history_event *event);

/* The newest first, below look->pos. False with the cause when nothing can be read at all. */
bool history_find(struct history_view *v, const struct history_query *q, struct history_look *look,
	history_visit *fn, void *arg, struct error *why);

/* The oldest first, from look->pos on: for who reads all, with a cursor of its own. */
bool history_read(struct history_view *v, const struct history_query *q, struct history_look *look,
	history_visit *fn, void *arg, struct error *why);

/* ---- counts ---- */

enum history_span { HISTORY_MINUTE, HISTORY_HOUR, HISTORY_DAY };
enum {
	HISTORY_BY_TYPE = 1,
	HISTORY_BY_SOURCE = 2,
	HISTORY_BY_CAMPAIGN = 4,
	HISTORY_BY_DOMAIN = 8,
	HISTORY_BY_MACHINE = 16,
};

/* Minutes are there for 48 h, hours for 400 days, days for good; minutes know no campaign and no
 * domain. Counted is the time at the sender, or that of acceptance where it is far from it. */
struct history_stats {
	enum history_span span;
	unsigned by;                         /* HISTORY_BY_... */
	bool whole;                          /* not a row for each span, but for all of them */
	uint64_t since_ms, until_ms;         /* widened to whole spans; until 0: no end */
	struct slice type, source, campaign; /* may end in *; absent: any */
	int machine;                         /* as in a filter */
	size_t most;                         /* rows at most; 0: 100,000 */
	uint64_t budget_us; /* 0: as long as it takes; else false when that is over */
};

struct history_count {
	uint64_t from_ms; /* of its span */
	/* Absent where it has none, or where it was not asked for. `domain`: a class, such as
	 * "gmail" or "other". */
	struct slice type, source, campaign, domain;
	bool machine;
	uint64_t count;
};
typedef bool history_visit_count(void *arg, const struct history_count *count);

/* In order of time, then the highest count first. What is not rolled up yet is counted from the
 * events: *damaged (may be NULL) says how many files could not be. False with the cause. */
bool history_count(struct history_view *v, const struct history_stats *what,
	history_visit_count *fn, void *arg, size_t *damaged, struct error *why);

/* The first and the last number that are there; 0: none. False with the cause: the last cannot be read;
 * *first is known, unless it is 0. */
bool history_range(struct history_view *v, uint64_t *first, uint64_t *last, struct error *why);

/* The number of the first event that was accepted at ms or later; behind the last where there is none. False
 * with the cause. */
bool history_number_at(struct history_view *v, uint64_t ms, uint64_t *pos, struct error *why);

/* Reads every event and every index, and tells what is not as it should be. True: all is. False also
 * with the cause, where the folder cannot be read. While nobody seals or merges there. */
typedef void history_fault(void *arg, const char *file, const char *fault);
bool history_check(struct history_view *v, history_fault *fn, void *arg, struct error *why);

#endif
