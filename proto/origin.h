/* origin - who an event is, for ever and on every node: the journal that accepted it first, and its place there.
 *
 * An event that has come to another node (by `trotline adopt`) has a place in that node's journal, which is who
 * takes care of it, and in `origin` of its frame the identity under which it was accepted. Effects, dead
 * letters and what destinations are told go by the identity; leases, tries and verdicts by the place. */
#ifndef TROTLINE_ORIGIN_H
#define TROTLINE_ORIGIN_H

#include "frame.h"

struct origin {
	struct slice journal; /* 16 hex digits */
	uint64_t seq;
};

/* With the NUL. */
enum { ORIGIN_ROOM = WIDTH_ORIGIN + 1 };

/* Reads "journal-seq", exactly so: false for all else, and for a place that no journal gives. */
bool origin_read(struct slice text, struct origin *origin);

/* The text of it, in out. */
struct slice origin_write(const struct origin *origin, char out[ORIGIN_ROOM]);

/* The event's identity: its origin where it has one that can be read, else its place in the journal. Lives as
 * long as the event. */
struct origin origin_of(const struct event *ev);

/* The same of a frame as it lies in a store, or of its beginning up to the data. False: it has none. */
bool origin_of_frame(struct slice frame, struct origin *origin);

/* Was it accepted by another node? */
bool origin_is_elsewhere(const struct event *ev);

/* Is it for a destination of that name? Of an event that came from elsewhere its field FOR_FIELD says so. */
bool origin_is_for(const struct event *ev, const char *destination);

#endif
