/* ended - the events that were done last, for whoever asks what became of one: how it was tried, by
 * whom, and the beginning of its frame, in which all stands but its data.
 *
 * Only a memory, no truth: nothing is flushed, and what it loses costs an operator a line. So it costs
 * an event a copy and a group one write: <journal>/ended, and ended.old before it, of at most ENDED_MOST
 * bytes each, which hold the last 20,000 events or more. On a disk with less than 64 MiB free there is
 * neither. Who settles the journal writes it, with the journal's lock held; anybody reads it. */
#ifndef TROTLINE_STORE_ENDED_H
#define TROTLINE_STORE_ENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/slice.h"

enum { ENDED_MOST = 4 << 20 };

struct ended_row {
	uint64_t received_ms, ended_ms;
	uint64_t attempts, lost; /* as in the journal's try */
	struct slice handler;
	struct slice head; /* the beginning of the event frame, for frame_text and frame_uint */
};

struct ended;

/* NULL when memory is short, which all of the functions below take. Nothing is opened yet. dir is
 * copied; most: bytes of a file. */
struct ended *ended_new(const char *dir, uint64_t most);
void ended_destroy(struct ended **ended);

/* Notes an event for the next ended_write; its whole frame is in row->head. */
void ended_note(struct ended *ended, const struct ended_row *row);
/* Writes what was noted. */
void ended_write(struct ended *ended);
/* Forgets what was noted: it did not end. */
void ended_forget(struct ended *ended);

/* Calls fn with each event that is remembered in the folder, the oldest first, until it returns
 * false; what a row points to lives as long as the call. */
typedef bool ended_visit(void *arg, const struct ended_row *row);
void ended_each(const char *dir, ended_visit *fn, void *arg);

#endif
