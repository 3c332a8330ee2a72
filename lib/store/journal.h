/* journal - the durable truth between acceptance and an event's end (LMDB, in <data_dir>/journal).
 *
 * | table   | key         | value                               | meaning                         |
 * |---------|-------------|-------------------------------------|---------------------------------|
 * | events  | seq         | received (8 bytes, ms), event frame | accepted, is owed to somebody   |
 * | tries   | seq         | try frame                           | has been answered RETRY or DEAD |
 * | due     | (time, seq) | nothing                             | waits for that time (scheduled) |
 * | settled | seq         | nothing                             | one has settled it, another not |
 * | seen    | seq         | hash, time, request                 | remembered for deduplication    |
 * | batches | number      | batch frame                         | what came in one request        |
 * | proofs  | (time, hash)| hashes of events and body           | what a one-time proof was for   |
 * | clock   | seq         | see elapsed.h                       | how wall clock and age part     |
 * | meta    | name        |                                     | format, the journal's random id |
 *
 * tries, due and settled are there once for each taker (proto/taker.h): those of history are called
 * history-tries and so on. An event leaves when the last of those that it is owed to settles it, and
 * with it all that these say of it. Where the text says delivery, it is a number of proto/taker.h.
 *
 * Keys are sequential, so writing is appending; deduplication goes through dedup.h, which is only a
 * hint on `seen`. Sequence numbers start at 1 and are never used twice: the newest row of `seen`
 * is never trimmed. Several processes share the journal: one writes at a time, readers never wait,
 * and a killed writer leaves nothing behind. */
#ifndef TROTLINE_JOURNAL_H
#define TROTLINE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "dedup.h"
#include "ended.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include "lib/config/config.h"
#include "proto/frame.h"
#include "proto/taker.h"
#include "store.h"

struct journal;

enum journal_use {
	JOURNAL_ACCEPT, /* the validator: appends, with the dedup index */
	JOURNAL_SETTLE, /* the retrier: removes and schedules */
	JOURNAL_WATCH,  /* read only, never makes one; for the command line */
	JOURNAL_GIVE,   /* to mark it as given away, see journal_adopt.h; also when it is */
};

/* Opens (and makes, but for JOURNAL_WATCH) the journal. NULL with the cause. Open it after any
 * fork; one per process. */
struct journal *journal_open(const struct config *cfg, enum journal_use use, struct error *why);
void journal_close(struct journal **j);

/* For who holds what was read from it: was its file removed or replaced, and another one opened? True once
 * each time; until then nothing more can be read or changed, so that no number is taken for that of
 * another event. Only for those who have called it once. */
bool journal_renewed(struct journal *j);

/* What the last trouble was, in *why too; CAUSE_NONE since a group was committed. */
enum store_cause journal_cause(const struct journal *j, struct error *why);

/* Takes the deduplication windows of a configuration: rows of `seen` stay as long as the longest, by the
 * time that has passed (elapsed.h). */
void journal_set_windows(struct journal *j, const struct config *cfg);

/* The random id: 16 hex digits, lives as long as j. */
struct slice journal_id(const struct journal *j);

/* ---- accepting: one group, one transaction, one flush ---- */

struct journal_key {
	struct hash128 hash;
	uint64_t request;   /* says which request, and which place in it, asks */
	uint64_t now_ms;    /* wall clock */
	uint64_t window_ms; /* how long an id is remembered */
};

enum journal_seen {
	SEEN_NEW,
	SEEN_DUPLICATE,
	SEEN_SAME, /* this very request has been committed before: its answer was lost */
};

/* The hash under which a source's event id is remembered (SHA-256, cut). */
struct hash128 journal_hash(struct journal *j, struct slice source, struct slice key);

/* Opens the dedup index, and builds it anew where it is lost, which otherwise the first group would
 * wait for: some 100 ns an event remembered. False with the cause: the first group tries again. */
bool journal_prepare(struct journal *j, struct error *why);

/* Commits a small change, by which a trouble that is over is found to be so though no events come. */
enum store_rc journal_try(struct journal *j, struct error *why);

/* Waits for the write lock. After STORE_FAILED the next call opens the journal anew, at most
 * once a second. */
enum store_rc journal_begin(struct journal *j, struct error *why);

/* Would so many bytes more go past the limit? (90 % of the map: the rest is for the retrier.) */
bool journal_full(const struct journal *j, uint64_t bytes);

enum journal_seen journal_seen(struct journal *j, const struct journal_key *key, uint64_t *seq);

/* For how long a duplicate's id is remembered still, by its seq. */
uint64_t journal_left_ms(struct journal *j, const struct journal_key *key, uint64_t seq);

/* A proof that covers no event (Mailgun signs a token and a time alone) is good for the events that
 * it came with first. */
struct journal_proof {
	struct hash128 proof, events, body;
	uint64_t signed_ms; /* the same whenever the proof is: it is signed with it */
};

enum journal_proved {
	PROVED,       /* it is new, or has come with this very body before */
	PROVED_ANEW,  /* it has come with the same events in another body */
	PROVED_OTHER, /* it has come with other events */
};

/* Inside journal_begin: remembers a proof with its events and its body, until the windows are over. */
enum store_rc journal_prove(struct journal *j, const struct journal_proof *proof,
	enum journal_proved *proved, struct error *why);

/* The number that the next append gets. */
uint64_t journal_next(const struct journal *j);

/* Appends a new event under journal_next and remembers its key. */
enum store_rc journal_append(struct journal *j, const struct journal_key *key, struct slice frame,
	uint64_t received_ms, struct error *why);

/* What a batch came to when it was accepted. Its id is a UUID that begins with its number, so that
 * it is found without an index. */
#define BATCH_FIELDS(F)                                                                            \
	F(STR, id, 36, "the batch's id, as answered")                                              \
	F(STR, source, 64, "where it came to")                                                     \
	F(UINT, at, 0, "when, ms since 1970")                                                      \
	F(UINT, first, 0, "place of its first event in the journal")                               \
	F(UINT, queued, 0, "events from there on")                                                 \
	F(UINT, duplicates, 0, "events that were known already")                                   \
	F(UINT, invalid, 0, "events that were refused")                                            \
	F(OBJ, errors, 0, "array of [index, event id or nil, error] of those")

struct journal_batch {
	BATCH_FIELDS(FRAME_MEMBER)
};

/* Inside journal_begin: writes the id of the next batch into id, from 8 random bytes. */
void journal_batch_id(struct journal *j, const unsigned char random[8], char id[37]);

/* The number of the node that gave a batch its id; 0: it had none, or it is no id of ours. */
unsigned journal_batch_node(struct slice id);

/* Appends the batch whose id that was. */
enum store_rc journal_append_batch(
	struct journal *j, const struct journal_batch *batch, struct error *why);

/* Inside journal_begin: the id of the batch in which the event was accepted; false when there is
 * none.
 */
bool journal_batch_of(struct journal *j, uint64_t seq, char id[37]);

/* Commits and flushes to disk; STORE_OK means durable. Trims what no window remembers. */
enum store_rc journal_commit(struct journal *j, struct error *why);
void journal_abort(struct journal *j);

/* ---- settling: the moves of the state table, many in one transaction ---- */

enum journal_move {
	MOVE_DONE,   /* accepted or scheduled -> done */
	MOVE_RETRY,  /* accepted -> scheduled, one attempt more */
	MOVE_DEAD,   /* accepted -> given up, to be handed to the dlq */
	MOVE_BURIED, /* given up -> gone: the dlq's store has it */
	MOVE_FIRE,   /* scheduled -> accepted: its time has come */
	MOVE_LOST,   /* accepted -> accepted: its handler went away without an answer */
};

struct journal_change {
	uint64_t delivery;
	enum journal_move move;
	uint64_t due_ms;       /* MOVE_RETRY: when */
	bool free;             /* MOVE_RETRY: costs no attempt, the event is not to blame */
	uint64_t attempts_max; /* MOVE_RETRY, MOVE_LOST: past so many it is MOVE_DEAD instead */
	uint64_t failed_ms;    /* MOVE_BURIED: failed_at of the letter; 0: whichever it is */
	struct slice reason;   /* MOVE_RETRY, MOVE_DEAD */
	struct slice handler;  /* likewise */
	bool wants_id;         /* looks in the frame for it */
	/* out: */
	bool applied; /* false: there was no such delivery in a state to move from */
	enum journal_move applied_as; /* `move`, or MOVE_DEAD past attempts_max */
	uint64_t received_ms;         /* when the event was accepted; 0: it is settled already */
	uint64_t attempts;            /* RETRY answers so far, this one included */
	struct slice id; /* the sender's, if wanted and applied: until the next settling */
};

/* Gives up the places of readers that were killed, which would pin old pages. Cheap; call it now
 * and then. */
void journal_tidy(struct journal *j);

/* Makes all the moves in one transaction that is durable but for the last instant before a power
 * cut; what is lost then is only done once more. */
enum store_rc journal_settle(
	struct journal *j, struct journal_change *changes, size_t n, struct error *why);

/* Forgets what is owed to takers that the configuration no longer has, and with it the events that all
 * others have settled: a part of it each time, and nothing more once there is none. For the retrier. */
enum store_rc journal_disown(struct journal *j, struct error *why);

/* Of the events that their handlers have settled, and history has not: forgets the oldest, at most so many,
 * and says which. They are not in history then. For the retrier. */
enum store_rc journal_let_go(
	struct journal *j, uint64_t *seqs, size_t most, size_t *n, struct error *why);

/* Puts an event that a taker has given up back among the accepted ones, under its own number, so that
 * its effects stay exactly once; it is owed to that taker alone. A deletion of its letter may follow
 * once this is STORE_OK. */
enum store_rc journal_revive(
	struct journal *j, uint64_t delivery, struct slice frame, struct error *why);

/* Makes up to max events that are scheduled for their handler due at once: the earliest that are not
 * yet, or only the one of seq when it is not 0. *count receives how many; 0: there are no more. */
enum store_rc journal_hasten(
	struct journal *j, uint64_t seq, size_t max, size_t *count, struct error *why);

/* ---- reading: short snapshots; never kept over a wait ---- */

/* What stands in `tries`. */
#define TRY_FIELDS(F)                                                                              \
	F(UINT, attempts, 0, "deliveries answered with RETRY")                                     \
	F(UINT, due, 0, "when it is due, ms since 1970; 0: not scheduled")                         \
	F(UINT, lost, 0, "handlers that went away while they had it")                              \
	F(UINT, dead, 0, "given up: 0 not, 1 verdict dead, 2 out of tries, 3 handlers went away")  \
	F(UINT, at, 0, "when it was last answered, ms since 1970")                                 \
	F(STR, reason, 512, "the last reason")                                                     \
	F(STR, handler, 64, "who gave it")

struct journal_try {
	TRY_FIELDS(FRAME_MEMBER)
};

struct journal_event {
	uint64_t seq, received_ms;
	uint64_t delivery;  /* as asked for, and all below is of its taker */
	bool settled;       /* by the taker, but not by another */
	struct slice frame; /* points into the journal: good until journal_read_end */
	bool tried;         /* `last` is set */
	struct journal_try last;
};

bool journal_read_begin(struct journal *j, struct error *why);
void journal_read_end(struct journal *j);

/* The event of a delivery; false when that is settled already, or its taker takes nothing. */
bool journal_event_at(struct journal *j, uint64_t delivery, struct journal_event *ev);

/* The first event at or after the delivery's, as it is owed to its taker, `settled` ones too; false at
 * the end. */
bool journal_event_from(struct journal *j, uint64_t delivery, struct journal_event *ev);

/* Up to max deliveries of a taker whose time is at or before now_ms, earliest first. Returns how many.
 */
size_t journal_due(
	struct journal *j, enum taker taker, uint64_t now_ms, uint64_t *deliveries, size_t max);

/* The same for those whose time is after late_ms, latest first: a clock that was wrong has put them
 * there. */
size_t journal_due_after(
	struct journal *j, enum taker taker, uint64_t late_ms, uint64_t *deliveries, size_t max);

struct journal_stat {
	uint64_t owed[TAKERS]; /* events that each has not settled */
	uint64_t alone;        /* of these, those that history alone has not settled */
	uint64_t scheduled;    /* of the handlers' */
	uint64_t remembered;
	uint64_t last_seq; /* newest number given out, 0 for none */
	uint64_t used_bytes, limit_bytes;
	uint64_t event_bytes; /* of those used: what events take that are here */
	uint64_t oldest_ms
		[TAKERS]; /* when the oldest was accepted that each has not settled; 0: none */
};
bool journal_stat(struct journal *j, struct journal_stat *st);

/* The batch of that id; it lives until journal_read_end or the next look-up. */
bool journal_find_batch(struct journal *j, struct slice id, struct journal_batch *batch);

/* Is the number remembered, and when was it accepted? */
bool journal_remembers(struct journal *j, uint64_t seq, uint64_t *at_ms);

/* One row of the seen log. */
struct journal_known {
	uint64_t seq, age_ms;
	struct hash128 hash;
};

/* The newest number given out, 0 for none. */
uint64_t journal_last(const struct journal *j);

/* Up to max rows from seq on, in order of seq. Returns how many. */
size_t journal_known_from(struct journal *j, uint64_t seq, struct journal_known *rows, size_t max);

/* Lets go of the memory that a walk through the whole log has taken. */
void journal_known_end(const struct journal *j);

/* Calls fn with each event that was done lately, as ended_each does. Outside of all snapshots. */
void journal_each_ended(const struct journal *j, ended_visit *fn, void *arg);

/* What became of a source's event id. */
struct journal_found {
	enum { FOUND_NOT, FOUND_WAITING, FOUND_ENDED } state; /* of its handler */
	uint64_t seq, seen_ms;
	struct journal_event event; /* FOUND_WAITING: good until journal_read_end */
	bool history_waits;         /* it is not in history yet */
};

/* Inside journal_read_begin: by the hint, else by reading the seen log from end to start. */
bool journal_find(
	struct journal *j, struct slice source, struct slice id, struct journal_found *found);

#endif
