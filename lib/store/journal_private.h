/* journal_private - what the journal's own files share; no stage includes it. */
#ifndef TROTLINE_JOURNAL_PRIVATE_H
#define TROTLINE_JOURNAL_PRIVATE_H

#include <openssl/evp.h>

#include "elapsed.h"
#include "ended.h"
#include "journal.h"
#include "lmdb_env.h"

/* The value of a `seen` row, in the machine's own byte order: the file never leaves the machine. */
struct seen_row {
	struct hash128 hash;
	uint64_t at_ms;
	uint64_t request;
};

/* Key of a `due` row; compared as two numbers by MDB's integer compare of the first, see due_cmp.
 */
struct due_key {
	uint64_t due_ms, seq;
};

/* What a taker has had of the events that it has not settled, and which it has while others have not. */
struct owing {
	MDB_dbi tries, due, settled;
};

struct journal {
	MDB_env *env;
	MDB_dbi events, seen, batches, proofs, clock, meta;
	struct owing owing[TAKERS];
	unsigned owed;           /* whom events are owed to: OWED_... */
	bool disowned;           /* to the handlers alone, and nothing tells of another */
	uint64_t oldest[TAKERS]; /* where the next look for each one's oldest event begins */
	MDB_txn *write;          /* open write transaction, or NULL */
	MDB_txn *read;           /* kept and renewed */
	MDB_cursor *seen_cursor; /* of `write` */
	struct dedup *dedup;
	struct dedup_truth truth; /* of `write` */
	struct elapsed elapsed;   /* likewise */
	enum journal_use use;
	bool broken;  /* after a failure: opened anew by the next begin, of whatever kind */
	bool lost;    /* its file was removed, replaced or cut: what was read from it is not so */
	bool careful; /* somebody asks journal_renewed */
	enum store_cause cause; /* of the last trouble, until a group is committed */
	struct error why;
	bool turn; /* the map was full: a small commit goes before the next one */
	uint64_t broken_at_ms;
	uint64_t id, next_seq, used_bytes, limit_bytes, window_ms, group, group_batches;
	uint64_t next_batch, first_seq; /* first_seq: the group's */
	EVP_MD_CTX *digest;
	EVP_MD *sha256;
	msgpack_zone zone; /* of the try last read */
	msgpack_sbuffer out;
	msgpack_sbuffer ids; /* of the events last settled */
	struct ended *ended; /* NULL: nobody settles here */
	unsigned node;       /* its number; 0: none */
	char id_text[17];
	char dir[4096], dedup_path[4200];
	uint64_t max_bytes;
};

extern const struct frame_schema try_schema, batch_schema;

/* Names the cause and says of which kind it is. */
enum store_rc journal_trouble(struct journal *j, int rc, const char *what, struct error *why);

/* Bytes in the pages of all tables of a transaction. */
uint64_t journal_used(const struct journal *j, MDB_txn *txn);

/* Forgets some of the proofs that no window needs any more. LMDB's status. */
int journal_trim_proofs(struct journal *j, uint64_t now_ms, uint64_t most);

/* Opens the journal anew after a failure, at most once a second. False: still in trouble. */
bool journal_mend(struct journal *j, struct error *why);

/* Begins a write transaction; mends before. */
enum store_rc journal_lock(struct journal *j, unsigned flags, struct error *why);

/* Reads the row of `tries`; its texts point into the journal. False when there is none. */
bool journal_try_at(struct journal *j, MDB_txn *txn, uint64_t delivery, struct journal_try *last);

/* Has the taker settled an event that is there for another's sake? */
bool journal_is_settled(struct journal *j, MDB_txn *txn, uint64_t delivery);

/* Of a taker's delivery: its tries, and when it is due. An LMDB result. */
int journal_forget_tries(struct journal *j, uint64_t delivery);

/* Commits when rc is 0, else gives everything up. */
enum store_rc journal_end(struct journal *j, int rc, const char *what, struct error *why);

/* The parts of a delivery's state, in the transaction that is open. An LMDB result. */
int journal_put_try(struct journal *j, uint64_t delivery, const struct journal_try *last);
int journal_put_due(struct journal *j, uint64_t due_ms, uint64_t delivery);
int journal_mark_settled(struct journal *j, uint64_t delivery, bool settled);

/* The request of a row of `seen` that came with the events of another journal. */
#define JOURNAL_ADOPTED UINT64_C(0x64657470616f6461)

/* False with the cause: it is given away, so nobody opens it for work. */
bool journal_may_work(struct journal *j, MDB_txn *txn, struct error *why);

/* A taker's tables. */
static inline struct owing *
owing_of(struct journal *j, uint64_t delivery)
{
	return &j->owing[delivery_taker(delivery) % TAKERS];
}

/* A small change of no meaning. An LMDB result. */
int journal_put_turn(struct journal *j, MDB_txn *txn);

#endif
