/* letter_view - a dead letter as operators see it: its name and its record as JSON. Pure. */
#ifndef TROTLINE_LETTER_VIEW_H
#define TROTLINE_LETTER_VIEW_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/config/config.h"
#include "proto/frame.h"

/* A letter's name: its journal's id, a hyphen, its number there, such as 9f86d081884c7d65-17; with
 * `.history` behind it where history gave it up. seq: the delivery's number (proto/taker.h). */
enum { LETTER_NAME_BYTES = 48 };
char *letter_name(struct slice journal, uint64_t seq, char out[LETTER_NAME_BYTES]);
/* The journal points into the text. False when it is no letter's name. */
bool letter_name_read(struct slice text, struct slice *journal, uint64_t *seq);

/* The same as a value that outlives all snapshots. */
struct letter_place {
	char journal[WIDTH_JOURNAL]; /* its id, or as much of it as there is */
	uint64_t seq;
};
struct letter_place letter_place_of(struct slice journal, uint64_t seq);
struct slice letter_place_journal(const struct letter_place *place);

/* A letter with the event in it. */
struct letter {
	const struct dead *dead;
	bool readable; /* `event` is set; otherwise it is all empty */
	struct event event;
};

/* Points into the letter and the zone. */
void letter_open(const struct dead *dead, msgpack_zone *zone, struct letter *out);

/* No handler took it, or it may be the handler's fault: repeating it alone will not help. */
bool letter_needs_review(const struct dead *dead);

/* The record as a map in the zone. whole: with `original_webhook`, the sender's event as it came
 * (for an unreadable one the raw bytes, as base64). Good as long as the letter. */
bool letter_object(
	const struct letter *letter, bool whole, msgpack_zone *zone, msgpack_object *out);

/* The sender's event in the native format, for `trotline send --batch`. False when it cannot be
 * read. */
bool letter_webhook(const struct letter *letter, msgpack_zone *zone, msgpack_object *out);

#endif
