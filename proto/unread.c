/* unread - see unread.h. */
#include "unread.h"

#define UNREAD_ROW(name, word, news, stale, meaning) {word, news, stale, meaning},
const struct unread_reason_row unread_reasons[UNREAD_REASON_COUNT] = {UNREAD_REASONS(UNREAD_ROW)};

const struct unread_reason_row *
unread_reason_find(struct slice word)
{
	for (size_t i = 0; i < UNREAD_REASON_COUNT; i++)
		if (slice_is(word, unread_reasons[i].word))
			return &unread_reasons[i];
	return NULL;
}
