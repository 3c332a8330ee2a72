/* letters_look - what the dead letters hold, as objects: one, a page of them, or all in figures.
 * Only reads. */
#ifndef TROTLINE_OPS_LETTERS_LOOK_H
#define TROTLINE_OPS_LETTERS_LOOK_H

#include "found.h"
#include "selection.h"

/* Reasons and the like that the figures name; all others are one row. */
enum { SUMMARY_REASONS = 20 };

/* Where a letter is: the one of that name, whether it is there or not, or the newest about a
 * sender's event id. OPS_TROUBLE with the cause, also when the time was too short to find it. */
enum ops_found letters_locate(struct letters *letters, const char *id, uint64_t until_ms,
	struct letter_place *place, struct error *why);

/* The whole record of the letter that letters_locate finds. */
enum ops_found letters_show(struct letters *letters, const char *id, uint64_t until_ms,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

/* {matching, complete, dead_letters: [records]}: all that are meant are counted, `most` of them are
 * listed. */
bool letters_page(struct letters *letters, const struct selection *s, size_t most,
	msgpack_zone *zone, msgpack_object *out, struct error *why);

/* {count, used_bytes, limit_bytes, file_bytes, oldest_failed_at, newest_failed_at, non_retryable,
 * requires_manual_review, dropped_remembered, by_type, by_source, by_reason, by_journal: [{name,
 * count}]} of those that are meant; the bytes are the whole store's. */
bool letters_summary(struct letters *letters, const struct selection *s, msgpack_zone *zone,
	msgpack_object *out, struct error *why);

#endif
