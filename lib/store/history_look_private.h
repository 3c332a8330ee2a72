/* history_look_private - what those files of the history share that look. */
#ifndef TROTLINE_STORE_HISTORY_LOOK_PRIVATE_H
#define TROTLINE_STORE_HISTORY_LOOK_PRIVATE_H

#include "history_private.h"

struct history_view {
	char folder[PATH_ROOM - 300];
	struct hasher *hasher;
	struct segment_names names;
	struct known_segment *seen; /* facts of sealed ones that were open before, by first */
	size_t n;
};

struct history_query {
	struct history_filter filter; /* points into room */
	char *room;
	uint64_t x[INDEX_TEXTS]; /* 0: not asked for */
	int kind;                /* the index to be used; -1: none helps */
	struct slice journal;    /* of an id of ours */
	uint64_t seq, place;
	uint64_t mark; /* of the texts */
	uint32_t key_mark;
};

/* Can the event be one? Hashes count where its segment has them of our key. */
bool query_takes_key(const struct history_query *q, const struct segment *s, const struct key *key);
/* Is it one? */
bool query_takes(const struct history_query *q, const struct event *ev);
/* A text, or the beginning of one with a * behind it; absent: any text, and none. */
bool pattern_matches(struct slice pattern, struct slice text);
/* May any of the segment be one, by its times? */
bool query_takes_segment(const struct history_query *q, const struct facts *f);

/* Lists the folder anew. */
bool view_list(struct history_view *v, struct error *why);
/* The facts of a sealed one, if it was open before. */
const struct facts *view_facts(const struct history_view *v, const struct segment_name *name);
void view_note(struct history_view *v, const struct segment *s);

#endif
