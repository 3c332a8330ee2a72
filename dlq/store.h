/* store - the dead letters on disk (LMDB, in <data_dir>/dlq): one row an event, keyed by its journal
 * and place, so that the same letter handed over twice is there once. */
#ifndef TROTLINE_DLQ_STORE_H
#define TROTLINE_DLQ_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "../proto/config.h"
#include "../proto/error.h"
#include "../proto/frame.h"

struct store;

/* Opens (and makes) the store. NULL with the cause. */
struct store *store_open(const struct config *cfg, struct error *why);
void store_close(struct store **s);

/* One group, one flush: begin, put each letter (its frame as received), commit. After a false nothing
 * of the group is stored. */
bool store_begin(struct store *s, struct error *why);
bool store_put(struct store *s, const struct dead *letter, struct slice frame, struct error *why);
bool store_commit(struct store *s, struct error *why);

/* Letters in the store. */
uint64_t store_count(struct store *s);

#endif
