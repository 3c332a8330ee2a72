/* unread - why a part of a proven request is kept as it came, beside the events or instead of one.
 *
 * All of these were answered 2xx: what a provider's body holds and nobody could read, and what was
 * read but not taken whole. The words stand on disk, in metrics and in what operators see. */
#ifndef TROTLINE_UNREAD_REASON_H
#define TROTLINE_UNREAD_REASON_H

#include <stdbool.h>

#include "lib/base/slice.h"

/* X(name, word, news, stale, what it means). news: nobody expects it, so that health tells of it.
 * stale: refused for its time, and so read again only by who says so. */
#define UNREAD_REASONS(X)                                                                             \
	X(JSON, "json", true, false, "it cannot be read as JSON")                                     \
	X(NO_OBJECT, "no_object", true, false, "it is no object")                                     \
	X(NO_EVENT, "no_event", true, false, "it is an object that names no event")                   \
	X(PART, "part", true, false, "events were read from it, but not all that it tells")           \
	X(FIELDS, "fields", false, false, "fields that it needs are missing or of the wrong kind")    \
	X(OLD, "too_old", false, true, "it is older than its source's max_age")                       \
	X(FUTURE, "future", false, true, "it is further ahead than its source's max_future")          \
	X(LARGE, "too_large", false, false,                                                           \
		"it is larger than an event may be: taken without its largest values, or not at all") \
	X(LONG, "too_long", false, false, "a text in it is longer than what is kept of it")           \
	X(LEFT_OUT, "left_out", false, false, "it is understood, and about no mail that was sent")    \
	X(FOREIGN, "foreign", false, false, "it holds no event of the native format")

#define UNREAD_ENUM(name, word, news, stale, meaning) UNREAD_##name,
enum unread_reason { UNREAD_REASONS(UNREAD_ENUM) UNREAD_REASON_COUNT };

struct unread_reason_row {
	const char *word;
	bool news, stale;
	const char *meaning;
};
extern const struct unread_reason_row unread_reasons[UNREAD_REASON_COUNT];

/* The row of a word, or NULL. */
const struct unread_reason_row *unread_reason_find(struct slice word);

#endif
