/* types - see types.h. */
#include "types.h"

#define ROW(type, handler) {type, handler},
const struct event_type event_types[] = {EVENT_TYPES(ROW)};
#undef ROW

const size_t event_types_count = sizeof event_types / sizeof *event_types;

const struct event_type *
event_type_find(struct slice type)
{
	for (size_t i = 0; i < event_types_count; i++)
		if (slice_is(type, event_types[i].name))
			return &event_types[i];
	return NULL;
}
