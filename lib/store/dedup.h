/* dedup - a hint that finds, for an event id's hash, the sequence number it was accepted under.
 *
 * An open-addressing table in a mapped file, 8 bytes a slot (24 bits of fingerprint, 40 of seq),
 * with checksums, filled to between 8/15 and three quarters: 10.7 to 15 bytes a remembered event. It is only a
 * hint: the truth is the journal's seen log, which the caller shows it through a dedup_hash_at
 * function; each hit is checked there, so slots left by a killed or aborted writer are harmless. It
 * is touched only by the holder of the journal's write lock. Lost or damaged, from before a reboot
 * (the mapping may not have reached the disk) or of another journal: it is built anew. */
#ifndef TROTLINE_DEDUP_H
#define TROTLINE_DEDUP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"

struct hash128 {
	uint64_t hi, lo;
};

struct dedup;

/* The hash that the seen log holds at seq; false when it holds none. */
typedef bool dedup_hash_at(void *arg, uint64_t seq, struct hash128 *hash);

/* Walks the seen log: calls add for each (hash, seq). False on failure. */
typedef bool dedup_walk(void *arg, struct dedup *dedup);

/* Where the truth is: functions over the seen log inside the caller's write transaction. */
struct dedup_truth {
	dedup_hash_at *hash_at;
	dedup_walk *walk;
	void *arg;
	uint64_t oldest; /* lowest seq in the seen log: slots below it are free to take */
	uint64_t count;  /* entries in the seen log */
};

/* Opens or makes the table for a journal; call it (and all below) with the write lock held. */
struct dedup *dedup_open(
	const char *path, uint64_t journal, const struct dedup_truth *truth, struct error *why);
void dedup_close(struct dedup **d);

/* Another file (or none) stands in its place, made by another process, or it has been cut: close and open
 * again. */
bool dedup_replaced(const struct dedup *d);

/* Looks at some of its checksums, the next ones each time. False: damaged; close and open again. */
bool dedup_sound(struct dedup *d);

/* What was found when it was opened was damaged, and is built anew. */
bool dedup_was_damaged(const struct dedup *d);

/* The seq under which the seen log holds this hash, or 0; the newest when it holds it more than
 * once, as it does for an id that came again after its window. */
uint64_t dedup_find(const struct dedup *d, struct hash128 hash, const struct dedup_truth *truth);

/* Remembers hash -> seq, which stands in the seen log already; grows the table when it is three
 * quarters full (reads the whole seen log then). False with the cause when it cannot grow. */
bool dedup_insert(struct dedup *d, struct hash128 hash, uint64_t seq,
	const struct dedup_truth *truth, struct error *why);

/* Forgets hash -> seq, which must still be in the seen log along with its neighbours. */
void dedup_remove(
	struct dedup *d, struct hash128 hash, uint64_t seq, const struct dedup_truth *truth);

/* For dedup_walk: puts an entry in without growing. */
void dedup_add(struct dedup *d, struct hash128 hash, uint64_t seq);

/* Looks a hash up without the lock: may miss what is being moved. 0 when not found. */
uint64_t dedup_peek(
	const char *path, uint64_t journal, struct hash128 hash, const struct dedup_truth *truth);

/* The table as it stands, without the lock, for dedup_find only. NULL when there is none of use.
 * The caller closes it. */
struct dedup *dedup_view(const char *path, uint64_t journal);

/* Bytes mapped, and slots in use. */
uint64_t dedup_bytes(const struct dedup *d);
uint64_t dedup_used(const struct dedup *d);

#endif
