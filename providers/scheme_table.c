/* scheme_table - see scheme_table.h. */
#include "scheme_table.h"

#include <string.h>

#define SCHEME_ROW(id, name, form) [SCHEME_##id] = {name, form},
const struct scheme_row scheme_rows[SCHEMES_COUNT] = {SCHEMES(SCHEME_ROW)};
#undef SCHEME_ROW

bool
scheme_find(const char *name, enum scheme *scheme)
{
	for (int i = 0; i < SCHEMES_COUNT; i++) {
		if (strcmp(scheme_rows[i].name, name) == 0) {
			*scheme = (enum scheme)i;
			return true;
		}
	}
	return false;
}
