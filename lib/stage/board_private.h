/* board_private - what the files of the board share; nobody else includes it. */
#ifndef TROTLINE_BOARD_PRIVATE_H
#define TROTLINE_BOARD_PRIVATE_H

#include "board.h"
#include "lib/config/advice.h"

enum { BOARD_PROCESSES_MAX = 512, BOARD_SAMPLES = 60, BOARD_SHORT_S = 30 };

struct process {
	char stage[WIDTH_WHO + 1];
	uint64_t instance, heard_ms;
	bool draining, counted; /* counted: its file has been joined */
	char *frame;            /* the last stats frame */
	size_t n;
};

/* Running totals at one time. */
struct totals {
	uint64_t at_ms;
	double requests, failed, duration_sum, duration_count;
	double judged; /* POSTs that got a verdict: the sender was known, or was not */
	double crowd;  /* refused since too many came at once, whoever they are from */
	double astray; /* POSTs to a path that no source has */
	double dead;   /* letters in the store; less than 0: not known yet */
};

/* A page as it was last made. */
struct board_text {
	char *text; /* NULL: not made yet */
	unsigned status;
	uint64_t made_ms;
};

struct board {
	const struct config *cfg;
	const char *self; /* stage of this very process, whose frames are passed over; "": none */
	uint64_t instance;
	struct process processes[BOARD_PROCESSES_MAX];
	size_t count;
	struct totals samples[BOARD_SAMPLES]; /* ring */
	size_t first, held;
	uint64_t time_ms; /* monotonic: see board_time; 0: not yet */
	struct board_text pages[BOARD_PAGES];
	struct metrics *joined; /* as they were last told; NULL: not yet */
	struct shared_page *shared;
};

enum {
	ALERTS_MAX = 192,
	ALERT_TEXT = 1024 /* two commands with a path each; none is cut, so that no path is */
};

/* What the figures say. */
struct report {
	char alerts[ALERTS_MAX][ALERT_TEXT];
	size_t count;
	bool degraded, critical;
	const char *config; /* what commands name with -c; NULL: a stranger is told no path */
};

__attribute__((format(printf, 3, 4))) void alert(
	struct report *r, bool critical, const char *fmt, ...);

/* What to type, for whoever reads the alert wherever he is. */
struct tip {
	char text[ADVICE_BYTES];
};
struct tip board_tip(const struct report *r, enum advised which, const char *what);

/* What stages have met at their stores; see trouble.h. */
void board_check_stores(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms);

/* What waits for history, and what it has missed. */
void board_check_history(const struct board *b, struct report *r, const struct metrics *m);

/* Destinations that take nothing, are late, or have missed something. */
void board_check_forward(const struct board *b, struct report *r, const struct metrics *m);

/* Whose events fill the journal: "its handlers", or "history". */
const char *board_who_fills(const struct metrics *m);

/* Which stages have fewer processes that go on than they should have, and why; what has died or hung. */
void board_check_processes(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms);
void board_check_handlers(
	const struct board *b, struct report *r, const struct metrics *m, uint64_t now_ms);

/* What those of a stage that are not heard are at, such as ": 1 hung, 1 starting"; "": nobody knows. */
enum { BOARD_DOINGS_BYTES = 256 };
const char *board_doings(const struct metrics *m, const char *stage, char out[BOARD_DOINGS_BYTES]);

/* Sources of which nearly all is refused, and why. */
void board_check_refused(const struct board *b, struct report *r, const struct metrics *m);

/* Why requests were refused for our own fault within the last minute, such as ", for memory"; "": they were
 * not. */
const char *board_unable(const struct metrics *m, char out[ALERT_TEXT / 2]);

/* Is the journal full, or was a request refused lately as it had no room for that one? */
bool board_full(const struct metrics *m);

/* The value of a family for one source or handler. */
double board_value(
	const struct metrics *m, enum metric_family family, const char *label, const char *name);

/* Processes of a stage that have spoken lately; this very one is among them. */
size_t board_alive(const struct board *b, const char *stage, uint64_t now_ms);

/* Seconds since the time that a family tells; very many where it never was. */
double board_since(const struct metrics *m, enum metric_family family);

/* The page of figures, as several processes show it (board_shared.c). board_shares: can it be shared? The
 * others only then. Whoever may make it (board_makes) does so, or finds that another has just done it, and
 * shares it, until board_made. */
bool board_shares(struct board *b);
void board_take_shared(struct board *b);
bool board_makes(struct board *b);
void board_share(struct board *b);
void board_made(struct board *b);
void board_unshare(struct board *b);

/* How long an answer may wait for a disk, once until it goes on. */
enum { BOARD_DISK_MS = 50 };

/* What was counted a time ago, at least; the oldest where none is so old. */
struct totals board_ago(const struct board *b, uint64_t now_ms, uint64_t ms);

/* POSTs of the last seconds that were for nobody. */
void board_check_astray(
	const struct board *b, struct report *r, const struct totals *now, uint64_t now_ms);

struct totals board_totals(const struct board *b, const struct metrics *m, uint64_t now_ms);

#endif
