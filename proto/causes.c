/* causes - see causes.h. */
#include "causes.h"

#define STORE_CAUSE_ROW(name, word, advice) [CAUSE_##name] = {word, advice},
const struct cause_row cause_table[CAUSES_COUNT] = {
	[CAUSE_NONE] = {"", ""}, STORE_CAUSES(STORE_CAUSE_ROW)};
