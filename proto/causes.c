/* causes - see causes.h. */
#include "causes.h"

#define STORE_CAUSE_ROW(name, word, advice) [CAUSE_##name] = {word, advice},
const struct cause_row cause_table[CAUSES_COUNT] = {
	[CAUSE_NONE] = {"", ""}, STORE_CAUSES(STORE_CAUSE_ROW)};

#define REFUSAL_CAUSE_ROW(name, word, advice) [REFUSAL_CAUSE_##name] = {word, advice},
const struct cause_row refusal_causes[REFUSAL_CAUSES_COUNT] = {
	[REFUSAL_CAUSE_NONE] = {"", ""}, REFUSAL_CAUSES(REFUSAL_CAUSE_ROW)};

#define UNABLE_WORD(name, word) word,
const char *const unable_words[UNABLE_COUNT] = {UNABLE_CAUSES(UNABLE_WORD)};
