/* quarantine - requests whose signature did not hold, kept as they came (LMDB, in
 * <data_dir>/quarantine), for sources with `on_bad_signature: quarantine`.
 *
 * | table  | key                       | value                                             |
 * |--------|---------------------------|---------------------------------------------------|
 * | items  | number                    | when it was put in (8 bytes, ms), request frame   |
 * | shares | source                    | bytes that its items take (8 bytes)               |
 * | clock  | number                    | see elapsed.h                                     |
 *
 * The validator puts them in before it answers 200; the command line verifies them again after the
 * key is mended. Bounded: what is older than quarantine.max_age goes, by the time that has passed.
 * Each source that is set aside so has an equal share of quarantine.max_size, and where it is full
 * nothing more comes in, for what was answered 200 is never pushed out by what comes later: of a
 * stranger's inventions and of the sender's own requests nobody knows which is which. They may hold
 * credentials: files are 0600, and nothing prints headers that carry them. */
#ifndef TROTLINE_QUARANTINE_H
#define TROTLINE_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "proto/frame.h"

struct quarantine;

enum quarantine_use {
	QUARANTINE_KEEP,  /* reads and writes, makes the store */
	QUARANTINE_WATCH, /* reads only; NULL from quarantine_open when there is no store yet */
};

/* NULL with the cause. One per process, opened after any fork. */
struct quarantine *quarantine_open(
	const struct config *cfg, enum quarantine_use use, struct error *why);
void quarantine_close(struct quarantine **q);

struct quarantine_new {
	struct slice source, frame;
	bool full; /* out: there was no room, so it is not in */
};

/* Puts n request frames in, in one transaction with one flush; each that finds its source's share or
 * the store full stays out. After a false none is in. */
bool quarantine_put(
	struct quarantine *q, struct quarantine_new *items, size_t n, struct error *why);

/* Removes one; true also when it is gone already. */
bool quarantine_remove(struct quarantine *q, uint64_t number, struct error *why);

struct quarantined {
	uint64_t number, at_ms; /* place in the store; when it was put in */
	struct request request; /* lives as long as the visit */
};

/* Calls fn for each from `first` on, oldest first, until it returns false. */
typedef bool quarantine_visit(void *arg, const struct quarantined *item);
bool quarantine_walk(
	struct quarantine *q, uint64_t first, quarantine_visit *fn, void *arg, struct error *why);

/* How many there are, and how long the oldest has been in; 0 where that cannot be told. */
void quarantine_survey(struct quarantine *q, uint64_t *count, uint64_t *oldest_ms);

/* How many there are. */
uint64_t quarantine_count(struct quarantine *q);

#endif
