/* history_kit - what the tests of the history share: events by number, and looks at them. */
#ifndef TROTLINE_TEST_HISTORY_KIT_H
#define TROTLINE_TEST_HISTORY_KIT_H

#include "lib/store/history.h"
#include "scratch.h"

#define KIT_JOURNAL "00112233aabbccdd"
#define KIT_DAY_MS 86400000ULL
/* 2026-11-28T12:00:00Z */
#define KIT_NOON 1795867200000ULL

struct kit {
	struct scratch s;
	char folder[128];
	struct history_limits limits;
	struct history *h;
	struct error why;
	uint64_t now_ms;
};

/* A folder of its own, and a history in it of small segments. */
void kit_open(struct kit *k, uint32_t segment_events);
void kit_close(struct kit *k);
/* As after a kill -9 that did no harm, or a restart. */
void kit_again(struct kit *k);

/* Of event number seq: address user<seq % 10>@example.com, message m-<seq / 2>, id e-<seq>, its type
 * by seq % 3. */
struct history_event kit_event(const struct kit *k, uint64_t seq);
/* The same with data of one's own: a msgpack map that outlives the group. */
struct history_event kit_event_of(
	const struct kit *k, uint64_t seq, const char *type, const char *email);
/* Appends seq from..end-1 in groups, and says how many were new. */
size_t kit_append(struct kit *k, uint64_t from, uint64_t end);
enum store_rc kit_append_one(struct kit *k, const struct history_event *event);
/* Works until nothing is left, retention included: 10 s pass. */
void kit_work(struct kit *k);

/* What a look found: seqs, in the order of the visits. */
struct kit_found {
	uint64_t seq[4096], pos[4096];
	size_t n;
	struct history_look look;
};
/* For looks of one's own, with a struct kit_found. */
bool kit_note(void *arg, const struct history_event *event);
struct kit_found *kit_find(struct kit *k, const struct history_filter *filter, size_t most);
/* All of it, oldest first. */
struct kit_found *kit_read(struct kit *k, uint64_t from);

/* What was counted, in order. */
struct kit_counts {
	struct {
		char type[32], domain[32];
		uint64_t from_ms, count;
	} rows[1024];
	size_t n;
	uint64_t all;
};
struct kit_counts *kit_count(struct kit *k, const struct history_stats *what);

/* The last fault that a check finds; "" for none. */
const char *kit_fault(struct kit *k);

#endif
