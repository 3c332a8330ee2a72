/* unread - what of proven requests could not be read, kept as it came (LMDB, in <data_dir>/unread).
 *
 * | table | key                    | value                                          |
 * |-------|------------------------|------------------------------------------------|
 * | items | number                 | unread frame                                   |
 * | marks | hash of what it is     | its number: the same bytes of a source for the |
 * |       |                        | same reason are kept once                      |
 * | clock | number                 | see elapsed.h                                  |
 * | meta  | "next"                 | the number that the next one gets              |
 *
 * The validator puts them in, flushed to disk, before the request that held them is answered 2xx; the
 * command line looks at them, reads them again and takes them out. So a kill between this commit and
 * the journal's, or a refusal after it, leaves an item of a request that was not answered 2xx: it
 * will be sent again, and is known then. Bounded: what is older than unread.max_age goes, by the
 * time that has passed, and at unread.max_size nothing more comes in (STORE_FULL). Files are 0600; headers that carry credentials
 * are not kept. */
#ifndef TROTLINE_UNREAD_H
#define TROTLINE_UNREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "proto/frame.h"
#include "store.h"

struct unread;

enum unread_use {
	UNREAD_KEEP,  /* reads and writes, makes the store */
	UNREAD_WATCH, /* reads only; NULL from unread_open when there is no store yet */
};

#define UNREAD_FIELDS(F)                                                                           \
	F(UINT, at, 0, "when its request came, ms since 1970")                                     \
	F(STR, source, WIDTH_SOURCE, "where it came to")                                           \
	F(STR, reason, WIDTH_WORD, "why it is kept; see proto/unread.h")                           \
	F(STR, detail, WIDTH_REASON, "more about it, or empty")                                    \
	F(STR, target, WIDTH_TARGET, "path and query as the request had them")                     \
	F(UINT, batch, 0, "1: the path of batches")                                                \
	F(UINT, listed, 0, "1: it is one item of an array")                                        \
	F(OBJ, headers, 0, "array of [name, value], without those that carry credentials")         \
	F(OBJ, taken, 0,                                                                           \
		"array of texts: what makes the events unique that came of it all the same")       \
	F(BIN, body, 0, "its bytes as they came")

struct unread_item {
	uint64_t number; /* place in the store; out */
	UNREAD_FIELDS(FRAME_MEMBER)
};

/* Has anything ever been kept? */
bool unread_is_there(const struct config *cfg);

/* NULL with the cause. One per process, opened after any fork. */
struct unread *unread_open(const struct config *cfg, enum unread_use use, struct error *why);
void unread_close(struct unread **u);

/* ---- one group, one flush: begin, put or remove, commit ---- */

enum store_rc unread_begin(struct unread *u, struct error *why);

/* *number: its own, or that of the same one that is there already. After STORE_FULL the item is not
 * in, and the group goes on; after STORE_FAILED nothing of the group is in, and it is over. */
enum store_rc unread_put(
	struct unread *u, const struct unread_item *item, uint64_t *number, struct error *why);

/* STORE_OK also when it is gone already. */
enum store_rc unread_remove(struct unread *u, uint64_t number, struct error *why);

/* STORE_OK means durable; otherwise nothing of the group is in. */
enum store_rc unread_commit(struct unread *u, struct error *why);
void unread_abort(struct unread *u);

/* ---- */

typedef bool unread_visit(void *arg, const struct unread_item *item);

/* Removes what is older than unread.max_age, at most 64 of them, and shows each to fn (may be NULL)
 * before; *count: how many; now_ms: wall clock. Costs one look when there are none. */
enum store_rc unread_expire(struct unread *u, uint64_t now_ms, unread_visit *fn, void *arg,
	size_t *count, struct error *why);

/* Calls fn for each from `first` on, oldest first, until it returns false; the item lives as long as
 * the call. What cannot be made out is passed over. */
bool unread_walk(struct unread *u, uint64_t first, unread_visit *fn, void *arg, struct error *why);

struct unread_stat {
	uint64_t count, damaged; /* damaged: rows that cannot be made out; counted where `whole` */
	uint64_t used_bytes, limit_bytes;
};

/* whole: reads every row. False when the store is in trouble. */
bool unread_stat(struct unread *u, bool whole, struct unread_stat *st);

#endif
