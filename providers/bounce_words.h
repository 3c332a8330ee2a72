/* bounce_words - what each provider's own words of a failure mean: one table for all of them.
 *
 * What the words leave open, proto/bounce.h decides, in bounce_settle, which the registry calls for
 * every event of every provider. Pure. */
#ifndef TROTLINE_PROVIDERS_BOUNCE_WORDS_H
#define TROTLINE_PROVIDERS_BOUNCE_WORDS_H

#include "provider.h"

struct bounce_word {
	const char *provider, *field;
	const char
		*word; /* '*' stands for any bytes; one at its front makes it a part of a text for
			   * people, whose letters may be of any case */
	enum bounce_cause cause;
};
extern const struct bounce_word bounce_words[];
extern const size_t bounce_words_count;

/* What a word in a field means: BOUNCE_NONE for an absent or empty one, BOUNCE_NO_WORD for one that
 * stands in no row. */
enum bounce_cause bounce_word(const char *provider, const char *field, struct slice word);

/* The same of a word that decides by itself: one in no row is noted as the event's unknown_kind. */
enum bounce_cause bounce_word_of(struct normal *ev, const char *provider, const char *field,
	struct slice word, msgpack_zone *zone);

/* The word of Amazon SES, which Resend passes on: a permanent bounce of a subtype that nobody knows
 * needs a sign in the receiver's answer. */
enum bounce_cause bounce_amazon(
	struct normal *ev, struct slice type, struct slice subtype, msgpack_zone *zone);

/* The decision about an event whose type, cause (BOUNCE_NONE: as its type says), smtp_code,
 * smtp_enhanced and reason are filled in: sets type, bounce_class and cause. Leaves alone what is
 * no failure. */
void bounce_settle(struct normal *ev);

#endif
